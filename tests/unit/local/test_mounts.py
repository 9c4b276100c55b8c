"""Paths of a job below /opt/ml."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_ml_provider.local.mounts import REWRITING, Isolation, inside

ML = Path("/work/job/ml")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("/opt/ml", "/work/job/ml"),
        ("--data=/opt/ml/input/data", "--data=/work/job/ml/input/data"),
        ('{"a":"/opt/ml/x","b":"/opt/ml"}', '{"a":"/work/job/ml/x","b":"/work/job/ml"}'),
        ("/opt/mlflow", "/opt/mlflow"),
        ("/home/opt/ml", "/home/opt/ml"),
        ("s3://bucket/opt/ml/x", "s3://bucket/opt/ml/x"),
    ],
)
def test_rewriting(text: str, seen: str) -> None:
    assert REWRITING.relocate(text, ML) == seen
    assert REWRITING.wrap((text,), ml=ML, cwd="/opt/ml") == (seen,)


def test_a_namespace_rewrites_nothing(tmp_path: Path) -> None:
    isolation = Isolation(("unshare", "--mount"))
    assert isolation.relocate("/opt/ml", ML) == "/opt/ml"
    ml = tmp_path / "ml"
    wrapped = isolation.wrap(("python3", "/opt/ml/x.py"), ml=ml, cwd="/opt/ml/code")
    assert wrapped[:2] == ("unshare", "--mount")
    assert wrapped[-5:] == (
        str(ml),
        str(tmp_path / "mount-scratch"),
        "/opt/ml/code",
        "python3",
        "/opt/ml/x.py",
    )


def test_inside() -> None:
    assert inside(ML, "/opt/ml/processing/out") == ML / "processing/out"
    for path in ("/opt/mlx", "/etc", "/opt/ml/../../etc", "opt/ml"):
        with pytest.raises(ValueError, match="is not a path below /opt/ml"):
            inside(ML, path)
