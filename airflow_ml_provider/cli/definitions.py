"""The pipelines of a file, read without Airflow."""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.pipeline import Account, Pipeline, PipelineError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

_FACTORY = "airflow_ml_provider.factories.pipeline_dag"
_CONFIGURED = "AIRFLOW__AIRFLOW_ML_PROVIDER__"


class DefinitionError(Exception):
    """The file gives no pipelines; the message says why."""


@dataclass(frozen=True)
class Definition:
    """A pipeline of a file, and what its DAG says besides: its schedule, its own account."""

    pipeline: Pipeline
    schedule: Any = None
    account: Account | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file, and the options that stand for Airflow's configuration."""
    from pathlib import Path  # noqa: PLC0415 - argparse is given the class

    parser.add_argument("file", type=Path, help="Python file that defines pipelines: a DAG file")
    parser.add_argument("--pipeline", action="append", help="only this one (repeatable)")
    parser.add_argument("--role-arn", help="role of the jobs that name none")
    parser.add_argument("--root", help="S3 prefix of the pipelines that name none")
    parser.add_argument(
        "--worker-image-uri", help="image of the processing jobs that do what the target can't"
    )


def account_of(args: argparse.Namespace) -> Account:
    """Give the account: the options, then the variables that Airflow's configuration reads."""

    def given(name: str) -> str | None:
        found = getattr(args, name, None) or os.environ.get(f"{_CONFIGURED}{name.upper()}")
        return found or None

    return Account(
        role_arn=given("role_arn"),
        root=given("root"),
        worker_image_uri=given("worker_image_uri"),
    )


def load(args: argparse.Namespace) -> list[Definition]:
    """Read the file's definitions in their order, each with its account filled in.

    :raises DefinitionError: it can't be imported, or has no such pipeline.
    :raises PipelineError: a definition of it is wrong.
    """
    found = definitions(args.file)
    if not found:
        raise DefinitionError(f"{args.file}: it defines no Pipeline at its top level")
    names = [one.pipeline.name for one in found]
    if unknown := sorted(set(args.pipeline or ()) - set(names)):
        there = ", ".join(names)
        raise DefinitionError(f"{args.file}: no pipeline {', '.join(unknown)}; it has {there}")
    defaults = account_of(args)
    return [
        replace(one, account=_filled(one.account, defaults))
        for one in found
        if not args.pipeline or one.pipeline.name in args.pipeline
    ]


def definitions(file: Path) -> list[Definition]:
    """Read a file's pipelines: those it makes DAGs of, and others at its top level.

    Airflow itself is not imported, unless the file does.

    :raises DefinitionError: it can't be imported.
    :raises PipelineError: a definition of it is wrong.
    """
    recorded: list[Definition] = []

    def pipeline_dag(pipeline: Pipeline, **options: Any) -> Definition:
        one = Definition(pipeline, options.get("schedule"), options.get("account"))
        recorded.append(one)
        return one

    try:
        with _in_its_folder(file, pipeline_dag), _airflow_home():
            values = runpy.run_path(str(file)).values()
    except (DefinitionError, PipelineError):
        raise
    except OSError as error:
        raise DefinitionError(f"{file}: {error}") from error
    except Exception as error:  # the file is the user's own code
        told = traceback.format_exc(limit=-1)
        raise DefinitionError(f"{file}: it can't be imported\n{told}") from error
    known = {id(one.pipeline) for one in recorded}
    others = {id(one): one for one in values if isinstance(one, Pipeline) and id(one) not in known}
    return [*recorded, *map(Definition, others.values())]


class _Recorder(ModuleType):
    pipeline_dag: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise DefinitionError(f"factories.{name} needs Airflow: it can't be compiled")

        return refuse


@contextmanager
def _airflow_home() -> Iterator[None]:
    # Where a file imports Airflow all the same, it shall leave no home behind.
    if "AIRFLOW_HOME" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        try:
            yield
        finally:
            del os.environ["AIRFLOW_HOME"]


@contextmanager
def _in_its_folder(file: Path, pipeline_dag: Any) -> Iterator[None]:
    # The factories stand on this one module; the rest of them needs no Airflow.
    stand_in = _Recorder(_FACTORY)
    stand_in.pipeline_dag = pipeline_dag
    package = _FACTORY.rpartition(".")[0]
    before = {name: one for name, one in sys.modules.items() if name.startswith(package)}
    path = list(sys.path)
    for name in before:
        del sys.modules[name]
    sys.modules[_FACTORY] = stand_in
    # As Airflow does with its DAGs folder.
    sys.path.insert(0, str(file.absolute().parent))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.startswith(package)]:
            del sys.modules[name]
        sys.modules.update(before)


def _filled(own: Account | None, defaults: Account) -> Account:
    if own is None:
        return defaults
    empty = Account()
    names = [field.name for field in fields(Account)]
    missing = {
        name: getattr(defaults, name)
        for name in names
        if getattr(own, name) == getattr(empty, name)
    }
    return replace(own, **missing)
