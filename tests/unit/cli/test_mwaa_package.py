from __future__ import annotations

from pathlib import Path

import pytest

import airflow_ml_provider
from airflow_ml_provider.cli import main
from airflow_ml_provider.mwaa import package as packaging
from airflow_ml_provider.mwaa import wheelhouse
from airflow_ml_provider.mwaa.package import Packaged, PackageError
from airflow_ml_provider.mwaa.requirements import default_text
from airflow_ml_provider.mwaa.resolution import Resolution
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.0.6"]
ALWAYS = ["mwaa", "package", "--version", "3.0.6"]


@pytest.fixture
def packaged(monkeypatch):
    """What was given to be packaged, in place of packaging it."""
    given = []

    def package(inputs, out):
        given.append((inputs, out))
        resolution = Resolution(VERSION, {"boto3": "1.99", "own": "1.0"}, {})
        return Packaged(("own-1.0-py3-none-any.whl",), resolution, ("more-2-py3-none-any.whl",))

    monkeypatch.setattr(packaging, "package", package)
    return given


def test_options(packaged, tmp_path, capsys):
    (tmp_path / "r.txt").write_text("own\n")
    paths = {
        f"--{name}": tmp_path / name
        for name in ("wheel", "dags", "wheelhouse", "plugins", "startup-script", "out")
    }
    options = [str(one) for pair in paths.items() for one in pair]
    more = ["--offline", "--no-index", "--requirements", str(tmp_path / "r.txt")]
    assert main([*ALWAYS, *options, *more]) == 0
    [(inputs, out)] = packaged
    assert out == tmp_path / "out"
    assert inputs.version is VERSION
    assert inputs.text == "own\n"
    given = [inputs.own, inputs.dags, inputs.wheelhouse, inputs.plugins, inputs.startup]
    assert given == [*paths.values()][:-1]
    assert inputs.offline
    assert not inputs.index
    assert capsys.readouterr().out == (
        f"{out}: for Amazon MWAA 3.0.6; check it with sha256sum -c SHA256SUMS\n"
        "  plugins.zip holds own-1.0-py3-none-any.whl\n"
        "  boto3 1.99 replaces the 1.39.11 of the image\n"
        "  more-2-py3-none-any.whl is not needed, and was left out\n"
    )


def test_defaults(packaged, monkeypatch):
    built = []

    def build(source, folder):
        built.append(source)
        return folder / "built.whl"

    monkeypatch.setattr(wheelhouse, "build", build)
    assert main(ALWAYS) == 0
    [(inputs, out)] = packaged
    assert built == [Path(airflow_ml_provider.__file__).parents[1]]
    assert inputs.own.name == "built.whl"
    assert inputs.text == default_text(VERSION)
    assert out == Path("build/mwaa/3.0.6")
    assert (inputs.dags, inputs.offline, inputs.index) == (Path("dags"), False, True)


def test_an_installed_package_has_no_checkout(packaged, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(airflow_ml_provider, "__file__", str(tmp_path / "package" / "__init__.py"))
    assert main(ALWAYS) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path} is no checkout of this package to build it from")
    assert said.endswith("give its --wheel\nNothing was written.\n")
    assert not packaged


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--version", "3.1.0"], "'3.1.0' is not known here; give one of 2.11.2, 3.0.6"),
        (["--version", "3.0.6", "--requirements", "no.txt"], "No such file or directory: 'no.txt'"),
    ],
)
def test_an_error(packaged, options, said, capsys):
    assert main(["mwaa", "package", *options]) == 1
    assert said in capsys.readouterr().err
    assert not packaged


def test_what_can_not_be_packaged(monkeypatch, capsys):
    def package(*_):
        raise PackageError("first\nsecond")

    monkeypatch.setattr(packaging, "package", package)
    assert main([*ALWAYS, "--wheel", "a.whl"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "first\nsecond\nNothing was written.\n"


def test_help(capsys):
    for options, said in ((["--help"], "doctor"), (["package", "--help"], "--wheelhouse")):
        with pytest.raises(SystemExit) as caught:
            main(["mwaa", *options])
        assert caught.value.code == 0
        assert said in capsys.readouterr().out


def test_the_text_of_requirements(packaged, tmp_path, capsys):
    file = tmp_path / "r.txt"
    file.write_text("\ufeffown\n", encoding="utf-8")
    assert main([*ALWAYS, "--wheel", "a.whl", "--requirements", str(file)]) == 0
    assert packaged[0][0].text == "own\n"
    file.write_bytes(b"# \xe9\n")
    assert main([*ALWAYS, "--wheel", "a.whl", "--requirements", str(file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"--requirements {file}: 'utf-8' codec can't decode")
    assert said.endswith("save it as UTF-8\nNothing was written.\n")
