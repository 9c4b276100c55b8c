from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from airflow_ml_provider.pipeline import Account, Pipeline, Processing, SparkTransform, Text
from airflow_ml_provider.pipeline.model_steps import Training
from airflow_ml_provider.pipeline.values import Code, Run, find
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.plan.code import bundle, staged
from airflow_ml_provider.plan.nodes import Call, Job, Map, Plan
from airflow_ml_provider.plan.worker_step import worker_wheel


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_bytes(b"print(1)\n")
    package = tmp_path / "lib"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "x.pyc").write_bytes(b"x")
    (package / "x.py").write_bytes(b"x = 1\n")
    return tmp_path


def test_a_file_lies_under_its_hash(folder):
    digest = hashlib.sha256(b"print(1)\n").hexdigest()[:16]
    found = bundle(Code(("train.py",), "file"), folder)
    assert found.address == f"code/{digest}/train.py"
    assert found.objects == {found.address: b"print(1)\n"}


def test_the_same_files_make_the_same_archive(folder):
    script = folder / "train.py"
    script.chmod(0o755)
    first = bundle(Code(("train.py", "lib"), "tar"), folder)
    os.utime(script, (1, 1))
    assert bundle(Code(("lib", str(script)), "tar"), folder) == first
    (body,) = first.objects.values()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        members = [(one.name, one.mtime, one.uid, oct(one.mode)) for one in tar]
    assert members == [("lib/x.py", 0, 0, "0o644"), ("train.py", 0, 0, "0o755")]
    script.write_bytes(b"print(2)\n")
    assert bundle(Code(("train.py", "lib"), "tar"), folder).address != first.address


def test_a_prefix_holds_files_and_texts(folder):
    found = bundle(Code(("train.py",), "prefix", (("conf/step.json", "{}"),)), folder)
    assert found.address.endswith("/")
    assert found.objects == {
        f"{found.address}conf/step.json": b"{}",
        f"{found.address}train.py": b"print(1)\n",
    }


def test_the_wheel_lies_under_the_hash_of_its_files():
    found = bundle(Code((), "wheel"), Path())
    assert found == bundle(Code((), "wheel"), Path("elsewhere"))
    assert re.fullmatch(r"code/[0-9a-f]{16}/airflow_ml_worker-.*-py3-none-any\.whl", found.address)
    (body,) = found.objects.values()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        files = {one.filename: archive.read(one) for one in archive.infolist()}
        times = {one.date_time for one in archive.infolist()}
    assert files == worker_wheel()[1]
    assert times == {(1980, 1, 1, 0, 0, 0)}


def test_two_files_of_one_name_are_refused(folder):
    with pytest.raises(ValueError, match=r"get the same name: train\.py"):
        bundle(Code(("train.py", "lib/../train.py"), "tar"), folder)


def test_every_missing_file_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"/a\.py, .*/b\.py do not exist"):
        bundle(Code(("b.py", "a.py"), "prefix"), folder)


def test_a_plan_gets_addresses_and_objects(folder):
    for name in ("spark.py", "common.py", "helper.py"):
        (folder / name).write_text(f"# {name}\n")
    model = Training(
        "train", script="train.py", image_uri="image", inputs={"train": "s3://data/train"}
    )
    spark = SparkTransform(
        "spark",
        script="spark.py",
        modules=("common.py", "helper.py"),
        arguments={"text": Text("{day}", day=Run.DATE)},
    )
    features = Processing("features", script="train.py", image_uri="image", outputs=("a",))
    pipeline = Pipeline("p", root="s3://lake/ml", folder=folder, steps=[spark, features, model])
    plan, objects = staged(build(pipeline, Account(role_arn="arn:aws:iam::123456789012:role/r")))
    jobs = {node.name: node for node in plan.all_nodes()}
    assert not find(list(plan.nodes), (Code,))
    arguments = jobs["spark"].request["Arguments"]
    assert arguments["--extra-py-files"].count("s3://lake/ml/code/") == 2
    assert arguments["--text"] == Text.of(Run.DATE)
    uri = jobs["train"].request["HyperParameters"]["sagemaker_submit_directory"]
    assert uri.removeprefix("s3://lake/ml/") in objects
    assert list(objects) == sorted(objects)


def test_blocks_inside_nodes_are_reached(folder):
    code = Code(("train.py",), "file")
    call = Call(name="call", service="s", action="a", request={"x": code}, retry=())
    job = Job(
        name="job", kind="glue", request={"x": code}, timeout_seconds=1, retry=(), fallback=(call,)
    )
    plan = Plan(
        name="p",
        root="s3://b",
        folder=folder,
        keyed_by="interval",
        parameters=(),
        nodes=(Map(name="map", items=(1,), body=(job,)),),
    )
    found, _ = staged(plan)
    assert not find(list(found.nodes), (Code,))


def test_an_archive_may_be_large_and_gzip_reads_it(folder):
    (folder / "train.py").write_bytes(bytes(range(256)) * 1000)
    (body,) = bundle(Code(("train.py", "lib"), "tar"), folder).objects.values()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(body)), mode="r:") as tar:
        assert tar.extractfile("train.py").read() == bytes(range(256)) * 1000
    assert body[:10] == b"\x1f\x8b\x08" + bytes(6) + b"\xff"
