"""The README and the guides: their code runs, and what they name is there."""

from __future__ import annotations

import argparse
import ast
import re
import runpy
import shlex
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from airflow_ml_provider.cli import COMMANDS
from airflow_ml_provider.get_provider_info import get_provider_info
from airflow_ml_provider.jobs.registry import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
# A block that imports the package is a whole program; others are pieces of one.
PROGRAM = re.compile(r"^from airflow_ml_provider", re.MULTILINE)
LOCAL_FILE = re.compile(r'"((?:jobs|sql)/[\w/]+\.(?:py|sql))"')
MAKE = re.compile(r"\bmake((?: [A-Z]+=\S+)*) ([a-z][a-z0-9-]*)")
COMMAND = re.compile(r"\bairflow-ml ([a-z]\w*)([^`|\n#]*)")


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    found = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    return tuple(inner for token in found for inner in (token, *(token.children or ())))


def blocks(language: str) -> Iterator[object]:
    for page in PAGES:
        for token in tokens(page):
            if token.type == "fence" and token.info == language and token.map:
                name = f"{page.relative_to(ROOT)}:{token.map[0] + 1}"
                yield pytest.param(token.content, id=name)


def code(page: Path) -> str:
    """All that a page writes as code; a line that ends in a backslash goes on."""
    kinds = {"code_inline", "fence"}
    text = "\n".join(token.content for token in tokens(page) if token.type in kinds)
    return text.replace("\\\n", " ")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = [
        after.content for token, after in pairwise(tokens(page)) if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def options(command: str) -> set[str]:
    """Of a command and its subcommands, whose modules' names begin with its own."""
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    found: set[str] = set()
    for file in (ROOT / "airflow_ml_provider" / "cli").glob(f"{command}*.py"):
        add = getattr(import_module(f"airflow_ml_provider.cli.{file.stem}"), "add_arguments", None)
        if add:
            add(parser)
        found.update(name for action in parser._actions for name in action.option_strings)
    return found


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN", "arn:aws:iam::123456789012:role/ml"
    )
    monkeypatch.setenv("AIRFLOW__AIRFLOW_ML_PROVIDER__ROOT", "s3://my-bucket/ml")
    # The server tells moto its port by the environment; this undoes it.
    monkeypatch.setenv("MOTO_PORT", "0")
    return tmp_path


@pytest.mark.parametrize("text", [*blocks("python")])
def test_python_code_runs(text, workplace):
    program = workplace / "program.py"
    program.write_text(text)
    ast.parse(text)
    if PROGRAM.search(text):
        for name in LOCAL_FILE.findall(text):
            (workplace / name).parent.mkdir(exist_ok=True)
            (workplace / name).write_text("select 1")
        runpy.run_path(str(program))


def test_programs_are_found():
    programs = [block for block in blocks("python") if PROGRAM.search(block.values[0])]
    assert {block.id.split(":")[0] for block in programs} >= {
        "README.md",
        *(f"docs/{name}.md" for name in ("airflow", "extract", "jobs", "local", "pipeline")),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = [
        str(token.attrs.get("href") or token.attrs.get("src"))
        for token in tokens(page)
        if token.type in {"link_open", "image"}
    ]
    missing = []
    for target in targets:
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        linked = page.parent / path if path else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_are_there(page):
    assert {name for _, name in MAKE.findall(code(page))} <= make_targets()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_are_there(page):
    for command, rest in COMMAND.findall(code(page)):
        assert command in COMMANDS
        words = shlex.split(rest.replace("<", "").replace(">", ""))
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options(command), f"airflow-ml {command}"


def test_every_guide_is_linked_from_the_readme():
    linked = {str(token.attrs.get("href")) for token in tokens(PAGES[0])}
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= linked


def test_the_readme_names_every_operator_sensor_command_and_kind():
    info = get_provider_info()
    groups = [*info["operators"], *info["sensors"]]
    modules = [import_module(name) for group in groups for name in group["python-modules"]]
    classes = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and name.endswith(("Operator", "Sensor"))
    }
    text = PAGES[0].read_text()
    wanted = {*classes, *KINDS, *(f"airflow-ml {name}" for name in COMMANDS)}
    assert sorted(name for name in wanted if name not in text) == []
