from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_ml_provider.mwaa import package as packaging
from airflow_ml_provider.mwaa.package import Inputs, PackageError, package
from airflow_ml_provider.mwaa.packaged import read_package
from airflow_ml_provider.mwaa.resolution import resolve
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]
TEXT = "airflow-ml-provider[extract]\nready\n"


@pytest.fixture
def inputs(make_wheel, provider, dags):
    for name, version in (("reader", "2.5"), ("ready", "1.5"), ("unneeded", "1.0")):
        make_wheel(name, version)
    house = make_wheel("deep", "1.0").parent
    return Inputs(VERSION, TEXT, provider, dags, wheelhouse=house, index=False)


def names(folder):
    return sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    )


def test_offline(inputs, tmp_path):
    out = tmp_path / "deep" / "out"
    made = package(replace(inputs, offline=True), out)
    assert (out / "requirements.txt").read_text() == (
        "# Amazon MWAA 3.3.1: all that the image lacks lies in plugins.zip.\n"
        "# It is pinned, so MWAA shall not add a --constraint of its own.\n"
        "--no-index\n"
        "--find-links /usr/local/airflow/plugins\n"
        "airflow-ml-provider[extract]==1.0\n"
        "ready==1.5\n"
    )
    wheels = [
        f"{one}-py3-none-any.whl" for one in ("airflow_ml_provider-1.0", "reader-2.5", "ready-1.5")
    ]
    with ZipFile(out / "plugins.zip") as archive:
        assert archive.namelist() == wheels
        assert archive.read(wheels[0]) == inputs.own.read_bytes()
    assert made.wheels == tuple(wheels)
    assert made.unused == ("deep-1.0-py3-none-any.whl", "unneeded-1.0-py3-none-any.whl")
    assert names(out) == [
        "SHA256SUMS",
        "dags/.airflowignore",
        "dags/flow.py",
        "dags/jobs/train.py",
        "manifest.json",
        "plugins.zip",
        "requirements.txt",
    ]
    assert json.loads((out / "manifest.json").read_text()) == {
        "airflow_version": "3.3.1",
        "form": "offline",
        "package": "1.0",
        "wheels": wheels,
        "installs": {"airflow-ml-provider": "1.0", "reader": "2.5", "ready": "1.5"},
    }
    assert sorted(read_package(out).checksums) == names(out)[1:]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=out, check=True)


def test_online(inputs, dags, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "menu.py").write_text("x = 1\n")
    text = f"--extra-index-url https://example.com/simple\n{TEXT}boto3>=1.39\n"
    inputs = replace(inputs, text=text, startup=dags / "flow.py", plugins=tmp_path / "plugins")
    made = package(inputs, tmp_path / "out")
    at = "file:///usr/local/airflow/plugins"
    assert (tmp_path / "out" / "requirements.txt").read_text() == (
        "# Amazon MWAA 3.3.1: wheels of plugins.zip, the rest from the index.\n"
        f'--constraint "{VERSION.constraints_url}"\n'
        "--extra-index-url https://example.com/simple\n"
        f"airflow-ml-provider[extract] @ {at}/airflow_ml_provider-1.0-py3-none-any.whl\n"
        f"reader @ {at}/reader-2.5-py3-none-any.whl\n"
        f"ready @ {at}/ready-1.5-py3-none-any.whl\n"
        "boto3>=1.39\n"
    )
    with ZipFile(tmp_path / "out" / "plugins.zip") as archive:
        assert set(archive.namelist()) == {"menu.py", *made.wheels}
    assert (tmp_path / "out" / "startup.sh").read_bytes() == (dags / "flow.py").read_bytes()
    assert "startup.sh" in read_package(tmp_path / "out").checksums


