from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from zipfile import ZipFile

import pytest

from airflow_ml_provider.mwaa.versions import VERSIONS

CONSTRAINTS = """
apache-airflow-providers-amazon=={amazon}
boto3=={boto3}
ready==1.5
"""


@pytest.fixture
def make_wheel(tmp_path):
    """Write an empty wheel and give its file."""

    def make(name, version="1.0", *, folder="house", tag="py3-none-any", needs=(), extras=None):
        where = tmp_path / folder
        where.mkdir(exist_ok=True)
        plain = name.replace("-", "_")
        inside = f"{plain}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {one}" for one in needs]
        for extra, more in (extras or {}).items():
            lines += [f"Provides-Extra: {extra}"]
            lines += [f'Requires-Dist: {one} ; extra == "{extra}"' for one in more]
        file = where / f"{plain}-{version}-{tag}.whl"
        with ZipFile(file, "w") as archive:
            archive.writestr(f"{inside}/METADATA", "\n".join([*lines, ""]))
            archive.writestr(f"{inside}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            archive.writestr(f"{inside}/RECORD", "")
        return file

    return make


@pytest.fixture
def provider(make_wheel):
    """Stands for this package's wheel."""
    return make_wheel(
        "airflow-ml-provider",
        folder="own",
        needs=["apache-airflow>=2.11", "boto3>=1.39"],
        extras={"extract": ["reader>=2"]},
    )


@pytest.fixture
def dags(tmp_path) -> Path:
    folder = tmp_path / "dags"
    (folder / "jobs" / "__pycache__").mkdir(parents=True)
    (folder / "flow.py").write_text("dag = 1\n")
    (folder / ".airflowignore").write_text("jobs\n")
    (folder / "jobs" / "train.py").write_text("print()\n")
    (folder / "jobs" / "__pycache__" / "train.pyc").write_text("")
    return folder


@pytest.fixture(autouse=True)
def constraints(tmp_path, monkeypatch) -> Path:
    """The constraints of every version, with little in them; nothing is fetched."""
    folder = tmp_path / "constraints"
    folder.mkdir()
    for version in VERSIONS.values():
        has = version.installed
        text = CONSTRAINTS.format(amazon=has["apache-airflow-providers-amazon"], boto3=has["boto3"])
        (folder / f"{version.airflow}-constraints.txt").write_text(text)
    monkeypatch.setenv("MWAA_CONSTRAINTS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return folder
