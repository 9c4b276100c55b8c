"""Kill -9 at any moment of an extract leaves the old result or the new one, for every reader."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from cloud import Cloud
from extracting import PUBLISHED, SUPERSEDED
from postgres import postgres
from typing_extensions import Self

from airflow_ml_provider.extract.errors import ManifestMissing
from airflow_ml_provider.extract.publish.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

# For each of with and without an old result.
KILLS = 30
SEED = 20261123
ROWS = 50_000
WAIT_SECONDS = 60.0
BUCKET = "faults"
NOTHING = None
# Every call that an extract makes of S3, in its order, and whether its answer means the new result.
CALLS = {
    ("ListMultipartUploads", ""): False,
    ("ListObjectsV2", ""): False,
    ("CreateMultipartUpload", ""): False,
    ("UploadPart", ""): False,
    ("PutObject", "_attempts/"): False,
    ("CompleteMultipartUpload", ""): True,
    ("PutObject", "_manifest"): True,
    ("DeleteObjects", ""): True,
}
CREATE = """
    create table numbers as
    select n as id, string_agg(decode(md5(random()::text || part), 'hex'), '') as payload
    from generate_series(1, {rows}) n, generate_series(1, 16) part group by n
"""

_folders = count(1)


class Process:
    """An extract that runs, or has."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self._process = nursery, psutil.Process(pid)

    def kill(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self._process.kill()

    def resume(self) -> None:
        self._process.resume()

    def until_stopped(self) -> Self:
        end = time.monotonic() + WAIT_SECONDS
        while self._process.status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < end
            time.sleep(0.005)
        return self

    def end(self) -> int:
        return self._nursery.answer()


class Nursery:
    """What forks extracts, one after the other."""

    def __init__(self, url: str, parameters: dict[str, str]) -> None:
        self._job = {"url": url, "parameters": parameters}
        self.uri = ""

    def __enter__(self) -> Self:
        self._parent = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("extracting.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.stdin.close()
        self._parent.wait(WAIT_SECONDS)
        self._parent.stdout.close()

    def start(self, version: int, **moment: Any) -> Process:
        job = {**self._job, "uri": self.uri, "version": version, **moment}
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        return Process(self, self.answer())

    def run(self, version: int, **moment: Any) -> int:
        return self.start(version, **moment).end()

    def answer(self) -> int:
        return int(self._parent.stdout.readline())


class Readers:
    """The two sorts of readers of a prefix. Each gives the version that it sees, whole."""

    def __init__(self, s3: Any, uri: str) -> None:
        self._s3, self._uri = s3, uri
        self._prefix = uri.removeprefix(f"s3://{BUCKET}/") + "/"

    def keys(self) -> list[str]:
        answer = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=self._prefix)
        return [item["Key"].removeprefix(self._prefix) for item in answer.get("Contents", ())]

    def uploads(self) -> list[Any]:
        return self._s3.list_multipart_uploads(Bucket=BUCKET, Prefix=self._prefix).get(
            "Uploads", []
        )

    def delete(self) -> None:
        for name in self.keys():
            self._s3.delete_object(Bucket=BUCKET, Key=self._prefix + name)

    def plain(self) -> int | None:
        """Read all Parquet under the prefix, as Spark does."""
        files = [name for name in self.keys() if not name.startswith("_")]
        assert files in ([], ["part-00000.parquet"])
        return self._version(self._get(files[0])) if files else NOTHING

    def manifest(self) -> int | None:
        """Read what the manifest names."""
        while True:
            try:
                manifest = read_manifest(self._s3, self._uri)
            except ManifestMissing:
                return NOTHING
            (file,) = manifest.files
            try:
                body = self._get(file.key.removeprefix(self._prefix), IfMatch=file.etag)
            except ClientError as error:
                # The dead process's last request took effect just now.
                if error.response["Error"]["Code"] == "PreconditionFailed":
                    continue
                raise
            version = self._version(body)
            assert manifest.rows == file.rows == ROWS - version
            assert file.size_bytes == len(body)
            assert [column.name for column in manifest.columns] == ["id", "version", "payload"]
            assert (manifest.partition.minimum, manifest.partition.maximum) == (
                str(version + 1),
                str(ROWS),
            )
            return version

    def both(self) -> int | None:
        """Give what both see; they look one after the other, so until it does not change."""
        while (seen := self.plain()) != self.manifest():
            pass
        return seen

    def _get(self, name: str, **condition: str) -> bytes:
        key = self._prefix + name
        return self._s3.get_object(Bucket=BUCKET, Key=key, **condition)["Body"].read()

    def _version(self, body: bytes) -> int:
        table = pq.read_table(io.BytesIO(body))
        version = table["version"][0].as_py()
        # No two versions have the same rows, and each row is there once.
        assert pc.unique(table["version"]).to_pylist() == [version]
        assert sorted(table["id"].to_pylist()) == list(range(version + 1, ROWS + 1))
        return version


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("aws")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with postgres(tmp_path_factory.mktemp("postgres") / "data") as socket:
        parameters = {"host": str(socket), "user": "postgres", "dbname": "postgres"}
        with closing(psycopg2.connect(**parameters)) as connection:
            connection.cursor().execute(CREATE.format(rows=ROWS))
            connection.commit()
        yield parameters


@pytest.fixture(scope="module")
def pair(cloud: Cloud, parameters: dict[str, str]) -> Iterator[list[Nursery]]:
    with Nursery(cloud.url, parameters) as first, Nursery(cloud.url, parameters) as second:
        yield [first, second]


@pytest.fixture
def readers(cloud: Cloud, pair: list[Nursery]) -> Readers:
    uri = f"s3://{BUCKET}/extract-{next(_folders)}/p"
    for nursery in pair:
        nursery.uri = uri
    return Readers(cloud.client("s3"), uri)


@pytest.fixture
def nursery(pair: list[Nursery]) -> Nursery:
    return pair[0]


def assert_clean(readers: Readers) -> None:
    """Nothing is left of those who died."""
    names = readers.keys()
    assert len(names) == 3, names
    assert {"part-00000.parquet", "_manifest.json"} < set(names)
    assert readers.uploads() == []


@pytest.mark.parametrize("old", [NOTHING, 1])
def test_a_kill_at_a_random_moment(pytestconfig, nursery, readers, old):
    seed = pytestconfig.getoption("seed") or SEED
    rng = random.Random(f"{seed} {old}")
    begun = time.monotonic()
    assert nursery.run(1) == PUBLISHED
    seconds = time.monotonic() - begun
    killed, seen = 0, 1
    for version in range(2, 5 * KILLS):
        if old is NOTHING:
            readers.delete()
            seen = NOTHING
        process = nursery.start(version)
        time.sleep(rng.uniform(0, seconds))
        process.kill()
        end = process.end()
        before, seen = seen, readers.both()
        assert seen in ((version,) if end == PUBLISHED else (before, version)), f"seed {seed}"
        # So that a machine that is slower or faster now is struck until the end.
        seconds *= 1.05 if end == -signal.SIGKILL else 0.8
        killed += end == -signal.SIGKILL
        if killed == KILLS:
            break
    assert killed == KILLS
    assert nursery.run(1) == PUBLISHED
    assert readers.both() == 1
    assert_clean(readers)


@pytest.mark.parametrize("old", [NOTHING, 1])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_kill_at_each_call(*, nursery, readers, call, when, old):
    if old:
        assert nursery.run(old) == PUBLISHED
    elif call == ("DeleteObjects", ""):
        # There is something to delete: the manifest of one who died before.
        assert nursery.run(9, kill=["CompleteMultipartUpload", "", "before"]) == -signal.SIGKILL
    assert nursery.run(2, kill=[*call, when]) == -signal.SIGKILL
    published = list(CALLS).index(call) > list(CALLS).index(("CompleteMultipartUpload", ""))
    published = published or (CALLS[call] and when == "after")
    assert readers.both() == (2 if published else old)
    # Another attempt is not held up by what the dead one left.
    assert nursery.run(3) == PUBLISHED
    assert readers.both() == 3
    assert_clean(readers)


# From the moment it has begun to that in which it would publish.
FENCED = [
    ["CreateMultipartUpload", "", "after"],
    ["UploadPart", "", "before"],
    ["UploadPart", "", "after"],
    ["PutObject", "_attempts/", "after"],
    ["CompleteMultipartUpload", "", "before"],
]


@pytest.mark.parametrize("old", [NOTHING, 1])
@pytest.mark.parametrize("moment", [["CreateMultipartUpload", "", "before"], *FENCED])
def test_an_attempt_that_sleeps_is_superseded(*, pair, readers, moment, old):
    first, second = pair
    if old:
        assert first.run(old) == PUBLISHED
    sleeper = first.start(2, stop=moment).until_stopped()
    assert second.run(3) == PUBLISHED
    assert readers.both() == 3
    sleeper.resume()
    assert sleeper.end() == SUPERSEDED
    assert readers.both() == 3
    assert readers.uploads() == []


@pytest.mark.parametrize("old", [NOTHING, 1])
@pytest.mark.parametrize(
    "moment",
    [
        ["CompleteMultipartUpload", "", "after"],
        ["PutObject", "_manifest", "before"],
        ["PutObject", "_manifest", "after"],
    ],
)
def test_an_attempt_that_sleeps_after_its_commit_hides_nothing(*, pair, readers, moment, old):
    first, second = pair
    if old:
        assert first.run(old) == PUBLISHED
    sleeper = first.start(2, stop=moment).until_stopped()
    assert readers.both() == 2
    assert second.run(3) == PUBLISHED
    sleeper.resume()
    assert sleeper.end() == PUBLISHED
    assert readers.both() == 3


@pytest.mark.parametrize("old", [NOTHING, 1])
@pytest.mark.parametrize("turn", range(4))
def test_of_two_at_once_one_is_published(*, pair, readers, turn, old):
    if old:
        assert pair[0].run(old) == PUBLISHED
    # Half of the time neither sees that the other one has begun.
    when = "before" if turn % 2 else "after"
    moment = ["CreateMultipartUpload", "", when]
    running = [one.start(2 + n, stop=moment) for n, one in enumerate(pair)]
    for process in running:
        process.until_stopped()
    for process in running:
        process.resume()
    ends = [process.end() for process in running]
    assert sorted(ends) == [PUBLISHED, SUPERSEDED]
    assert readers.both() == 2 + ends.index(PUBLISHED)
    assert readers.uploads() == []
