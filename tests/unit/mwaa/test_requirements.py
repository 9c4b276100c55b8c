from __future__ import annotations

from pathlib import Path

import pytest

from airflow_ml_provider.mwaa.requirements import (
    RequirementsError,
    conflicts,
    default_text,
    parse,
)
from airflow_ml_provider.mwaa.versions import VERSIONS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_the_repository_has_the_default_of_each_version(version):
    text = (ROOT / "mwaa" / "requirements" / f"{version.airflow}.txt").read_text()
    assert text == default_text(version)
    found = parse(text)
    assert found.constraints == (version.constraints_url,)
    assert found.named[0].name == "airflow-ml-provider"
    pinned = {one.name for one in found.named[1:]}
    # The constraints of the other two pin ADBC.
    assert bool(pinned) == (version.airflow in {"2.11.2", "3.0.6"})


def test_no_other_version_has_a_file():
    files = {file.stem for file in (ROOT / "mwaa" / "requirements").iterdir()}
    assert files == set(VERSIONS)


def test_lines():
    text = """
    --constraint "https://example.com/c.txt"
    -chttps://example.com/d.txt
    --extra-index-url=https://example.com/simple?a=b
    --find-links /usr/local/airflow/plugins
    Pandas [parquet] >= 2, \\
        < 3  # joined
    /usr/local/airflow/plugins/my_own-1.2-py3-none-any.whl
    other[x] @ file:///usr/local/airflow/plugins/other-3-py3-none-any.whl
    far @ https://example.com/far-1-py3-none-any.whl#sha256=1f
    """
    found = parse(text)
    *named, far = found.named
    assert [(one.line, one.name, str(one.requirement)) for one in named] == [
        (6, "pandas", "Pandas[parquet]<3,>=2"),
        (8, "my-own", "my-own==1.2"),
        (9, "other", "other[x]==3"),
    ]
    assert (far.line, far.name) == (10, "far")
    assert far.requirement.url == "https://example.com/far-1-py3-none-any.whl#sha256=1f"
    assert found.constraints == ("https://example.com/c.txt", "https://example.com/d.txt")
    assert found.options == ("--extra-index-url https://example.com/simple?a=b",)
    assert found.index
    assert not found.opted_out


def test_a_comment_keeps_mwaa_from_adding_its_constraints():
    assert parse("# no --constraint here\na\n").opted_out
    assert parse("a # -c off\n").opted_out
    assert not parse("a\n# constraint\n").opted_out
    assert not parse("# -c\n--constraint https://example.com/c.txt\n").opted_out


def test_no_index():
    assert not parse("--no-index\na==1\n").index


def test_all_that_is_wrong_is_told():
    text = (
        "-r other.txt\n--editable .\nfoo bar\nx @ git+https://example.com/x.git\n"
        "https://example.com/far-1-py3-none-any.whl\nx-1.whl\n"
        "a --hash=sha256:1\n--pre\n--no-index yes\n--index-url\nb\nB==1\n"
        "-i https://a.example.com --extra-index-url https://b.example.com\n-f wheels\n"
        "/usr/local/airflow/plugins/own-1-py3-none-any.whl; python_version < '3'\n"
    )
    with pytest.raises(RequirementsError) as caught:
        parse(text)
    starts = [
        "line 1: -r other.txt: MWAA takes one file",
        "line 2: --editable .: MWAA has no source",
        "line 3: foo bar: it can't be read",
        "line 4: x @ git+https://example.com/x.git: only wheels",
        "line 5: https://example.com/far-1-py3-none-any.whl: write the package's name",
        "line 6: x-1.whl: Invalid wheel filename",
        "line 7: a --hash=sha256:1: options of one requirement",
        "line 8: --pre: this option is not understood here",
        "line 9: --no-index yes: it takes no value",
        "line 10: --index-url: it must have a value",
        "line 13: -i https://a.example.com --extra-index-url https://b.example.com: write each",
        "line 14: -f wheels: MWAA has /usr/local/airflow/plugins alone",
        "line 15: /usr/local/airflow/plugins/own-1-py3-none-any.whl; python_version < '3': write a",
        "line 12: B==1: line 11 has it too",
    ]
    assert len(caught.value.problems) == len(starts)
    for said, start in zip(caught.value.problems, starts, strict=True):
        assert said.startswith(f"requirements.txt, {start}")


def test_a_package_may_stand_there_once_for_each_marker():
    text = "a==1; python_version < '3.12'\na==2; python_version >= '3.12'\n"
    assert len(parse(text).named) == 2


def test_conflicts():
    version = VERSIONS["3.0.6"]
    text = "apache-airflow==3.3.1\nBoto3>=1.50\npandas\nother>=9\nready\n"
    text += "pytz<1; python_version < '3'\n"
    pins = {
        "boto3": "1.39.11",
        "pandas": "2.1.4",
        "apache-airflow": "9",
        "ready": "2.0rc1",
        "pytz": "2",
    }
    first, second = conflicts(parse(text), version, pins)
    assert first == (
        "requirements.txt, line 1: apache-airflow==3.3.1: MWAA 3.0.6 lets no one change it from "
        "3.0.6; write apache-airflow==3.0.6, or leave the version out"
    )
    assert second.startswith(
        "requirements.txt, line 2: Boto3>=1.50: MWAA 3.0.6 constrains it to 1.39.11; write Boto3=="
    )
