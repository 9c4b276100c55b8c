"""Where an extract lies on S3, and how S3's errors become ours."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from airflow_ml_provider.extract.errors import (
    BadDestination,
    DestinationUnavailable,
    Superseded,
)
from airflow_ml_provider.jobs.s3_uri import split_s3_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

# Codes of S3 that a later attempt can outlive; every HTTP 5xx is one as well.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
TRANSIENT = frozenset(
    {"OperationAborted", "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"}
    # What DeleteObjects says of one of its objects has no HTTP status.
    | {"InternalError", "ServiceUnavailable"}
    # A part was damaged on its way.
    | {"BadDigest"}
    # A task's temporary credentials are new on its next attempt.
    | {"ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed"}
)
# An upload that was aborted, and a condition that no longer holds: the object that was to be
# replaced is another one, or gone.
_SUPERSEDED = frozenset(
    {"ConditionalRequestConflict", "NoSuchKey", "NoSuchUpload", "PreconditionFailed"}
)


@dataclass(frozen=True)
class Location:
    """A prefix of a bucket, without the slash at its end."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Read ``s3://bucket/prefix`` or ``s3://bucket/prefix/``.

        :raises BadDestination: it has another form, or names a whole bucket.
        """
        try:
            bucket, key = split_s3_uri(uri)
        except ValueError as error:
            raise BadDestination(str(error)) from error
        prefix = key.rstrip("/")
        if not prefix:
            raise BadDestination(f"{uri!r} is a whole bucket; give s3://<bucket>/<prefix>")
        return cls(bucket, prefix)

    def key(self, name: str) -> str:
        """Give the key of an object of this prefix."""
        return f"{self.prefix}/{name}"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def listed(client: Any, location: Location, start: str) -> dict[str, str]:
    """Give the ETags by name of the objects whose name under the prefix begins with ``start``."""
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=location.bucket, Prefix=location.key(start)
    )
    root = len(location.key(""))
    return {item["Key"][root:]: item["ETag"] for page in pages for item in page.get("Contents", ())}


@contextmanager
def s3_errors(location: Location) -> Iterator[None]:
    """Raise botocore's errors as `DestinationUnavailable`, `Superseded` or `BadDestination`."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _SUPERSEDED:
            raise Superseded(
                f"{location}: another attempt to write it has begun or ended meanwhile; this one "
                f"is not published ({code}); if it comes again, two tasks write the same result"
            ) from error
        kind = (
            DestinationUnavailable
            if code in TRANSIENT or status >= 500  # noqa: PLR2004  HTTP's server errors
            else BadDestination
        )
        raise kind(f"{location}: {error}") from error
    except ParamValidationError as error:
        raise BadDestination(f"{location}: {error}") from error
    except BotoCoreError as error:
        raise DestinationUnavailable(f"{location}: {error}") from error
