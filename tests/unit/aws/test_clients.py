from __future__ import annotations

import pytest

from airflow_ml_provider import __version__
from airflow_ml_provider.aws.clients import UnknownRegionError, client, config
from airflow_ml_provider.aws.reports import metric


def test_a_client_has_bounded_waits_and_our_name(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    glue = client("glue", "eu-west-1", endpoint_url="http://127.0.0.1:9")
    settings = glue.meta.config
    assert (glue.meta.region_name, glue.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:9")
    assert settings.retries["mode"] == "standard"
    assert settings.read_timeout == config().read_timeout == 60
    assert f"airflow-ml-provider/{__version__}" in settings.user_agent_extra


def test_a_missing_region_is_named_with_its_mend(monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UnknownRegionError, match="set the variable AWS_DEFAULT"):
        client("glue")


def test_reports_are_at_hand():
    assert metric({"a": 1}, ("a",)) == 1.0
