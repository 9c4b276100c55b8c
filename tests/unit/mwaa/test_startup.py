from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "mwaa" / "startup.sh"


@pytest.mark.parametrize(
    ("wheels", "said"),
    [
        (["b-2.whl", "a-1.whl"], ["plugins.zip has a-1.whl", "plugins.zip has b-2.whl"]),
        ([], ["plugins.zip has no wheels; deploy it together with its requirements.txt"]),
    ],
)
def test_it_says_what_pip_will_find(tmp_path, wheels, said):
    (tmp_path / "plugins").mkdir()
    for name in wheels:
        (tmp_path / "plugins" / name).write_text("")
    known = {"AIRFLOW_VERSION": "3.3.1", "MWAA_AIRFLOW_COMPONENT": "worker"}
    environment = {"PATH": "/usr/bin:/bin", "AIRFLOW_HOME": str(tmp_path), **known}
    done = subprocess.run(
        ["sh", "-eu", str(SCRIPT)], env=environment, capture_output=True, text=True, check=True
    )
    first, *rest = done.stdout.splitlines()
    assert first.startswith("airflow-ml: Airflow 3.3.1, Python 3")
    assert first.endswith(", worker")
    assert rest == [f"airflow-ml: {line}" for line in said]
    assert done.stderr == ""
