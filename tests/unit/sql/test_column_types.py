from __future__ import annotations

import pytest

from airflow_ml_provider.extract.arrow_types import parse_type, type_name
from airflow_ml_provider.sql.column_types import NAMES, TYPE_NAMES, is_type_name


@pytest.mark.parametrize("name", [*NAMES, "decimal128(38, 38)"])
def test_an_extract_knows_each(name):
    assert is_type_name(name)
    assert type_name(parse_type(name)) == name


def test_messages_name_them_all():
    assert TYPE_NAMES.split(", ")[0] == "bool"
    assert all(name in TYPE_NAMES for name in NAMES)


@pytest.mark.parametrize("name", ["decimal", "decimal128(39, 0)", "decimal128(2, 3)", "list", 5])
def test_no_types(name):
    assert not is_type_name(name)
