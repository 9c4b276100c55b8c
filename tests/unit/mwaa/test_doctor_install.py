from __future__ import annotations

from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from airflow_ml_provider.mwaa.doctor_install import install_findings, unpack
from airflow_ml_provider.mwaa.requirements import RequirementsError
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]


@pytest.fixture
def requirements(tmp_path):
    def write(text):
        file = tmp_path / "my-requirements.txt"
        file.write_text(text)
        return file

    return write


def test_an_archive_does_not_leave_its_folder(tmp_path):
    with ZipFile(tmp_path / "plugins.zip", "w") as archive:
        archive.writestr("plugin.py", "")
        archive.writestr("../out.py", "")
    plugins = unpack(tmp_path / "plugins.zip", tmp_path / "unpacked" / "plugins")
    assert (plugins / "plugin.py").is_file()
    assert not (tmp_path / "unpacked" / "out.py").exists()


def test_an_archive_that_is_none(tmp_path):
    (tmp_path / "plugins.zip").write_text("text")
    with pytest.raises(RequirementsError, match=r"plugins.zip: it can't be unpacked"):
        unpack(tmp_path / "plugins.zip", tmp_path / "plugins")


def test_what_is_installed(requirements, make_wheel):
    wheels = make_wheel("own", needs=["ready"]).parent
    make_wheel("ready", "1.5")
    file = requirements("own\n")
    (note, good), resolution = install_findings(file, VERSION, wheels, None)
    assert (note.severity, good.severity) == ("note", "good")
    assert note.said.endswith("it names no constraints; MWAA adds its own")
    assert good.said == f"{file}: installs 2 packages: own 1.0, ready 1.5"
    assert resolution.added == {"own": "1.0", "ready": "1.5"}


def test_what_changes_the_image(requirements, make_wheel):
    wheels = make_wheel("boto3", "1.99").parent
    file = requirements("# --constraint none\nboto3==1.99\n")
    (opted_out, replaced, _), _ = install_findings(file, VERSION, wheels, None)
    assert (opted_out.severity, replaced.severity) == ("warning", "warning")
    assert "a comment keeps MWAA from adding its constraints" in opted_out.said
    assert replaced.said.endswith("what Airflow itself runs with: boto3 1.43.56 by 1.99")
    assert replaced.mend == "keep boto3==1.43.56"


def test_what_needs_no_constraints(requirements, make_wheel):
    wheels = make_wheel("own").parent
    file = requirements("--no-index\n# no --constraint shall be added\nown\n")
    (found,), _ = install_findings(file, VERSION, wheels, None)
    assert found.severity == "good"


def test_all_that_conflicts_at_once_with_its_mend(requirements):
    file = requirements("boto3==1.20\nflask==2.0\n")
    found, resolution = install_findings(file, VERSION, None, None)
    assert resolution is None
    boto3, flask = ((one.severity, one.said, one.mend) for one in found if one.severity != "note")
    assert boto3 == (
        "error",
        f"{file}: line 1: boto3==1.20: MWAA 3.3.1 constrains it to 1.43.56",
        "write boto3==1.43.56, or leave the version out",
    )
    assert "flask==2.0: MWAA 3.3.1 lets no one change it" in flask[1]


def test_a_sdist_in_plugins(requirements, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "own-1.0.tar.gz").write_text("")
    found, resolution = install_findings(requirements("own\n"), VERSION, tmp_path / "plugins", None)
    assert resolution is None
    source, unresolved = (one for one in found if one.severity == "error")
    assert source.said.startswith("plugins.zip/own-1.0.tar.gz: this is source")
    assert source.mend.startswith("make a wheel of it")
    assert "own" in unresolved.said


def test_a_file_that_can_not_be_read(tmp_path):
    (tmp_path / "r.txt").write_bytes(b"\xff\xfe\xff")
    for file in (tmp_path / "r.txt", tmp_path / "missing.txt"):
        (found,), _ = install_findings(file, VERSION, None, None)
        assert found.severity == "error"
        assert f"{file}: it can't be read" in found.said


def test_an_archive_that_is_empty(requirements, make_wheel, tmp_path):
    ZipFile(tmp_path / "plugins.zip", "w").close()
    plugins = unpack(tmp_path / "plugins.zip", tmp_path / "plugins")
    (_, found), _ = install_findings(requirements("boto3\n"), VERSION, plugins, None)
    assert found.said.endswith("adds nothing")


def test_an_archive_that_is_damaged_or_has_a_password(tmp_path):
    file = tmp_path / "plugins.zip"
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("plugin.py", "x = 1\n" * 99)
    whole = file.read_bytes()
    damaged, locked = bytearray(whole), bytearray(whole)
    damaged[39:45] = b"\xff" * 6
    for flags in (6, whole.index(b"PK\x01\x02") + 8):
        locked[flags] |= 1
    for data in (damaged, locked):
        file.write_bytes(data)
        with pytest.raises(RequirementsError, match=r"plugins.zip: it can't be unpacked"):
            unpack(file, tmp_path / "plugins")


def test_a_wheel_that_is_not_in_the_archive(requirements, make_wheel):
    wheels = make_wheel("own").parent
    make_wheel("deep", "1.0", folder="links")
    at = "file:///usr/local/airflow/plugins"
    lines = [f"{one} @ {at}/{one}-1.0-py3-none-any.whl\n" for one in ("own", "deep")]
    found, resolution = install_findings(requirements("".join(lines)), VERSION, wheels, None)
    assert resolution is None
    assert found[-1].severity == "error"
    assert found[-1].said.endswith("deep==1.0: plugins.zip has no deep-1.0-py3-none-any.whl")


def test_a_byte_order_mark(requirements, make_wheel):
    wheels = make_wheel("own").parent
    found, _ = install_findings(requirements("\ufeffown\n"), VERSION, wheels, None)
    assert found[-1].said.endswith("installs 1 packages: own 1.0")
