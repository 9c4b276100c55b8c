from __future__ import annotations

import json

import pytest

from airflow_ml_provider.cli import main


@pytest.fixture
def requirements(tmp_path, monkeypatch):
    monkeypatch.setenv("MWAA_CONSTRAINTS", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    (tmp_path / "3.3.1-constraints.txt").write_text("boto3==1.43.56\n")
    file = tmp_path / "requirements.txt"

    def write(text):
        file.write_text(text)
        return str(file)

    return write


def _found(table):
    """Give the third column without its spaces; a long path breaks its lines anywhere."""
    rows = [line.split("│") for line in table.splitlines() if line.count("│") > 4]
    return "".join("".join(row[3].split()) for row in rows)


def test_a_table_and_the_number_of_findings(requirements, capsys):
    file = requirements("--no-index\nboto3\n")
    assert main(["mwaa", "doctor", "--version", "3.3.1", "--requirements", file]) == 0
    said = capsys.readouterr().out
    assert "requirements.txt:addsnothing" in _found(said)
    # What was not given is not passed over in silence.
    for mend in ("--environment", "--dags", "--role-arn", "--bucket", "--startup-script"):
        assert f"give {mend}" in said or f"or {mend}" in said
    assert said.splitlines()[-1] == "1 note, 7 not checked, 2 good"


def test_json_and_the_exit_code(requirements, capsys):
    options = ["--version", "3.3.1", "--only", "requirements", "--json"]
    file = requirements("boto3==1.20\nflask==2\n")
    assert main(["mwaa", "doctor", "--requirements", file, *options]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == "3.3.1"
    assert [one["severity"] for one in told["findings"]] == ["note", "error", "error"]
    assert {*told["findings"][1]} == {"check", "severity", "said", "mend"}


def test_options_of_the_command_line(capsys):
    options = ["--option", "core.executor=LocalExecutor", "--only", "options"]
    assert main(["mwaa", "doctor", "--version", "2.11.2", *options]) == 0
    assert "core.executor has no effect" in " ".join(capsys.readouterr().out.split())


def test_dags_that_need_what_does_not_install(requirements, tmp_path, capsys):
    (tmp_path / "dags").mkdir()
    file = requirements("boto3==1.20\n")
    options = ["--requirements", file, "--dags", str(tmp_path / "dags"), "--only", "dags"]
    assert main(["mwaa", "doctor", "--version", "3.3.1", *options, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["severity"] == "not checked"
    assert found["mend"] == "mend requirements.txt, or give --python"


def test_a_file_that_cant_be_read(tmp_path, monkeypatch, capsys):
    (tmp_path / "startup.sh").write_text("export A=1\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "startup.sh")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    options = ["--startup-script", str(tmp_path / "startup.sh"), "--only", "startup.sh"]
    assert main(["mwaa", "doctor", "--version", "3.3.1", *options]) == 1
    assert "Permission denied: 'startup.sh'" in capsys.readouterr().err


def test_a_plugins_archive_that_is_none(requirements, tmp_path, capsys):
    (tmp_path / "plugins.zip").write_text("text")
    file = requirements("--no-index\nboto3\n")
    options = ["--requirements", file, "--plugins", str(tmp_path / "plugins.zip")]
    for only in ("requirements", "dags"):
        command = ["mwaa", "doctor", "--version", "3.3.1", *options, "--only", only]
        assert main([*command, "--json"]) == 1
        (found,) = json.loads(capsys.readouterr().out)["findings"]
        assert "it can't be unpacked" in found["said"]


def test_without_a_version(capsys):
    assert main(["mwaa", "doctor"]) == 1
    assert "give --version, --environment or --package" in capsys.readouterr().err


def test_a_package_that_is_none(tmp_path, capsys):
    assert main(["mwaa", "doctor", "--package", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path} is no package: [Errno 2] No such file" in said


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--option", "core.executor"], "must be SECTION.OPTION=VALUE"),
        (["--requirements", "nothing.txt"], "'nothing.txt' is no file"),
        (["--dags", "nothing"], "'nothing' is no folder"),
        (["--version", "1.10"], "invalid choice: '1.10'"),
        (["--role-arn", "airflow"], "'airflow' is no ARN of a role; it must be arn:aws:iam::"),
    ],
)
def test_options_that_are_wrong(option, said, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["mwaa", "doctor", *option])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
