from __future__ import annotations

import pytest

from airflow_ml_provider.mwaa.versions import (
    PROTECTED_VARIABLES,
    VERSIONS,
    UnknownVersionError,
    mwaa_version,
    pins,
)


def test_the_four_versions():
    assert list(VERSIONS) == ["2.11.2", "3.0.6", "3.2.1", "3.3.1"]
    with pytest.raises(UnknownVersionError, match=r"'3\.1\.0' is not known here; .*3\.0\.6, 3\.2"):
        mwaa_version("3.1.0")


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_what_the_image_holds(version):
    assert version.installed["apache-airflow"] == version.airflow
    assert version.essential["apache-airflow"] == version.airflow
    # MWAA's own pins and its own image agree.
    both = version.essential.keys() & version.installed.keys()
    assert len(both) > 15
    assert {name: version.essential[name] for name in both} == {
        name: version.installed[name] for name in both
    }
    assert version.python_minor == "3.12"
    assert version.constraints_url.endswith(f"/constraints-{version.airflow}/constraints-3.12.txt")


def test_providers():
    has = {name: one.installed for name, one in VERSIONS.items()}
    amazon = [one["apache-airflow-providers-amazon"] for one in has.values()]
    assert amazon == ["9.22.0", "9.12.0", "9.25.0", "9.34.0"]
    assert "apache-airflow-providers-standard" not in has["2.11.2"]
    assert not {"numpy", "pandas", "pyarrow"} & set().union(*has.values())


def test_forced_options():
    for version in VERSIONS.values():
        assert version.forced["core.executor"] == "CeleryExecutor"
        assert version.forced["core.load_examples"] == "False"
        assert all(option.count(".") == 1 for option in version.forced)
    assert "webserver.secret_key" in VERSIONS["2.11.2"].forced
    assert "core.auth_manager" not in VERSIONS["2.11.2"].forced
    assert "triggerer.queues_enabled" not in VERSIONS["3.0.6"].forced
    assert VERSIONS["3.3.1"].forced["triggerer.queues_enabled"] == "False"
    assert {"AIRFLOW_HOME", "PYTHONPATH", "AWS_REGION"} <= PROTECTED_VARIABLES


def test_pins():
    text = "# a==1\nFlask_Login==0.6.3 # why\nb==2 ; python_version < '3'\nc>=1\n\nd==1.0+x\n"
    assert pins(text) == {"flask-login": "0.6.3", "b": "2", "d": "1.0+x"}
