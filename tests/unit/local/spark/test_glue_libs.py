"""The part of `awsglue` that needs no Spark session; the rest runs in the contract tests."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

PACKAGE = "airflow_ml_provider.local.spark.glue_libs.awsglue"
_META_PATH = list(sys.meta_path)

from airflow_ml_provider.local.spark.glue_libs.awsglue import MissingError, transforms  # noqa: E402
from airflow_ml_provider.local.spark.glue_libs.awsglue.utils import (  # noqa: E402
    GlueArgumentError,
    getResolvedOptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def _meta_path() -> Iterator[None]:
    yield
    sys.meta_path[:] = _META_PATH


def resolved(arguments: str, *options: str) -> dict[str, str | None]:
    return getResolvedOptions(["job.py", *arguments.split()], options)


def test_options_are_found_among_others() -> None:
    found = resolved("--enable-metrics true --day 2024-01-01 --JOB_NAME=j --x", "JOB_NAME", "day")
    assert found == {
        "JOB_NAME": "j",
        "day": "2024-01-01",
        "JOB_ID": None,
        "JOB_RUN_ID": None,
        "SECURITY_CONFIGURATION": None,
        "RedshiftTempDir": None,
        "TempDir": None,
        "enable_data_lineage": None,
        "encryption_type": None,
        "job_bookmark_from": None,
        "job_bookmark_option": "job-bookmark-disable",
        "job_bookmark_to": None,
    }


def test_all_missing_options_are_named() -> None:
    with pytest.raises(GlueArgumentError, match="required: --day, --hour"):
        resolved("--other 1", "day", "hour")
    with pytest.raises(GlueArgumentError, match="--day: expected one argument"):
        resolved("--day", "day")


@pytest.mark.parametrize("option", ["JOB_ID", "JOB_RUN_ID", "job-bookmark-from", "encryption-type"])
def test_reserved_options_are_refused(option: str) -> None:
    with pytest.raises(RuntimeError, match=f"Using reserved arguments --{option}"):
        resolved("", option)


def test_either_name_of_the_temporary_folder_sets_both() -> None:
    for name in ("TempDir", "RedshiftTempDir"):
        found = resolved(f"--{name} s3://b/t", name)
        assert (found["TempDir"], found["RedshiftTempDir"]) == ("s3://b/t", "s3://b/t")
    assert resolved("", "TempDir")["TempDir"] is None


def test_bookmarks() -> None:
    assert (
        resolved("--continuation-option continuation-enabled")["job_bookmark_option"]
        == "job-bookmark-enable"
    )
    pause = "--job-bookmark-option job-bookmark-pause"
    assert resolved(f"{pause} --job-bookmark-from a --job-bookmark-to b")["job_bookmark_to"] == "b"
    with pytest.raises(RuntimeError, match="go together"):
        resolved(f"{pause} --job-bookmark-from a")
    with pytest.raises(RuntimeError, match="only with"):
        resolved("--job-bookmark-from a --job-bookmark-to b")


def test_transforms_can_be_imported_and_are_refused_when_used() -> None:
    names: dict[str, object] = {}
    exec(f"from {PACKAGE}.transforms import *", names)
    assert {"ApplyMapping", "ResolveChoice"} <= set(names)
    with pytest.raises(MissingError, match=r"awsglue\.transforms\.ApplyMapping is not part"):
        transforms.ApplyMapping.apply(frame=None, mappings=[])
    with pytest.raises(MissingError, match="Filter"):
        transforms.Filter(None)
    with pytest.raises(AttributeError):
        transforms.Invented  # noqa: B018


def test_other_modules_are_refused_by_name() -> None:
    with pytest.raises(MissingError, match=r"awsglue\.gluetypes is not part"):
        importlib.import_module(f"{PACKAGE}.gluetypes")
