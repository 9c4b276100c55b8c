from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, field, fields, is_dataclass, replace
from typing import Any

import pytest

from airflow_ml_provider.pipeline.frozen import dataclass


@dataclass(frozen=True, kw_only=True)
class Options:
    retries: int = 2


@dataclass(frozen=True)
class Named(Options):
    name: str
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    size: int

    def __post_init__(self):
        if self.size < 0:
            raise ValueError("size")


def test_it_is_a_dataclass():
    assert is_dataclass(Named)
    assert [item.name for item in fields(Named)] == ["retries", "name", "tags"]
    assert replace(Named("a", {"k": 1}), retries=3) == Named("a", {"k": 1}, retries=3)
    assert copy.deepcopy(Named("a", {"k": [1]})) == Named("a", {"k": [1]})


def test_defaults_are_made_anew():
    assert vars(Named("a")) == {"retries": 2, "name": "a", "tags": {}}
    assert Named("a").tags is not Named("a").tags


def test_equality_hash_and_repr_are_by_fields():
    assert Checked(1) == Checked(size=1) != Checked(2)
    assert hash(Checked(1)) == hash(Checked(1))
    assert Checked(1) != 1
    assert repr(Named("a")) == "Named(retries=2, name='a', tags={})"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Named("a"))


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "Named: missing a required argument: 'name'"),
        (("a", {}, 3), {}, "Named: too many positional arguments"),
        (("a",), {"name": "b"}, "Named: multiple values for argument 'name'"),
        (("a",), {"tag": {}}, "Named: got an unexpected keyword argument 'tag'"),
        ((), {"nam": "a"}, "Named: missing a required argument: 'name'"),
    ],
)
def test_wrong_arguments_are_named(args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        Named(*args, **kwargs)


def test_post_init_may_refuse():
    with pytest.raises(ValueError, match="size"):
        Checked(-1)


def test_nothing_can_be_changed():
    value = Checked(1)
    with pytest.raises(FrozenInstanceError, match="Checked is frozen: 'size'"):
        value.size = 2
    with pytest.raises(FrozenInstanceError):
        value.other = 2
    with pytest.raises(FrozenInstanceError):
        del value.size


def test_only_frozen_ones_are_made():
    with pytest.raises(TypeError, match="only frozen"):
        dataclass(frozen=False)
