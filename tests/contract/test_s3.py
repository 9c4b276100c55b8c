"""What an extract relies on: an upload's one visible moment, and conditional writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

WRITERS = 8


@pytest.fixture
def s3(client: Callable[[str], Any]) -> Any:
    return client("s3")


def _codes(s3: Any, puts: list[dict[str, Any]]) -> list[str]:
    """Put all at the same moment; give "" or an error's code of each."""
    barrier = Barrier(len(puts))

    def put(arguments: dict[str, Any]) -> str:
        barrier.wait()
        try:
            s3.put_object(**arguments)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    with ThreadPoolExecutor(len(puts)) as pool:
        return list(pool.map(put, puts))


@pytest.mark.parametrize("turn", range(5))
def test_one_of_many_writers_creates_an_object(s3: Any, bucket: str, turn: int) -> None:
    one = {"Bucket": bucket, "Key": f"s3/created-{turn}", "IfNoneMatch": "*"}
    codes = _codes(s3, [{**one, "Body": str(n)} for n in range(WRITERS)])
    assert codes.count("") == 1
    assert set(codes) <= {"", "PreconditionFailed", "ConditionalRequestConflict"}
    assert s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() == (
        str(codes.index("")).encode()
    )


@pytest.mark.parametrize("turn", range(5))
def test_one_of_many_writers_changes_an_object(s3: Any, bucket: str, turn: int) -> None:
    key = f"s3/changed-{turn}"
    etag = s3.put_object(Bucket=bucket, Key=key, Body="before")["ETag"]
    one = {"Bucket": bucket, "Key": key, "IfMatch": etag}
    codes = _codes(s3, [{**one, "Body": str(n)} for n in range(WRITERS)])
    assert codes.count("") == 1
    assert set(codes) <= {"", "PreconditionFailed", "ConditionalRequestConflict"}


def test_an_upload_is_visible_when_it_is_complete(s3: Any, bucket: str) -> None:
    key = "s3/uploaded"
    s3.put_object(Bucket=bucket, Key=key, Body="before")
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, Metadata={"attempt": "a1"})
    one = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
    part = s3.upload_part(**one, PartNumber=1, Body=b"after")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"before"
    listed = s3.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"]
    assert [(each["Key"], each["UploadId"]) for each in listed] == [(key, upload["UploadId"])]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(**one, MultipartUpload=parts)
    answer = s3.get_object(Bucket=bucket, Key=key)
    assert answer["Body"].read() == b"after"
    assert (answer["ETag"], answer["Metadata"]) == (done["ETag"], {"attempt": "a1"})


def test_an_aborted_upload_cannot_be_completed(s3: Any, bucket: str) -> None:
    key = "s3/aborted"
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)
    one = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
    part = s3.upload_part(**one, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**one)
    assert not s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    for call in (
        lambda: s3.upload_part(**one, PartNumber=2, Body=b"y"),
        lambda: s3.complete_multipart_upload(**one, MultipartUpload=parts),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
    assert not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents")
