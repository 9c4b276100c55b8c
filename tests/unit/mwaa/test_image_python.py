from __future__ import annotations

import os
import subprocess
import sys

import pytest

from airflow_ml_provider.mwaa import image_python as module
from airflow_ml_provider.mwaa.image_python import ImagePythonError, image_python
from airflow_ml_provider.mwaa.resolution import Resolution
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]
UV = f"""#!{sys.executable}
import os, sys
from pathlib import Path
with open(os.environ["UV_CALLS"], "a") as file:
    print(*sys.argv[1:], os.environ["UV_PYTHON_DOWNLOADS"], file=file)
if sys.argv[1] == "venv":
    if os.environ.get("UV_LACKS") in sys.argv:
        sys.exit("no such Python")
    folder = Path(sys.argv[-1])
    folder.mkdir(exist_ok=True)
    (folder / "pyvenv.cfg").write_text("home = /usr\\nversion_info = 3.11.7\\n")
elif "UV_FAILS" in os.environ:
    sys.exit("no wheel of pandas")
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Let another uv be found, and give what it was asked for."""
    uv = tmp_path / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    monkeypatch.setattr(module, "uv_command", lambda: str(uv))
    monkeypatch.setenv("UV_CALLS", str(tmp_path / "calls"))
    return lambda: (tmp_path / "calls").read_text().splitlines()


def test_the_image_and_what_is_added_to_it(tmp_path, calls):
    resolution = Resolution(
        VERSION,
        {"boto3": "1.99", "own": "1.0", "pandas": "3.0", "pyarrow": "18.1"},
        {
            "own": "file:///house/own-1.0%2Bhere-py3-none-any.whl",
            # Not for the Python that is here.
            "pyarrow": "file:///house/pyarrow-18.1-cp312-cp312-manylinux_2_28_x86_64.whl",
        },
    )
    folder = tmp_path / "made"
    python = image_python(VERSION, folder, resolution, tmp_path / "house")
    assert python == folder / "bin" / "python"
    venv, install = calls()
    assert venv == f"venv --quiet --python 3.12 {folder} never"
    assert install == (
        f"pip install --quiet --no-deps --python {python} --find-links {tmp_path / 'house'} "
        f"--requirement {folder / 'requirements.txt'} never"
    )
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert len(lines) == len(VERSION.installed) + 3
    assert {"boto3==1.99", "pandas==3.0", "apache-airflow==3.3.1", "pyarrow==18.1"} < {*lines}
    assert "own @ file:///house/own-1.0%2Bhere-py3-none-any.whl" in lines


def test_another_python_where_that_is_not_there(tmp_path, calls, monkeypatch):
    monkeypatch.setenv("UV_LACKS", "3.12")
    image_python(VERSION, tmp_path / "made")
    assert calls()[1] == f"venv --quiet --clear {tmp_path / 'made'} never"


def test_what_can_not_be_installed(tmp_path, calls, monkeypatch):
    monkeypatch.setenv("UV_FAILS", "1")
    with pytest.raises(ImagePythonError, match="no wheel of pandas"):
        image_python(VERSION, tmp_path / "made")
    assert "UV_PYTHON_DOWNLOADS" not in os.environ


def test_the_index_of_the_requirements(tmp_path, calls):
    options = ("--extra-index-url https://example.com/simple",)
    folder = tmp_path / "made"
    image_python(VERSION, folder, Resolution(VERSION, {}, {}, options))
    assert (folder / "requirements.txt").read_text().splitlines()[0] == options[0]
    assert calls()


def test_an_installation_that_takes_too_long(tmp_path, calls, monkeypatch):
    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ImagePythonError, match="uv venv took longer than 900 s"):
        image_python(VERSION, tmp_path / "made")
