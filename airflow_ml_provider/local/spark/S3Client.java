package airflowml;

import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/**
 * One bucket of a local S3 over plain path-style REST.
 *
 * <p>Requests name a region but are not signed, so this is no client for the real S3.
 *
 * @see <a href="https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html">S3 API</a>
 */
class S3Client {
    private static final int DELETE_BATCH = 1000;
    private static final int NOT_FOUND = 404;

    private final String endpoint;
    private final String bucket;
    private final String authorization;

    S3Client(String endpoint, String region, String bucket) {
        this.endpoint = endpoint;
        this.bucket = bucket;
        this.authorization = "AWS4-HMAC-SHA256 Credential=testing/20000101/" + region
                + "/s3/aws4_request, SignedHeaders=host, Signature=0";
    }

    /** Null if there is no such object. */
    S3Object head(String key) throws IOException {
        HttpURLConnection head = request("HEAD", key, "");
        if (head.getResponseCode() == NOT_FOUND) {
            return null;
        }
        check(head);
        S3Object object = new S3Object();
        object.key = key;
        object.bytes = head.getContentLengthLong();
        object.modifiedMillis = head.getLastModified();
        return object;
    }

    /** The bytes from {@code start} to {@code end}, both included. */
    byte[] get(String key, long start, long end) throws IOException {
        HttpURLConnection get = request("GET", key, "");
        get.setRequestProperty("Range", "bytes=" + start + "-" + end);
        check(get);
        return drain(get.getInputStream());
    }

    void put(String key, InputStream body, long bytes) throws IOException {
        send(request("PUT", key, ""), body, bytes);
    }

    /** At most one page of {@code limit} entries, or all pages if the limit is 0. */
    Listing list(String prefix, boolean oneLevel, int limit) throws IOException {
        Listing listing = new Listing();
        String token = null;
        do {
            String query = "?list-type=2&prefix=" + encode(prefix).replace("/", "%2F")
                    + (oneLevel ? "&delimiter=%2F" : "")
                    + (limit > 0 ? "&max-keys=" + limit : "")
                    + (token == null ? "" : "&continuation-token=" + encode(token).replace("/", "%2F"));
            HttpURLConnection answer = request("GET", "", query);
            if (answer.getResponseCode() == NOT_FOUND) {
                drain(answer.getErrorStream());
                listing.bucketExists = false;
                return listing;
            }
            check(answer);
            InputStream body = answer.getInputStream();
            try {
                token = listing.read(body);
            } catch (XMLStreamException error) {
                throw new IOException("S3 sent no readable listing of " + bucket, error);
            } finally {
                body.close();
            }
        } while (token != null && limit == 0);
        return listing;
    }

    void copy(String source, String target) throws IOException {
        HttpURLConnection put = request("PUT", target, "");
        put.setRequestProperty("x-amz-copy-source", "/" + bucket + "/" + encode(source));
        send(put, new ByteArrayInputStream(new byte[0]), 0);
    }

    void delete(List keys) throws IOException {
        for (int start = 0; start < keys.size(); start += DELETE_BATCH) {
            StringBuilder body = new StringBuilder("<Delete><Quiet>true</Quiet>");
            for (int i = start; i < Math.min(keys.size(), start + DELETE_BATCH); i++) {
                String key = ((String) keys.get(i)).replace("&", "&amp;").replace("<", "&lt;");
                body.append("<Object><Key>").append(key).append("</Key></Object>");
            }
            byte[] xml = body.append("</Delete>").toString().getBytes(StandardCharsets.UTF_8);
            send(request("POST", "", "?delete"), new ByteArrayInputStream(xml), xml.length);
        }
    }

    private HttpURLConnection request(String method, String key, String query) throws IOException {
        URL url = new URL(endpoint + "/" + bucket + "/" + encode(key) + query);
        HttpURLConnection connection = (HttpURLConnection) url.openConnection();
        connection.setRequestMethod(method);
        connection.setRequestProperty("Authorization", authorization);
        // Java's default type is a web form's, which a server may parse as one.
        connection.setRequestProperty("Content-Type", "application/octet-stream");
        return connection;
    }

    private static void send(HttpURLConnection connection, InputStream body, long bytes)
            throws IOException {
        connection.setDoOutput(true);
        connection.setFixedLengthStreamingMode(bytes);
        OutputStream out = connection.getOutputStream();
        body.transferTo(out);
        out.close();
        check(connection);
        drain(connection.getInputStream());
    }

    /** Reads a body to its end, so that the connection is used again. */
    private static byte[] drain(InputStream body) throws IOException {
        if (body == null) {
            return new byte[0];
        }
        try {
            return body.readAllBytes();
        } finally {
            body.close();
        }
    }

    private static void check(HttpURLConnection connection) throws IOException {
        int status = connection.getResponseCode();
        if (status >= 300) {
            String body = new String(drain(connection.getErrorStream()), StandardCharsets.UTF_8);
            String message = "S3 answered " + status + " to " + connection.getRequestMethod() + " "
                    + connection.getURL() + ": " + body;
            throw status == NOT_FOUND ? new FileNotFoundException(message) : new IOException(message);
        }
    }

    private static String encode(String text) {
        StringBuilder encoded = new StringBuilder();
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < bytes.length; i++) {
            int value = bytes[i] & 0xFF;
            boolean plain = value < 128
                    && (Character.isLetterOrDigit((char) value) || "-._~/".indexOf(value) >= 0);
            if (plain) {
                encoded.append((char) value);
            } else {
                encoded.append(String.format("%%%02X", new Object[] {Integer.valueOf(value)}));
            }
        }
        return encoded.toString();
    }

    static class S3Object {
        String key;
        long bytes;
        long modifiedMillis;
    }

    static class Listing {
        final List objects = new ArrayList();
        final List prefixes = new ArrayList();
        boolean bucketExists = true;

        /** Adds one page of ListObjectsV2; answers the token of the next page or null. */
        String read(InputStream body) throws XMLStreamException {
            XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
            factory.setProperty(XMLInputFactory.SUPPORT_DTD, Boolean.FALSE);
            factory.setProperty(XMLInputFactory.IS_SUPPORTING_EXTERNAL_ENTITIES, Boolean.FALSE);
            XMLStreamReader xml = factory.createXMLStreamReader(body, "UTF-8");
            StringBuilder text = new StringBuilder();
            S3Object object = new S3Object();
            boolean inPrefixes = false;
            String token = null;
            while (xml.hasNext()) {
                int event = xml.next();
                if (event == XMLStreamConstants.START_ELEMENT) {
                    text.setLength(0);
                    inPrefixes = inPrefixes || xml.getLocalName().equals("CommonPrefixes");
                } else if (event == XMLStreamConstants.CHARACTERS) {
                    text.append(xml.getText());
                } else if (event == XMLStreamConstants.END_ELEMENT) {
                    String name = xml.getLocalName();
                    if (name.equals("Key")) {
                        object.key = text.toString();
                    } else if (name.equals("Size")) {
                        object.bytes = Long.parseLong(text.toString());
                    } else if (name.equals("LastModified")) {
                        // Whole seconds, as in the header of a HEAD request.
                        object.modifiedMillis = Instant.parse(text).getEpochSecond() * 1000;
                    } else if (name.equals("Contents")) {
                        objects.add(object);
                        object = new S3Object();
                    } else if (name.equals("Prefix") && inPrefixes) {
                        prefixes.add(text.toString());
                    } else if (name.equals("CommonPrefixes")) {
                        inPrefixes = false;
                    } else if (name.equals("NextContinuationToken")) {
                        token = text.toString();
                    }
                }
            }
            return token;
        }
    }
}
