from __future__ import annotations

import sqlite3
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import boto3
import pyarrow as pa
import pytest
from moto import mock_aws

from airflow_ml_provider.extract.memory import BATCH_BYTES
from airflow_ml_provider.extract.selection import Selection
from airflow_ml_provider.extract.source import Rows
from airflow_ml_provider.local import s3_patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3_patches.install()
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


@pytest.fixture
def listing(s3: Any) -> Callable[[], list[str]]:
    def keys() -> list[str]:
        return [item["Key"] for item in s3.list_objects_v2(Bucket="bucket").get("Contents", [])]

    return keys


@dataclass
class ArrowSource:
    """Batches that are there already; an exception among them is raised in its place.

    Each list of ``more`` is one more stream.
    """

    items: list[Any]
    schema: pa.Schema = field(default_factory=lambda: pa.schema([("a", pa.int64())]))
    more: list[list[Any]] = field(default_factory=list)
    partition_by: str | None = None

    @property
    def selection(self) -> Selection:
        return Selection("warehouse", table="flights", partition_by=self.partition_by)

    @contextmanager
    def open(self, batch_bytes: int = BATCH_BYTES) -> Iterator[Rows]:
        streams = [partial(self._stream, items) for items in (self.items, *self.more)]
        yield Rows(self.schema, tuple(streams))

    @contextmanager
    def _stream(self, items: list[Any]) -> Iterator[Iterator[pa.RecordBatch]]:
        yield self._batches(items)

    def _batches(self, items: list[Any]) -> Iterator[pa.RecordBatch]:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item


@pytest.fixture
def arrow_source() -> type[ArrowSource]:
    return ArrowSource


@pytest.fixture
def sqlite(tmp_path: Any) -> Callable[[str], Callable[[], sqlite3.Connection]]:
    """Give what connects to a database that the script made."""

    def make(script: str) -> Callable[[], sqlite3.Connection]:
        path = tmp_path / "warehouse.db"
        connection = sqlite3.connect(path)
        connection.executescript(script)
        connection.close()
        return lambda: sqlite3.connect(path)

    return make


@pytest.fixture
def fake_module(monkeypatch):
    """Give what makes a DB-API module of a name, with PEP 249's tree of errors."""

    def make(name, paramstyle="pyformat"):
        module = ModuleType(name)
        module.paramstyle = paramstyle
        module.connect = Mock()
        tree = {
            "Error": Exception,
            "InterfaceError": "Error",
            "DatabaseError": "Error",
            "DataError": "DatabaseError",
            "OperationalError": "DatabaseError",
            "IntegrityError": "DatabaseError",
            "InternalError": "DatabaseError",
            "ProgrammingError": "DatabaseError",
            "NotSupportedError": "DatabaseError",
        }
        for error, parent in tree.items():
            base = parent if isinstance(parent, type) else getattr(module, parent)
            setattr(module, error, type(error, (base,), {"__module__": f"{name}.errors"}))
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make
