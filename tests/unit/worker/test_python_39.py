"""What runs in a Glue Python shell job runs on Python 3.9, which is all that Glue has."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import vermin

from airflow_ml_provider.plan.worker_step import start_file, worker_wheel


def python_39():
    """Find a Python 3.9 on this machine; any Python at least shows that nothing is missing."""
    versions = Path.home().glob(".pyenv/versions/3.9.*/bin/python")
    named = [os.environ.get("AIRFLOW_ML_PYTHON_39"), shutil.which("python3.9"), *versions]
    for python in filter(None, named):
        command = [python, "-c", "import sys; print(sys.version_info[:2])"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.stdout == "(3, 9)\n":
            return str(python)
    return sys.executable


# Imports every module; third-party ones that this Python lacks are put on.
IMPORT_ALL = """
import importlib, importlib.util, sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

class Anything:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyarrow", "boto3", "botocore", "adbc_driver_manager"):
            return ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__ = [], spec
        # What is raised or derived from has to be a class.
        for word in ("ArrowException", "ArrowInvalid", "BotoCoreError", "ClientError", "Error"):
            setattr(module, word, type(word, (Exception,), {}))
        return module
    def exec_module(self, module):
        pass

sys.meta_path.append(Anything())
for name in sys.argv[1:]:
    importlib.import_module(name)
print(len(sys.argv) - 1, "modules")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Unpack the wheel and write the script beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    for path, body in worker_wheel()[1].items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    ((name, text),) = start_file("glue_shell").texts
    (folder / name).write_text(text)
    return folder


def modules(folder):
    return [*folder.rglob("*.py")]


def newer(text):
    """Say what needs more than Python 3.9; vermin does not see ``isinstance(x, A | B)``."""
    least = vermin.visit(text, vermin.Config()).minimum_versions()[1]
    unions = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in {"isinstance", "issubclass"}
        and any(isinstance(one, ast.BitOr) for one in ast.walk(node.args[1]))
    ]
    return [*unions, *([f"Python {least}"] if least and least > (3, 9) else [])]


def test_it_needs_nothing_newer(folder):
    files = modules(folder)
    assert len(files) > 50
    needs = {file.relative_to(folder).as_posix(): newer(file.read_text()) for file in files}
    assert {name: found for name, found in needs.items() if found} == {}


@pytest.mark.parametrize(
    "text",
    [
        "isinstance(1, int | str)",
        "isinstance(1, (int | str, bytes))",
        "list(zip([], [], strict=True))",
        "match 1:\n    case 1:\n        pass",
        "from types import NoneType",
        "from itertools import pairwise",
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    x: int",
    ],
)
def test_what_is_newer_is_seen(text):
    assert newer(text)


def test_it_is_imported_by_a_bare_python(folder):
    names = [
        ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        for file in modules(folder)
    ]
    done = subprocess.run(
        [python_39(), "-S", "-c", IMPORT_ALL, *sorted(names)],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(names)} modules\n"
