from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airflow_ml_provider.mwaa import resolution
from airflow_ml_provider.mwaa.requirements import RequirementsError
from airflow_ml_provider.mwaa.resolution import resolve
from airflow_ml_provider.mwaa.versions import VERSIONS

VERSION = VERSIONS["3.3.1"]


def test_what_is_added_to_the_image(make_wheel):
    house = make_wheel("own", needs=["boto3>=1.39", "apache-airflow", "deep>=1"]).parent
    make_wheel("deep", "1.5")
    make_wheel("unneeded")
    found = resolve("own\n", VERSION, wheels=house, index=False)
    assert found.added == {"own": "1.0", "deep": "1.5"}
    assert found.packages == {**found.added, "boto3": "1.43.56", "apache-airflow": "3.3.1"}
    assert found.addresses["own"] == (house / "own-1.0-py3-none-any.whl").as_uri()
    assert found.replaced == {}


def test_markers_are_those_of_mwaa(make_wheel):
    needs = ["new ; python_version >= '3.12'", "old ; python_version < '3.12'"]
    house = make_wheel("own", needs=[*needs, "win ; sys_platform == 'win32'"]).parent
    make_wheel("new")
    for version in VERSIONS.values():
        found = resolve("own\n", version, wheels=house, index=False)
        assert found.added == {"own": "1.0", "new": "1.0"}


def test_a_conflict_is_told_before_anything_is_resolved(monkeypatch):
    monkeypatch.setattr(resolution, "uv_command", lambda: pytest.fail("it was resolved"))
    with pytest.raises(RequirementsError) as caught:
        resolve("apache-airflow-providers-amazon==9.40.0\nready>2\n", VERSION)
    first, second = caught.value.problems
    assert "apache-airflow-providers-amazon==9.40.0: MWAA 3.3.1 constrains it to 9.34.0" in first
    assert "ready>2: MWAA 3.3.1 constrains it to 1.5" in second


def test_a_conflict_further_down(make_wheel):
    house = make_wheel("own", needs=["boto3>=1.50"]).parent
    with pytest.raises(RequirementsError) as caught:
        resolve("own\n", VERSION, wheels=house, index=False)
    said = str(caught.value)
    assert said.startswith("requirements.txt can't be installed on MWAA 3.3.1:\n")
    assert "boto3" in said
    assert "Leave out the versions that disagree" in said


def test_a_provider_that_needs_a_newer_airflow(make_wheel):
    house = make_wheel("apache-airflow-providers-new", "2.0", needs=["apache-airflow>=3.2"]).parent
    text = "apache-airflow-providers-new==2.0\n"
    added = resolve(text, VERSION, wheels=house, index=False).added
    assert added == {"apache-airflow-providers-new": "2.0"}
    # No constraint is of use against the image's own Airflow.
    for older in (text, f"# no --constraint of MWAA\n{text}"):
        with pytest.raises(RequirementsError, match=r"apache-airflow>=3\.2"):
            resolve(older, VERSIONS["3.0.6"], wheels=house, index=False)


def test_without_constraints_the_image_can_be_replaced(make_wheel):
    house = make_wheel("own", needs=["boto3"]).parent
    text = "# no --constraint of MWAA\nown\n"
    assert resolve(text, VERSION, wheels=house, index=False).added == {"own": "1.0"}
    make_wheel("boto3", "1.99")
    found = resolve(text, VERSION, wheels=house, index=False)
    assert found.replaced == {"boto3": ("1.43.56", "1.99")}


def test_extras_of_what_the_image_has(make_wheel):
    house = make_wheel("own", needs=["boto3[crt]"]).parent
    with pytest.raises(RequirementsError, match="boto3: nothing says what its extras need"):
        resolve("own\n", VERSION, wheels=house, index=False)
    # Given another source than the stubs, it is looked up there.
    real = make_wheel("boto3", "1.43.56", folder="links", extras={"crt": ["awscrt"]}).parent
    make_wheel("awscrt", folder="links")
    found = resolve(f"--find-links {real.as_uri()}\nown\n", VERSION, wheels=house)
    assert found.added == {"own": "1.0", "awscrt": "1.0"}


