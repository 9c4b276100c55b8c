from __future__ import annotations

import subprocess

import pytest

from airflow_ml_provider.mwaa.requirements import RequirementsError
from airflow_ml_provider.mwaa.versions import VERSIONS
from airflow_ml_provider.mwaa.wheelhouse import build, download, platforms, wheel, wheels

VERSION = VERSIONS["3.3.1"]


def test_wheels_that_the_image_can_install(make_wheel):
    tags = [
        "py3-none-any",
        "cp312-cp312-manylinux_2_34_x86_64",
        "cp38-abi3-manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "py2.py3-none-linux_x86_64",
    ]
    files = [make_wheel(f"Some_{number}", tag=tag) for number, tag in enumerate(tags)]
    found = wheels(files, VERSION)
    assert [(one.name, one.version, one.file) for one in found] == [
        (f"some-{number}", "1.0", file) for number, file in enumerate(files)
    ]


@pytest.mark.parametrize(
    "tag",
    [
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux_2_35_x86_64",
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp312-cp312-macosx_11_0_arm64",
        "cp312-cp312-musllinux_1_2_x86_64",
    ],
)
def test_a_wheel_for_something_else(make_wheel, tag):
    file = make_wheel("other", tag=tag)
    with pytest.raises(RequirementsError) as caught:
        wheels([file], VERSION)
    assert f"{file}: MWAA 3.3.1 can't install it: it is made for {tag}" in str(caught.value)
    assert "take the wheel for Python 3.12 and manylinux_2_34_x86_64" in str(caught.value)


def test_all_that_is_no_wheel_is_told(make_wheel, tmp_path):
    files = [tmp_path / name for name in ("a-1.0.tar.gz", "notes.txt", "b-1.whl")]
    for file in files:
        file.write_text("")
    missing = tmp_path / "c-1.0-py3-none-any.whl"
    twice = [make_wheel("d", "1.0"), make_wheel("d", "2.0")]
    with pytest.raises(RequirementsError) as caught:
        wheels([*files, missing, *twice], VERSION)
    source, text, name, absent, second = caught.value.problems
    assert source.startswith(f"{files[0]}: this is source, which MWAA would have to build")
    assert "pip wheel --no-deps a-1.0.tar.gz" in source
    assert text.startswith(f"{files[1]}: only wheels may lie here")
    assert name.startswith(f"{files[2]}: only wheels may lie here")
    assert absent == f"{missing}: there is no such file; give a wheel"
    assert second == f"{twice[1]}: there is {twice[0].name}, too; leave one of them"


def test_platforms():
    found = platforms(VERSION)
    assert found[0] == "manylinux_2_34_x86_64"
    assert {"manylinux_2_5_x86_64", "manylinux2014_x86_64", "linux_x86_64"} <= set(found)


def test_download_by_pip(make_wheel, tmp_path):
    wanted = make_wheel("wanted", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64", needs=["absent"])
    make_wheel("wanted", "2.0")
    make_wheel("wanted", "1.0", tag="cp312-cp312-win_amd64")
    into = tmp_path / "into"
    into.mkdir()
    options = ["--no-index", f"--find-links {wanted.parent}"]
    download([*options, "wanted==1.0"], VERSION, into)
    assert [file.name for file in into.iterdir()] == [wanted.name]
    with pytest.raises(RequirementsError, match=r"pip download failed:\n.*wanted==3"):
        download([*options, "wanted==3"], VERSION, into)


def test_no_pip(monkeypatch, tmp_path):
    answer = subprocess.CompletedProcess([], 1, "", "/bin/python: No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(RequirementsError, match=r"airflow-ml-provider\[mwaa\].* brings it"):
        build(tmp_path, tmp_path)


def test_a_folder_is_no_wheel(tmp_path):
    with pytest.raises(ValueError, match="it is a folder; give a wheel"):
        wheel(tmp_path, VERSION)
