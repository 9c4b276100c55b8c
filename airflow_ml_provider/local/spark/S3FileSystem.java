package airflowml;

import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathIsNotEmptyDirectoryException;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/**
 * An S3 bucket of a local AWS as a Hadoop file system.
 *
 * <p>A directory is a common prefix of keys; an empty one exists only in this JVM, which is enough
 * for Spark's local master and leaves no marker objects in the bucket. The source keeps to what
 * Janino compiles: no lambdas, no generics.
 *
 * @see <a href="https://hadoop.apache.org/docs/r3.3.4/hadoop-project-dist/hadoop-common/filesystem/filesystem.html">Hadoop's file system contract</a>
 */
public class S3FileSystem extends FileSystem {
    private static final int FETCH_BYTES = 8 * 1024 * 1024;
    private static final long BLOCK_BYTES = 32L * 1024 * 1024;

    /** "bucket/key/" of each directory made here; static, because each scheme has its own instance. */
    private static final ConcurrentSkipListSet MADE = new ConcurrentSkipListSet();

    private URI uri;
    private String bucket;
    private S3Client s3;
    private Path workingDirectory;

    public void initialize(URI name, Configuration conf) throws IOException {
        super.initialize(name, conf);
        setConf(conf);
        bucket = name.getAuthority();
        uri = URI.create(name.getScheme() + "://" + bucket);
        s3 = new S3Client(conf.get("fs.s3.local.endpoint"), conf.get("fs.s3.local.region"), bucket);
        workingDirectory = new Path(name.getScheme(), bucket, "/");
    }

    public String getScheme() {
        return uri.getScheme();
    }

    public URI getUri() {
        return uri;
    }

    /** Null, because the default looks the bucket's name up in the DNS. */
    public String getCanonicalServiceName() {
        return null;
    }

    public Path getWorkingDirectory() {
        return workingDirectory;
    }

    public void setWorkingDirectory(Path path) {
        workingDirectory = makeQualified(path);
    }

