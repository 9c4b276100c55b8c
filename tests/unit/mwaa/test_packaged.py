from __future__ import annotations

import json
import shutil

import pytest

from airflow_ml_provider.mwaa.package import Inputs, package
from airflow_ml_provider.mwaa.packaged import PackageFolderError, read_package
from airflow_ml_provider.mwaa.versions import VERSIONS


@pytest.fixture
def written(tmp_path, provider, dags, make_wheel):
    """Write a package as the command does."""
    (tmp_path / "startup.sh").write_text("export A=1\n")
    house = make_wheel("reader", "2.0").parent
    inputs = Inputs(
        version=VERSIONS["3.3.1"],
        text="airflow-ml-provider[extract]\n",
        own=provider,
        dags=dags,
        wheelhouse=house,
        startup=tmp_path / "startup.sh",
        offline=True,
        index=False,
    )
    package(inputs, tmp_path / "out")
    return tmp_path / "out"


def test_what_was_packaged_is_read_back(written):
    (written / "dags" / "__pycache__").mkdir()
    (written / "dags" / "__pycache__" / "flow.pyc").write_text("")
    found = read_package(written)
    assert found.version.airflow == "3.3.1"
    assert found.files == {
        name: written / name for name in ("plugins.zip", "requirements.txt", "startup.sh")
    }
    assert sorted(found.dags) == [".airflowignore", "flow.py", "jobs/train.py"]
    assert found.dags["jobs/train.py"] == written / "dags" / "jobs" / "train.py"


def test_all_that_differs_at_once(written):
    (written / "plugins.zip").write_bytes(b"")
    (written / "dags" / "flow.py").unlink()
    (written / "dags" / "new.py").write_text("")
    with pytest.raises(PackageFolderError) as caught:
        read_package(written)
    said = str(caught.value)
    assert f"{written / 'plugins.zip'}: it was changed" in said
    assert f"{written / 'dags' / 'flow.py'}: it is missing" in said
    assert f"{written / 'dags' / 'new.py'}: it was added" in said


def test_checksums_that_are_none(written):
    with (written / "SHA256SUMS").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(PackageFolderError, match="lines that are no checksums"):
        read_package(written)


def test_a_folder_that_is_no_package(tmp_path, written):
    with pytest.raises(PackageFolderError, match=r"no package.*run airflow-ml mwaa package again"):
        read_package(tmp_path)
    for text in ("[]", "{}", "{"):
        (written / "manifest.json").write_text(text)
        with pytest.raises(PackageFolderError, match="no package"):
            read_package(written)
    (written / "manifest.json").write_text(json.dumps({"airflow_version": "1.10"}))
    with pytest.raises(PackageFolderError, match=r"'1.10' is not known"):
        read_package(written)
    shutil.rmtree(written)
    with pytest.raises(PackageFolderError, match="no package"):
        read_package(written)
