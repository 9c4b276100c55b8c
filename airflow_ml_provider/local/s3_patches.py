"""What moto's S3 does otherwise than AWS when several clients write, put right.

``install`` changes moto's classes for the whole process, once. Each change says what was wrong.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import MissingKey, NoSuchUpload, PreconditionFailed
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from moto.s3.utils import _VersionedKeyStore

if TYPE_CHECKING:
    from collections.abc import Iterator

# A completed object, its metadata and its condition are one step for all who look.
_completing = RLock()
_backend: Any = S3Backend
_response: Any = S3Response
_keys: Any = _VersionedKeyStore
_moto_upload_part = _backend.upload_part
_moto_complete = _backend.complete_multipart_upload
_moto_get_object = _backend.get_object
_moto_post = _response._key_response_post  # noqa: SLF001 - the one place where moto reads a POST


@lru_cache(maxsize=1)
def install() -> None:
    """Change moto's S3, once a process."""
    _backend.upload_part = _upload_part
    _backend.complete_multipart_upload = _complete
    _backend.get_object = _get_object
    _response._key_response_post = _post  # noqa: SLF001 - as above
    _keys.items = _keys.iteritems = _items
    _keys.values = _keys.itervalues = _values
    _keys.lists = _keys.iterlists = _lists


def _upload_part(self: Any, bucket_name: str, multipart_id: str, *part: Any) -> Any:
    # Moto fails with an error of its own, which clients take for one that passes.
    _known(self, bucket_name, multipart_id)
    return _moto_upload_part(self, bucket_name, multipart_id, *part)


def _complete(self: Any, bucket_name: str, multipart_id: str, body: Any) -> Any:
    _known(self, bucket_name, multipart_id)
    return _moto_complete(self, bucket_name, multipart_id, body)


def _known(backend: Any, bucket_name: str, multipart_id: str) -> None:
    if multipart_id not in backend.get_bucket(bucket_name).multiparts:
        raise NoSuchUpload(upload_id=multipart_id)


def _lists(self: Any) -> Iterator[tuple[str, list[Any]]]:
    # Moto copies the names and then looks each up: one that was deleted meanwhile was a 500.
    for name, versions in dict(self).items():
        if versions:
            yield name, versions


def _items(self: Any) -> Iterator[tuple[str, Any]]:
    for name, versions in _lists(self):
        yield name, versions[-1]


def _values(self: Any) -> Iterator[Any]:
    for _, newest in _items(self):
        yield newest


def _get_object(self: Any, *args: Any, **options: Any) -> Any:
    # Moto shows a completed object before it has its metadata.
    with _completing:
        return _moto_get_object(self, *args, **options)


def _post(self: Any, request: Any, *details: Any) -> Any:
    _, bucket_name, query, key_name = details
    if not query.get("uploadId"):
        return _moto_post(self, request, *details)
    with _completing:
        # Moto knows If-None-Match alone.
        if wanted := request.headers.get("If-Match"):
            there = self.backend.get_object(bucket_name, key_name)
            if there is None:
                raise MissingKey(key=key_name)
            if there.etag.strip('"') != wanted.strip('"'):
                raise PreconditionFailed("If-Match")
        return _moto_post(self, request, *details)
