"""Choices, fallbacks and maps on a real Airflow: which tasks run, and how the run ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Another version of Airflow may run the DAGs: that of the Python that AIRFLOW_PYTHON names.
AIRFLOW_PYTHON = os.environ.get("AIRFLOW_PYTHON", sys.executable)
ENDS = {
    "rejoin": {"run": "success", "x": "success", "y": "skipped", "tail": "success"},
    "empty_arm": {"run": "success", "x": "skipped", "tail": "success"},
    "broken_arm": {"run": "failed", "x": "failed", "tail": "upstream_failed"},
    "nested_arms": {"run": "success", "x": "skipped", "z": "success", "tail": "success"},
    "other_fails": {"run": "failed", "x": "success", "tail": "upstream_failed"},
    "saved": {"run": "success", "a": "failed", "f": "success", "tail": "success"},
    "unused": {"run": "success", "a": "success", "f": "skipped", "tail": "success"},
    "lost": {"run": "failed", "f": "failed", "tail": "upstream_failed"},
    "never": {"run": "failed", "a": "upstream_failed", "f": "upstream_failed"},
    "twice": {"run": "success", "a": "failed", "f": "failed", "g": "success"},
    "aside": {"run": "success", "a": "skipped", "f": "skipped", "tail": "success"},
    "ended": {"run": "failed", "no": "failed"},
    "mapped": {
        "run": "success",
        **{f"{name}[0]": "skipped" for name in ("say", "say.fallback", "sorry")},
        "say[1]": "failed",
        "sorry[1]": "success",
        "say[2]": "success",
        "sorry[2]": "skipped",
        **{f"end[{index}]": "success" for index in range(3)},
        "tail": "success",
    },
    "nothing": {"run": "success", "m": "success", "end": "skipped", "tail": "success"},
    "map_skipped": {"run": "success", "m": "skipped", "end": "skipped", "tail": "success"},
    "torn": {"run": "failed", "w[0]": "failed", "w[1]": "failed", "tail": "upstream_failed"},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    script = Path(__file__).with_name("control_flow.py")
    done = subprocess.run(
        [AIRFLOW_PYTHON, str(script), str(home)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((home / "found.json").read_text())


@pytest.mark.parametrize("shape", ENDS)
def test_how_a_run_ends(found, shape):
    assert {name: found[shape].get(name) for name in ENDS[shape]} == ENDS[shape]


def test_every_shape_was_run(found):
    assert set(found) == set(ENDS)