def test_an_extra_that_is_not_there(make_wheel):
    house = make_wheel("own", extras={"more": ["deep"]}, needs=["other[gone]"]).parent
    make_wheel("other")
    with pytest.raises(
        RequirementsError, match=r"line 1: own\[moor\]: there is no extra 'moor'; c"
    ):
        resolve("own[moor]\n", VERSION, wheels=house, index=False)
    # What others say of each other is not in the user's hands.
    found = resolve("own\nother\n", VERSION, wheels=house, index=False)
    assert found.added == {"own": "1.0", "other": "1.0"}


def test_a_package_with_a_wheel_comes_from_nowhere_else(make_wheel):
    house = make_wheel("own", "1.0").parent
    elsewhere = make_wheel("own", "9.0", folder="elsewhere").parent
    found = resolve(f"--find-links {elsewhere.as_uri()}\nown\n", VERSION, wheels=house)
    assert found.added == {"own": "1.0"}


def test_the_constraints_of_the_wrong_version():
    url = VERSIONS["3.0.6"].constraints_url
    with pytest.raises(RequirementsError) as caught:
        resolve(f"--constraint {url}\na\n-c /etc/c.txt\n", VERSION)
    other, place = caught.value.problems
    assert other.startswith(f"--constraint {url}: these are of Airflow 3.0.6 and Python 3.12")
    assert other.endswith(f"write --constraint {VERSION.constraints_url}")
    assert "it must be an https address, or a file below /usr/local/airflow/dags" in place


def test_constraints_beside_the_dags_and_the_plugins(make_wheel, dags):
    house = make_wheel("own").parent
    (dags / "c.txt").write_text("own==2\n")
    (house / "c.txt").write_text("own==3\n")
    for place, number in (("dags", 2), ("plugins", 3)):
        with pytest.raises(RequirementsError, match=f"constrains it to {number}"):
            resolve(
                f"-c /usr/local/airflow/{place}/c.txt\nown==1\n", VERSION, wheels=house, dags=dags
            )


def test_constraints_that_can_not_be_read(monkeypatch, tmp_path):
    monkeypatch.setenv("MWAA_CONSTRAINTS", str(tmp_path / "none"))
    with pytest.raises(
        RequirementsError, match=r"MWAA_CONSTRAINTS .*No such file.*3\.3\.1-constraints"
    ):
        resolve("a\n", VERSION)
    monkeypatch.delenv("MWAA_CONSTRAINTS")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(RequirementsError, match=r"can't be fetched .* in the variable MWAA_CONST"):
        resolve("a\n", VERSION)


def test_no_uv(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequirementsError, match=r"pip install 'airflow-ml-provider\[mwaa\]'"):
        resolve("a\n", VERSION)
    Path(tmp_path / "uv").write_text("#!/bin/sh\necho 'it broke' >&2\nexit 2\n")
    Path(tmp_path / "uv").chmod(0o755)
    with pytest.raises(RequirementsError, match=r"uv could not resolve requirements\.txt:\nit br"):
        resolve("a\n", VERSION)


def test_an_address_that_is_none():
    with pytest.raises(RequirementsError, match="it can't be fetched"):
        resolve('-c "https://exa mple.org/c.txt"\na\n', VERSION)


def test_where_packages_come_from_is_kept(make_wheel):
    elsewhere = make_wheel("own", folder="elsewhere").parent
    found = resolve(f"--find-links {elsewhere.as_uri()}\nown\n", VERSION, index=False)
    assert found.options == (f"--find-links {elsewhere.as_uri()}",)


def test_no_passwords_in_messages():
    text = "--index-url\nown 1 https://me:secret@host/own\n"
    constraints = "-c https://me:secret@host/constraints-3.0.6/constraints-3.12.txt x\n"
    for one in (text, f"{constraints}-c http://me:secret@host\nown @ https://me:secret@host/a.whl"):
        with pytest.raises(RequirementsError) as caught:
            resolve(one, VERSION)
        assert "***@host" in str(caught.value)
        assert "secret" not in str(caught.value)
