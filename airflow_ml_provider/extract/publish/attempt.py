"""An attempt to publish an extract: one object, which becomes visible in one moment.

S3 can't rename several objects at once, and who reads a plain prefix asks for no manifest. So the
rows are one object, always a multipart upload, and its completion is the commit. Before it, all is
invisible; after it, all is there. Two attempts can't both commit against the same earlier object:

- One that begins aborts the uploads that others left unfinished, dead or alive.
- Completion is conditional on the object that was there after that (``IfMatch``, ``IfNoneMatch``).
- That object may not be younger than what this attempt reads.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from airflow_ml_provider.extract.errors import (
    BadDestination,
    DestinationUnavailable,
    Superseded,
)
from airflow_ml_provider.extract.publish.location import TRANSIENT, listed
from airflow_ml_provider.extract.publish.manifest import FILE, NAME, attempt_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from airflow_ml_provider.extract.publish.location import Location
    from airflow_ml_provider.extract.publish.manifest import Manifest

log = logging.getLogger(__name__)

# Only what an extract wrote: other objects under the prefix are somebody else's.
_OURS = re.compile(r"part-\d{5}\.parquet|_attempts/[0-9a-f]{32}\.json")
_DELETED_AT_ONCE = 1_000
_CLOCK_SECONDS = 1.0


class Attempt:
    """Enter it to begin: earlier attempts can't publish any more. Leave it to end.

    What was not published by then is gone.

    :param options: further fields of ``PutObject`` and ``CreateMultipartUpload``.
    :param started: the value of ``time.monotonic`` before anything was read.
    """

    def __init__(
        self, client: Any, location: Location, options: Mapping[str, str], started: float
    ) -> None:
        self.name = uuid4().hex
        self._client = client
        self._location = location
        self._options = options
        self._started = started
        self._object = {"Bucket": location.bucket, "Key": location.key(FILE)}
        self._condition: dict[str, str] = {}
        self._earlier: list[str] = []
        self._published = False
        self.upload: dict[str, str] = {}

    @property
    def key(self) -> str:
        """The key of the object."""
        return self._object["Key"]

    def __enter__(self) -> Self:
        """Begin.

        :raises Superseded: another attempt has begun and ended since this one began to read.
        """
        self._abort_others()
        # What is listed from here on can only change if this attempt does not publish.
        found = listed(self._client, self._location, "part-")
        earlier = found.pop(FILE, None)
        self._condition = {"IfMatch": self._replaced()} if earlier else {"IfNoneMatch": "*"}
        found |= listed(self._client, self._location, "_attempts/")
        self._earlier = [name for name in found if _OURS.fullmatch(name)]
        answer = self._client.create_multipart_upload(
            **self._object,
            **self._options,
            Metadata={"attempt": self.name},
            ChecksumAlgorithm="CRC32",
        )
        self.upload = {**self._object, "UploadId": answer["UploadId"]}
        return self

    def __exit__(self, *_: object) -> None:
        if not self._published:
            self._abort(self.upload)

    def publish(self, parts: list[dict[str, Any]], manifest: Manifest) -> Manifest:
        """Make the object of these parts visible, and give the manifest with its ETag.

        :raises ClientError: among others `NoSuchUpload` and `PreconditionFailed`, if another
            attempt has begun or ended since; see `location.s3_errors`.
        :raises BadDestination: it is published, but what it replaces could not be deleted; also as
            `DestinationUnavailable`.
        """
        self._put(attempt_name(self.name), manifest)
        etag = self._complete(parts)
        self._published = True
        manifest = replace(
            manifest, files=tuple(replace(file, etag=etag) for file in manifest.files)
        )
        self._put(NAME, manifest)
        self._delete_earlier()
        return manifest

    def _replaced(self) -> str:
        """Give the ETag of the object that is there."""
        head = self._client.head_object(**self._object)
        # Both times are S3's, in whole seconds, so nobody's clock has to be right.
        date = head["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(timezone.utc)
        age_seconds = (now - head["LastModified"]).total_seconds()
        if age_seconds + _CLOCK_SECONDS < monotonic() - self._started:
            raise Superseded(
                f"{self._location}: another attempt has published it since this one began to read"
            )
        etag: str = head["ETag"]
        return etag

    def _complete(self, parts: list[dict[str, Any]]) -> str:
        try:
            etag: str = self._client.complete_multipart_upload(
                **self.upload, MultipartUpload={"Parts": parts}, **self._condition
            )["ETag"]
        except (BotoCoreError, ClientError):
            # The answer to the call that did it may have been lost, and the next one is refused.
            if ours := self._visible():
                return ours
            raise
        return etag

    def _visible(self) -> str | None:
        with suppress(BotoCoreError, ClientError):
            head = self._client.head_object(**self._object)
            if head["Metadata"].get("attempt") == self.name:
                return str(head["ETag"])
        return None

    def _abort_others(self) -> None:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._location.bucket, Prefix=self.key
        )
        for page in pages:
            for upload in page.get("Uploads", ()):
                if upload["Key"] == self.key:
                    log.info("An unfinished upload of %s/%s is aborted.", self._location, FILE)
                    with suppress(self._client.exceptions.NoSuchUpload):
                        self._client.abort_multipart_upload(
                            **self._object, UploadId=upload["UploadId"]
                        )

    def _abort(self, upload: Mapping[str, str]) -> None:
        try:
            self._client.abort_multipart_upload(**upload)
        except self._client.exceptions.NoSuchUpload:
            log.debug("Another attempt has aborted this one.")
        except (BotoCoreError, ClientError):
            # The first error is the one to show; the next attempt aborts it.
            log.warning("Could not abort the upload of %s/%s", self._location, FILE)

    def _put(self, name: str, manifest: Manifest) -> None:
        self._client.put_object(
            Bucket=self._location.bucket,
            Key=self._location.key(name),
            Body=manifest.to_json().encode(),
            ContentType="application/json",
            **self._options,
        )

    def _delete_earlier(self) -> None:
        for start in range(0, len(self._earlier), _DELETED_AT_ONCE):
            names = self._earlier[start : start + _DELETED_AT_ONCE]
            answer = self._client.delete_objects(
                Bucket=self._location.bucket,
                Delete={
                    "Objects": [{"Key": self._location.key(name)} for name in names],
                    "Quiet": True,
                },
            )
            if errors := answer.get("Errors"):
                passing = all(error["Code"] in TRANSIENT for error in errors)
                kind = DestinationUnavailable if passing else BadDestination
                raise kind(f"{self._location}: could not delete earlier files: {errors}")
