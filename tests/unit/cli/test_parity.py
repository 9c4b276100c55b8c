from __future__ import annotations

import pytest

from airflow_ml_provider.cli import main
from airflow_ml_provider.cli.definitions import Definition
from airflow_ml_provider.cli.parity import rows
from airflow_ml_provider.pipeline import Parameter, Pipeline, Processing, SqlExtract
from airflow_ml_provider.targets.compile import TARGETS

TEXT = """
from pathlib import Path
from airflow_ml_provider.pipeline import *
names = [f"a_step_with_a_long_name_{number}" for number in range(12)]
steps = [
    *[Processing(one, script="job.py", image_uri="i") for one in names],
    Map("over", items=Parameter("xs", [1]), body=[Processing("x", script="job.py", image_uri="i")]),
]
pipeline = Pipeline("long", folder=Path(__file__).parent, steps=steps)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "job.py").write_text("")
    (tmp_path / "dag.py").write_text(TEXT)
    return tmp_path


def test_equal_findings_share_a_row(folder):
    extract = SqlExtract("q", conn_id="w", query="select 1", image_uri="i")
    jobs = [
        Processing(name, script="job.py", image_uri="i", arguments={"n": Parameter("n", 1)})
        for name in ("a", "b")
    ]
    found = rows(Definition(Pipeline("p", steps=[extract, *jobs], folder=folder)))
    assert [(feature, steps) for feature, steps, _ in found[:3]] == [
        ("run parameters", [""]),
        ("data interval", [""]),
        ("extract", ["q"]),
    ]
    by_feature = {feature: (steps, by_target) for feature, steps, by_target in found}
    assert by_feature["sagemaker_processing job"][0] == ["a", "b"]
    assert by_feature["retry"][0] == ["q", "a", "b"]
    assert list(by_feature["retry"][1]) == list(TARGETS)
    assert [one[0].verdict for one in by_feature["retry"][1].values()] == [
        "kept",
        "kept",
        "lowered",
    ]
    assert len(found) == len({feature for feature, _, _ in found})


def test_all_refusals_of_a_step_are_told(folder):
    extract = SqlExtract("q", conn_id="w", query="select 1")
    pipeline = Pipeline("p", steps=[extract], on_empty="skip", folder=folder)
    (row,) = [by for feature, _, by in rows(Definition(pipeline)) if feature == "extract"]
    assert [len(row[target]) for target in TARGETS] == [1, 2, 2]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(folder, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["parity", str(folder / "dag.py")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("a_step_with_a_long_name_11") == 3
    (note,) = [line.split()[-1] for line in lines if "refused" in line]
    (told,) = [line for line in lines if line.split()[:1] == [note]]
    assert "a ForEach step tells no index" in told
    assert "\u2026" not in text


def test_what_is_no_definition(folder, capsys):
    (folder / "dag.py").write_text("x = nothing\n")
    assert main(["parity", str(folder / "dag.py")]) == 1
    assert "NameError" in capsys.readouterr().err


def test_what_no_target_can_look_at(folder, capsys):
    (folder / "dag.py").write_text(
        TEXT.replace('image_uri="i") for', 'image_uri="i", overrides={"x": b""}) for')
    )
    assert main(["parity", str(folder / "dag.py")]) == 1
    assert "dag.py: pipeline 'long': 12 problems" in capsys.readouterr().err
