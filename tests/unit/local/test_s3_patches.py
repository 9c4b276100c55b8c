from __future__ import annotations

import pytest
from moto.s3.utils import _VersionedKeyStore

from airflow_ml_provider.local import s3_patches


class Version:
    def dispose(self):
        pass


@pytest.fixture
def store():
    s3_patches.install()
    made = _VersionedKeyStore()
    for name in "abc":
        made[name] = Version()
    return made


@pytest.mark.parametrize("listed", ["items", "iteritems", "values", "itervalues", "lists"])
def test_what_is_deleted_while_it_is_listed(store, listed):
    listing = getattr(store, listed)()
    next(listing)
    store.pop("b")
    store.pop("c")
    assert len(list(listing)) <= 2
    assert len(list(getattr(store, listed)())) == 1


def test_the_newest_version_is_listed(store):
    newest = store["a"] = Version()
    assert dict(store.items())["a"] is newest
    assert newest in list(store.values())
    assert len(dict(store.lists())["a"]) == 2


def test_a_name_without_versions_is_not_there(store):
    store.setlist("b", [])
    assert [name for name, _ in store.items()] == ["a", "c"]
