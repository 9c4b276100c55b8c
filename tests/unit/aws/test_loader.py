from __future__ import annotations

import gzip

import botocore.session

from airflow_ml_provider.aws.loader import shared_loader


def test_models_are_those_of_botocore_and_read_once():
    loader = shared_loader(None)
    assert shared_loader(None) is loader
    model = loader.load_service_model("sts", "service-2")
    theirs = botocore.session.Session().get_component("data_loader")
    assert model == theirs.load_service_model("sts", "service-2")
    assert loader.load_service_model("sts", "service-2") is model


def test_a_folder_of_ones_own_is_searched_too(tmp_path):
    (tmp_path / "plain.json").write_bytes(b'{"name": "plain"}')
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(b'{"name": "packed"}'))
    loader = shared_loader(str(tmp_path))
    assert [loader.load_data(name) for name in ("plain", "packed")] == [
        {"name": "plain"},
        {"name": "packed"},
    ]
