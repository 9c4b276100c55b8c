"""An S3 that costs next to nothing: objects in memory, on loopback, no signature is looked at.

The local AWS takes 10 ms a megabyte, on the core that the database needs. A program of its own, so
that it shares no time with what is measured. Prints its address; ends with its standard input. It
knows what the contestants call and no more, and whatever else is asked is an error 501.
"""

from __future__ import annotations

import itertools
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from time import gmtime, strftime
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

METADATA = "x-amz-meta-"


class Object:
    """What lies under a key, or will: an upload that is not complete yet."""

    def __init__(self, path, headers, parts=None):
        self.path = path
        self.metadata = {k: v for k, v in headers.items() if k.lower().startswith(METADATA)}
        self.parts = parts or {}
        self.changed = gmtime()
        self.etag = ""

    @property
    def size(self):
        return sum(map(len, self.parts.values()))

    def body(self):
        return b"".join(self.parts[number] for number in sorted(self.parts))


class Store:
    def __init__(self):
        self.lock = Lock()
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, Object] = {}
        self._numbers = itertools.count(1)

    def next(self):
        return f"{next(self._numbers):032x}"

    def publish(self, item):
        # Unique, which is all that a reader may expect of an ETag.
        item.etag = f'"{self.next()}"'
        item.changed = gmtime()
        self.objects[item.path] = item


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store = Store()

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def xml(self, text, status=HTTPStatus.OK):
        self.answer(status, f'<?xml version="1.0"?>{text}'.encode(), Content_Type="application/xml")

    def error(self, status, code):
        body = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        self.answer(status, body)

    def handle_method(self):
        split = urlsplit(self.path)
        path, query = unquote(split.path), dict(parse_qsl(split.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") or "aws-chunked" in (
            self.headers.get("Content-Encoding") or ""
        ):
            return self.error(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented")
        known = [name for name in ("uploads", "partNumber", "uploadId", "delete") if name in query]
        method = getattr(self, "_".join(["on", self.command, *known]), None)
        if method is None:
            return self.error(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented")
        with self.store.lock:
            return method(path, query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_method  # noqa: N815 - as it is called

    def refused(self, path):
        """Answer a request whose condition doesn't hold."""
        there = self.store.objects.get(path)
        wanted = self.headers.get("If-Match")
        if (wanted and (there is None or there.etag != wanted)) or (
            self.headers.get("If-None-Match") and there
        ):
            self.error(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
            return True
        return False

    def on_PUT(self, path, _query, body):  # noqa: N802
        if path.count("/") == 1:
            return self.answer(HTTPStatus.OK)
        if not self.refused(path):
            self.store.publish(item := Object(path, self.headers, {1: body}))
            self.answer(HTTPStatus.OK, ETag=item.etag)
        return None

    def on_GET(self, path, query, _body):  # noqa: N802
        bucket, _, key = path[1:].partition("/")
        if not key:
            return self.xml(self.listing(bucket, query.get("prefix", "")))
        if (item := self.store.objects.get(path)) is None:
            return self.error(HTTPStatus.NOT_FOUND, "NoSuchKey")
        data = b"" if self.command == "HEAD" else item.body()
        changed = strftime("%a, %d %b %Y %H:%M:%S GMT", item.changed)
        fields = {"ETag": item.etag, "Last_Modified": changed, "Content_Length": str(item.size)}
        return self.answer(HTTPStatus.OK, data, **item.metadata, **fields)

    on_HEAD = on_GET  # noqa: N815

    def listing(self, bucket, prefix):
        start = f"/{bucket}/"
        items = "".join(
            f"<Contents><Key>{escape(path[len(start) :])}</Key><ETag>{item.etag}</ETag>"
            f"<Size>{item.size}</Size>"
            f"<LastModified>{strftime('%Y-%m-%dT%H:%M:%S.000Z', item.changed)}</LastModified>"
            "</Contents>"
            for path, item in sorted(self.store.objects.items())
            if path.startswith(start + prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"

    def on_DELETE(self, path, _query, _body):  # noqa: N802
        self.store.objects.pop(path, None)
        self.answer(HTTPStatus.NO_CONTENT)

    def on_POST_delete(self, path, _query, body):  # noqa: N802
        for element in ET.fromstring(body).iter():
            if element.tag.endswith("Key"):
                self.store.objects.pop(f"{path.rstrip('/')}/{element.text}", None)
        self.xml("<DeleteResult></DeleteResult>")

    def on_GET_uploads(self, path, query, _body):  # noqa: N802
        start = f"/{path.strip('/')}/"
        items = "".join(
            f"<Upload><Key>{escape(item.path[len(start) :])}</Key><UploadId>{name}</UploadId>"
            f"<Initiated>{strftime('%Y-%m-%dT%H:%M:%S.000Z', item.changed)}</Initiated></Upload>"
            for name, item in self.store.uploads.items()
            if item.path.startswith(start + query.get("prefix", ""))
        )
        answer = f"<IsTruncated>false</IsTruncated>{items}"
        self.xml(f"<ListMultipartUploadsResult>{answer}</ListMultipartUploadsResult>")

    def on_POST_uploads(self, path, _query, _body):  # noqa: N802
        name = self.store.next()
        self.store.uploads[name] = Object(path, self.headers)
        answer = f"<UploadId>{name}</UploadId>"
        self.xml(f"<InitiateMultipartUploadResult>{answer}</InitiateMultipartUploadResult>")

    def on_PUT_partNumber_uploadId(self, _path, query, body):  # noqa: N802
        if (upload := self.store.uploads.get(query["uploadId"])) is None:
            return self.error(HTTPStatus.NOT_FOUND, "NoSuchUpload")
        upload.parts[int(query["partNumber"])] = body
        sums = {k: v for k, v in self.headers.items() if k.startswith("x-amz-checksum-")}
        return self.answer(HTTPStatus.OK, ETag=f'"{self.store.next()}"', **sums)

    def on_POST_uploadId(self, path, query, _body):  # noqa: N802
        if self.refused(path):
            return None
        if (upload := self.store.uploads.pop(query["uploadId"], None)) is None:
            return self.error(HTTPStatus.NOT_FOUND, "NoSuchUpload")
        self.store.publish(upload)
        answer = f"<ETag>{escape(upload.etag)}</ETag>"
        return self.xml(f"<CompleteMultipartUploadResult>{answer}</CompleteMultipartUploadResult>")

    def on_DELETE_uploadId(self, _path, query, _body):  # noqa: N802
        if self.store.uploads.pop(query["uploadId"], None) is None:
            return self.error(HTTPStatus.NOT_FOUND, "NoSuchUpload")
        return self.answer(HTTPStatus.NO_CONTENT)


def main() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:

        def end_with_input() -> None:
            sys.stdin.read()
            server.shutdown()

        Thread(target=end_with_input, daemon=True).start()
        print("http://{}:{}".format(*server.server_address), flush=True)  # noqa: T201
        server.serve_forever()


if __name__ == "__main__":
    main()
