"""The pipelines of a file, read without Airflow."""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
import traceback
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_ml_provider.pipeline import Account, Pipeline, PipelineError
from airflow_ml_provider.pipeline.account import configured

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_PACKAGE = "airflow_ml_provider"
_FACTORY = f"{_PACKAGE}.factories.pipeline_dag"
_CONFIGURED = "AIRFLOW__AIRFLOW_ML_PROVIDER__"
_DAGS_FOLDER = "AIRFLOW__CORE__DAGS_FOLDER"


class DefinitionError(Exception):
    """The file gives no pipelines, or wrong ones; the message says which and why."""


@dataclass(frozen=True)
class Definition:
    """A pipeline of a file, and what its DAG says besides: its schedule, its own account."""

    pipeline: Pipeline
    schedule: Any = None
    account: Account | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file, and the options that stand for Airflow's configuration."""
    parser.add_argument("file", type=Path, help="Python file that defines pipelines: a DAG file")
    parser.add_argument("--pipeline", action="append", help="only this one (repeatable)")
    parser.add_argument("--role-arn", help="role of the jobs that name none")
    parser.add_argument("--root", help="S3 prefix of the pipelines that name none")
    parser.add_argument(
        "--worker-image-uri", help="image of the processing jobs that do what the target can't"
    )


def account_of(args: argparse.Namespace) -> Account:
    """Give the account: the options, then the variables that Airflow's configuration reads.

    :raises DefinitionError: a variable is not what Airflow's configuration takes.
    """

    def option(name: str) -> str:
        return getattr(args, name, None) or os.environ.get(f"{_CONFIGURED}{name.upper()}") or ""

    try:
        return configured(option)
    except ValueError as error:
        raise DefinitionError(f"{_CONFIGURED}...: {error}") from error


def load(args: argparse.Namespace) -> list[Definition]:
    """Read the file's definitions in their order, each with its account filled in.

    :raises DefinitionError: it can't be imported, has no such pipeline, or a wrong one.
    """
    try:
        found = definitions(args.file)
    except PipelineError as error:
        raise DefinitionError(f"{args.file}: {error}") from error
    if not found:
        raise DefinitionError(f"{args.file}: it defines no Pipeline at its top level")
    names = [one.pipeline.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        said = ", ".join(twice)
        raise DefinitionError(f"{args.file}: several pipelines are called {said}; rename them")
    if unknown := sorted(set(args.pipeline or ()) - set(names)):
        there = ", ".join(names)
        raise DefinitionError(f"{args.file}: no pipeline {', '.join(unknown)}; it has {there}")
    defaults = account_of(args)
    return [
        replace(one, account=filled(one.account, defaults))
        for one in found
        if not args.pipeline or one.pipeline.name in args.pipeline
    ]


def definitions(file: Path) -> list[Definition]:
    """Read the pipelines that a file makes DAGs of, or those at its top level if it makes none.

    Airflow itself is not imported, unless the file does. What the file prints goes to standard
    error.

    :raises DefinitionError: it can't be imported.
    :raises PipelineError: a definition of it is wrong.
    """
    if not file.is_file():
        raise DefinitionError(f"{file}: there is no such file")
    recorded: list[Definition] = []

    def pipeline_dag(pipeline: Pipeline, **options: Any) -> _Dag:
        recorded.append(Definition(pipeline, options.get("schedule"), options.get("account")))
        return _Dag(dag_id=pipeline.name)

    try:
        with _stand_in(pipeline_dag), _imports(file), _airflow_home(), redirect_stdout(sys.stderr):
            values = runpy.run_path(str(file.absolute())).values()
    except PipelineError:
        raise
    except DefinitionError as error:
        raise DefinitionError(f"{file}: {error}") from error
    except (Exception, SystemExit) as error:  # the file is the user's own code
        raise DefinitionError(f"{file}: it can't be imported\n{_told(error, file)}") from error
    tops = {id(one): one for one in values if isinstance(one, Pipeline)}
    return recorded or [Definition(one) for one in tops.values()]


def filled(own: Account | None, defaults: Account) -> Account:
    """Give an account whose empty fields are those of ``defaults``."""
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


class _Dag(SimpleNamespace):
    """Takes what a file may set of its DAG, such as ``doc_md``; it has no tasks."""

    def __enter__(self) -> NoReturn:
        raise DefinitionError(
            f"{self.dag_id} has tasks beside the pipeline's steps: make them steps, such as "
            "AwsCall or LambdaCall, or put them into a DAG of their own"
        )

    def __exit__(self, *_: object) -> None:
        """Make it a context manager; it is never entered."""


class _Recorder(ModuleType):
    pipeline_dag: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise DefinitionError(f"factories.{name} needs Airflow: it can't be compiled")

        return refuse


@contextmanager
def _stand_in(pipeline_dag: Any) -> Iterator[None]:
    # The factories stand on this one module; the rest of them needs no Airflow.
    stand_in = _Recorder(_FACTORY)
    stand_in.pipeline_dag = pipeline_dag
    package = _FACTORY.rpartition(".")[0]
    before = {name: one for name, one in sys.modules.items() if name.startswith(package)}
    for name in before:
        del sys.modules[name]
    sys.modules[_FACTORY] = stand_in
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith(package)]:
            del sys.modules[name]
        sys.modules.update(before)


@contextmanager
def _imports(file: Path) -> Iterator[None]:
    # A file finds its neighbours, and what Airflow finds from its DAGs folder.
    path, before = list(sys.path), set(sys.modules)
    folder = file.absolute().parent
    sys.path[:0] = [str(folder), *filter(None, [os.environ.get(_DAGS_FOLDER)])]
    try:
        yield
    finally:
        sys.path[:] = path
        # The next file's neighbours may have the same names.
        for name in set(sys.modules) - before:
            if name.partition(".")[0] != _PACKAGE and _lies_in(folder, sys.modules[name]):
                del sys.modules[name]


def _lies_in(folder: Path, module: ModuleType) -> bool:
    place = Path(getattr(module, "__file__", None) or "")
    # A virtual environment may lie there, too; libraries can't always be imported twice.
    return folder in place.parents and "site-packages" not in place.parts


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


def _told(error: BaseException, file: Path) -> str:
    """Say what happened at which line of the user's own files."""
    told = "".join(traceback.format_exception_only(type(error), error)).strip()
    if isinstance(error, ModuleNotFoundError):
        told += f"\n  put the folder that has it on PYTHONPATH, or name it in {_DAGS_FOLDER}"
    folder = file.absolute().parent
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if folder in Path(frame.filename).parents and "site-packages" not in frame.filename
    ]
    if isinstance(error, SyntaxError) or not own:
        return f"  {told}"  # which names the place itself
    return f"  {own[-1].filename}, line {own[-1].lineno}: {told}\n    {own[-1].line}"