@pytest.mark.parametrize(
    ("name", "offline"),
    [("2.11.2", True), ("3.0.6", False), ("3.2.1", True), ("3.3.1", False)],
)
def test_what_was_packaged_installs_by_itself(inputs, tmp_path, name, offline):
    version, out = VERSIONS[name], tmp_path / "out"
    made = package(replace(inputs, version=version, offline=offline), out)
    with ZipFile(out / "plugins.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    text = (out / "requirements.txt").read_text()
    found = resolve(text, version, wheels=tmp_path / "unpacked", index=False)
    assert found.added == made.resolution.added
    assert {"airflow-ml-provider", "reader", "ready"} == set(found.added)


def test_constraints_that_are_asked_for(inputs, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "c.txt").write_text("ready==1.5\n")
    line = '--constraint "/usr/local/airflow/plugins/c.txt"'
    package(replace(inputs, text=f"{line}\n{TEXT}", plugins=plugins), tmp_path / "out")
    assert line in (tmp_path / "out" / "requirements.txt").read_text().splitlines()
    opted_out = f"# no --constraint here\n{TEXT}"
    package(replace(inputs, text=opted_out), tmp_path / "out")
    told = (tmp_path / "out" / "requirements.txt").read_text()
    assert VERSION.constraints_url not in told
    # MWAA looks for it, comments included.
    assert "--constraint " in told


def test_what_a_marker_leaves_out(inputs, tmp_path):
    text = f"{TEXT}absent==1; sys_platform == 'win32'\n"
    package(replace(inputs, text=text, offline=True), tmp_path / "out")
    assert "absent" not in (tmp_path / "out" / "requirements.txt").read_text()


def test_what_is_missing_is_downloaded(inputs, make_wheel, tmp_path):
    links = make_wheel("far", "3.0", folder="links", needs=["deep"]).parent
    text = f"--find-links {links.as_uri()}\n--no-index\n{TEXT}far\n"
    made = package(replace(inputs, text=text, offline=True), tmp_path / "out")
    assert "far-3.0-py3-none-any.whl" in made.wheels
    assert "deep-1.0-py3-none-any.whl" in made.wheels
    assert made.unused == ("unneeded-1.0-py3-none-any.whl",)
    assert "far==3.0\n" in (tmp_path / "out" / "requirements.txt").read_text()


def test_the_same_inputs_give_the_same_bytes(inputs, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    package(replace(inputs, offline=True), first)
    for file in tmp_path.rglob("*.whl"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    # A package that is there already is replaced.
    package(replace(inputs, text="airflow-ml-provider\n"), second)
    package(replace(inputs, offline=True), second)
    assert names(first) == names(second)
    for name in names(first):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert {one.name for one in tmp_path.iterdir()} >= {"first", "second"}
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_the_former_package_stays_where_the_new_one_cant_take_its_place(
    inputs, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    package(inputs, out)
    before = names(out)
    rename = Path.rename

    def full(path, goal):
        if path.name == "new":
            raise OSError("no space left on device")
        return rename(path, goal)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space"):
        package(replace(inputs, offline=True), out)
    assert names(out) == before


def test_all_that_is_wrong_is_told_and_nothing_is_written(inputs, tmp_path):
    (inputs.wheelhouse / "own-1.0.tar.gz").write_text("")
    wrong = replace(
        inputs,
        text="ready==9\nfoo bar\n",
        own=tmp_path / "none.whl",
        dags=tmp_path / "nowhere",
        startup=tmp_path / "none.sh",
    )
    with pytest.raises(PackageError) as caught:
        package(wrong, tmp_path / "out")
    dags, startup, own, source, line = str(caught.value).splitlines()
    assert dags == f"--dags {tmp_path}/nowhere: it is no folder with files in it"
    assert startup == f"--startup-script {tmp_path}/none.sh: there is no such file"
    assert own == f"{tmp_path}/none.whl: there is no such file; give a wheel"
    assert source.startswith(f"{inputs.wheelhouse}/own-1.0.tar.gz: this is source")
    assert line.startswith("requirements.txt, line 2: foo bar: it can't be read")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ready\n", r"does not name this package; add the line airflow-ml-provider\[extract\]"),
        ("airflow-ml-provider==2\n", r"line 1: airflow-ml-provider==2: its wheel here is 1\.0"),
        ("--no-index\nairflow-ml-provider\n", "says --no-index; leave it out, or give --offline"),
        ("airflow-ml-provider\nready>2\n", r"line 2: ready>2: its wheel here is 1\.5"),
        ("airflow-ml-provider\nboto3<1\n", r"line 2: boto3<1: MWAA 3\.3\.1 constrains it to 1\.43"),
        ("airflow-ml-provider\nabsent\n", r"can't be installed on MWAA 3\.3\.1:\n.*absent"),
    ],
)
def test_requirements_that_will_not_do(inputs, tmp_path, text, said):
    with pytest.raises(PackageError, match=said):
        package(replace(inputs, text=text), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_wheel_than_this_package(inputs, tmp_path):
    inputs = replace(inputs, own=inputs.wheelhouse / "deep-1.0-py3-none-any.whl")
    with pytest.raises(PackageError, match=r"it is deep; give one of airflow-ml-provider"):
        package(inputs, tmp_path / "out")


def test_a_folder_that_holds_something_else_is_left_alone(inputs, dags, tmp_path):
    for out in (dags, dags / "flow.py"):
        with pytest.raises(PackageError, match="it holds something else"):
            package(inputs, out)
    assert (dags / "flow.py").read_text() == "dag = 1\n"
    # Web sites have one, too.
    (dags / "manifest.json").write_text("{}")
    with pytest.raises(PackageError, match="it holds something else"):
        package(inputs, dags)


def test_a_folder_among_the_dags(inputs, dags):
    with pytest.raises(PackageError, match=f"it lies in --dags {dags}; give another folder"):
        package(inputs, dags / "deep" / "out")


def test_a_failure_leaves_what_was_there(inputs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    package(inputs, out)
    before = {name: (out / name).read_bytes() for name in names(out)}

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(packaging, "write_zip", fail)
    with pytest.raises(OSError, match="disk"):
        package(replace(inputs, offline=True), out)
    assert {name: (out / name).read_bytes() for name in names(out)} == before
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_files_that_can_not_be_packaged_are_not_passed_over(inputs, dags, tmp_path):
    (dags / "linked").symlink_to(tmp_path)
    (dags / "gone.py").symlink_to(tmp_path / "none.py")
    (dags / ".#flow.py").symlink_to("an editor's lock")
    (dags / "two\nlines.py").write_text("")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "own-1.0-py3-none-any.whl").write_text("")
    with pytest.raises(PackageError) as caught:
        package(replace(inputs, plugins=tmp_path / "plugins"), tmp_path / "out")
    gone, linked, lines, wheel = str(caught.value).splitlines()
    assert gone.startswith(f"--dags {dags}: gone.py links to a folder, or to nothing")
    assert linked.startswith(f"--dags {dags}: linked links to a folder, or to nothing")
    assert lines.endswith(r"'two\nlines.py' has characters that can't be packaged; rename it")
    assert wheel.startswith(f"--plugins {tmp_path}/plugins/own-1.0-py3-none-any.whl: put wheels")


def test_names_in_any_language(inputs, dags, tmp_path):
    (dags / "día ☃.py").write_text("")
    package(inputs, tmp_path / "out")
    assert "día ☃.py" in read_package(tmp_path / "out").dags


def test_a_folder_without_dags(inputs, tmp_path):
    (tmp_path / "empty" / "__pycache__").mkdir(parents=True)
    (tmp_path / "empty" / "__pycache__" / "flow.pyc").write_text("")
    with pytest.raises(PackageError, match="it is no folder with files in it"):
        package(replace(inputs, dags=tmp_path / "empty"), tmp_path / "out")


def test_a_place_that_can_not_be_written_to(inputs, dags, monkeypatch, tmp_path):
    file = dags / "flow.py"
    with pytest.raises(PackageError, match=f"{file} is no folder that can be written to"):
        package(inputs, file / "deep" / "out")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PackageError, match=f"{tmp_path} is no folder that can be written to"):
        package(inputs, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()