    public long getDefaultBlockSize() {
        return BLOCK_BYTES;
    }

    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        FileStatus status = getFileStatus(path);
        if (status.isDirectory()) {
            throw new FileNotFoundException(path + " is a directory");
        }
        return new FSDataInputStream(new Reader(this, key(path), status.getLen()));
    }

    public FSDataOutputStream create(Path path, FsPermission permission, boolean overwrite,
            int bufferSize, short replication, long blockSize, Progressable progress)
            throws IOException {
        FileStatus existing = overwrite ? null : find(path);
        if (existing != null || key(path).isEmpty()) {
            throw new FileAlreadyExistsException(path + " already exists");
        }
        return new FSDataOutputStream(new Writer(this, key(path)), statistics);
    }

    public FSDataOutputStream append(Path path, int bufferSize, Progressable progress) {
        throw new UnsupportedOperationException("S3 objects cannot be appended to: " + path);
    }

    public FileStatus getFileStatus(Path path) throws IOException {
        FileStatus status = find(path);
        if (status == null) {
            throw new FileNotFoundException("No such file or directory: " + makeQualified(path));
        }
        return status;
    }

    public FileStatus[] listStatus(Path path) throws IOException {
        String prefix = prefix(path);
        S3Client.Listing listing = s3.list(prefix, true, 0);
        TreeSet directories = new TreeSet(listing.prefixes);
        Iterator made = MADE.tailSet(bucket + "/" + prefix, false).iterator();
        while (made.hasNext()) {
            String name = (String) made.next();
            if (!name.startsWith(bucket + "/" + prefix)) {
                break;
            }
            String child = name.substring(bucket.length() + 1 + prefix.length());
            directories.add(prefix + child.substring(0, child.indexOf('/') + 1));
        }
        if (listing.objects.isEmpty() && directories.isEmpty()) {
            FileStatus status = getFileStatus(path);
            return status.isDirectory() ? new FileStatus[0] : new FileStatus[] {status};
        }
        List found = new ArrayList();
        for (int i = 0; i < listing.objects.size(); i++) {
            S3Client.S3Object object = (S3Client.S3Object) listing.objects.get(i);
            if (!object.key.endsWith("/")) {
                found.add(file(object));
            }
        }
        Iterator names = directories.iterator();
        while (names.hasNext()) {
            found.add(directory((String) names.next()));
        }
        return (FileStatus[]) found.toArray(new FileStatus[0]);
    }

    public boolean mkdirs(Path path, FsPermission permission) throws IOException {
        FileStatus status = find(path);
        if (status != null && status.isFile()) {
            throw new FileAlreadyExistsException(path + " is a file");
        }
        if (status == null) {
            MADE.add(bucket + "/" + prefix(path));
        }
        return true;
    }

    /** Copies, then deletes: as on S3 itself it is not atomic. */
    public boolean rename(Path source, Path target) throws IOException {
        FileStatus from = find(source);
        FileStatus to = find(target);
        if (to != null && to.isDirectory()) {
            target = new Path(target, source.getName());
            to = find(target);
        }
        boolean inside = prefix(target).startsWith(prefix(source));
        if (from == null || to != null || inside || key(source).isEmpty()) {
            return from != null && from.isFile() && key(source).equals(key(target));
        }
        List keys = new ArrayList();
        if (from.isFile()) {
            s3.copy(key(source), key(target));
            keys.add(key(source));
        } else {
            List objects = s3.list(prefix(source), false, 0).objects;
            for (int i = 0; i < objects.size(); i++) {
                String key = ((S3Client.S3Object) objects.get(i)).key;
                s3.copy(key, prefix(target) + key.substring(prefix(source).length()));
                keys.add(key);
            }
            Iterator made = made(source).iterator();
            while (made.hasNext()) {
                String below = ((String) made.next()).substring(bucket.length() + 1 + prefix(source).length());
                MADE.add(bucket + "/" + prefix(target) + below);
            }
        }
        s3.delete(keys);
        MADE.removeAll(made(source));
        return true;
    }

    public boolean delete(Path path, boolean recursive) throws IOException {
        FileStatus status = find(path);
        if (status == null) {
            return false;
        }
        List keys = new ArrayList();
        if (status.isFile()) {
            keys.add(key(path));
        } else {
            if (!recursive && listStatus(path).length > 0) {
                throw new PathIsNotEmptyDirectoryException(path.toString());
            }
            List objects = s3.list(prefix(path), false, 0).objects;
            for (int i = 0; i < objects.size(); i++) {
                keys.add(((S3Client.S3Object) objects.get(i)).key);
            }
        }
        s3.delete(keys);
        MADE.removeAll(made(path));
        return true;
    }

    private FileStatus find(Path path) throws IOException {
        String key = key(path);
        if (!key.isEmpty()) {
            S3Client.S3Object object = s3.head(key);
            if (object != null) {
                return file(object);
            }
        }
        String prefix = prefix(path);
        S3Client.Listing first = s3.list(prefix, true, 1);
        boolean held = !first.objects.isEmpty() || !first.prefixes.isEmpty();
        boolean root = key.isEmpty() && first.bucketExists;
        return held || root || !made(path).isEmpty() ? directory(prefix) : null;
    }

    private void count(int bytes) {
        statistics.incrementBytesRead(bytes);
    }

    private FileStatus file(S3Client.S3Object object) {
        return new FileStatus(
                object.bytes, false, 1, BLOCK_BYTES, object.modifiedMillis, path(object.key));
    }

    private FileStatus directory(String prefix) {
        return new FileStatus(0, true, 1, 0, 0, path(prefix));
    }

    private Path path(String key) {
        return new Path(uri.getScheme(), bucket, "/" + key);
    }

    private String key(Path path) {
        return makeQualified(path).toUri().getPath().substring(1);
    }

    private String prefix(Path path) {
        String key = key(path);
        return key.isEmpty() ? "" : key + "/";
    }

    /** The directories made here at or below a path. */
    private TreeSet made(Path path) {
        String start = bucket + "/" + prefix(path);
        return new TreeSet(MADE.subSet(start, true, start + "\uffff", false));
    }

    /** Reads in large ranges; a file that fits into one is fetched with one request. */
    private static class Reader extends FSInputStream {
        private final S3FileSystem fs;
        private final String key;
        private final long length;
        private long position;
        private byte[] fetched = new byte[0];
        private long fetchedFrom;

        Reader(S3FileSystem fs, String key, long length) {
            this.fs = fs;
            this.key = key;
            this.length = length;
        }

        public synchronized void seek(long target) throws IOException {
            if (target < 0 || target > length) {
                throw new EOFException("Position " + target + " of " + key + ", which has " + length + " bytes");
            }
            position = target;
        }

        public synchronized long getPos() {
            return position;
        }

        public boolean seekToNewSource(long target) {
            return false;
        }

        public synchronized int available() {
            return (int) Math.max(0, Math.min(fetchedFrom + fetched.length - position, fetched.length));
        }

        public synchronized int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        public synchronized int read(byte[] target, int offset, int count) throws IOException {
            if (count == 0) {
                return 0;
            }
            if (position >= length) {
                return -1;
            }
            if (position < fetchedFrom || position >= fetchedFrom + fetched.length) {
                fetch();
            }
            int start = (int) (position - fetchedFrom);
            int copied = Math.min(count, fetched.length - start);
            System.arraycopy(fetched, start, target, offset, copied);
            position += copied;
            fs.count(copied);
            return copied;
        }

        private void fetch() throws IOException {
            long start = length <= FETCH_BYTES ? 0 : position;
            long end = Math.min(length, start + FETCH_BYTES) - 1;
            fetched = fs.s3.get(key, start, end);
            fetchedFrom = start;
            if (fetched.length != end - start + 1) {
                throw new EOFException(key + " changed while it was read");
            }
        }
    }

    /** Spools to a temporary file and uploads it when closed: S3 shows whole objects only. */
    private static class Writer extends OutputStream {
        private final S3FileSystem fs;
        private final String key;
        private final File spool;
        private OutputStream out;

        Writer(S3FileSystem fs, String key) throws IOException {
            this.fs = fs;
            this.key = key;
            this.spool = File.createTempFile("s3-", ".upload");
            this.out = new BufferedOutputStream(new FileOutputStream(spool));
        }

        public void write(int value) throws IOException {
            out.write(value);
        }

        public void write(byte[] bytes, int offset, int count) throws IOException {
            out.write(bytes, offset, count);
        }

        public void flush() throws IOException {
            out.flush();
        }

        public void close() throws IOException {
            if (out == null) {
                return;
            }
            out.close();
            out = null;
            try {
                InputStream body = new FileInputStream(spool);
                try {
                    fs.s3.put(key, body, spool.length());
                } finally {
                    body.close();
                }
            } finally {
                spool.delete();
            }
        }
    }
}
