package airflowml;

import java.io.File;
import org.codehaus.commons.compiler.ICompiler;
import org.codehaus.janino.CompilerFactory;

/** Run by Janino's SimpleCompiler: compiles the sources args[1..] into the directory args[0]. */
public class CompileSources {
    public static void main(String[] args) throws Exception {
        String[] entries = System.getProperty("java.class.path").split(File.pathSeparator);
        File[] classPath = new File[entries.length];
        for (int i = 0; i < entries.length; i++) {
            classPath[i] = new File(entries[i]);
        }
        File[] sources = new File[args.length - 1];
        for (int i = 1; i < args.length; i++) {
            sources[i - 1] = new File(args[i]);
        }
        ICompiler compiler = new CompilerFactory().newCompiler();
        compiler.setClassPath(classPath);
        compiler.setDestinationDirectory(new File(args[0]), false);
        compiler.setSourceVersion(8);
        compiler.setTargetVersion(8);
        compiler.compile(sources);
    }
}
