"""The engine, the images and the stacks; what failed shows the containers' logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import standins
from compose_stack import REPOSITORY, RUNNING, compose
from docker_engine import engine
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS: list[tuple[str, str]] = []


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Have an engine, and the variables that name the images."""
    with engine(tmp_path_factory.mktemp("engine")):
        yield {
            **standins.images(),
            "MWAA_BASE_IMAGE": standins.images("3.12")["BASE_IMAGE"],
        }


@pytest.fixture(scope="session")
def pictures():
    folder = REPOSITORY / "build/compose"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def saw(request):
    """Add a row to the table that is printed at the end."""
    return lambda text: RESULTS.append((request.node.name, text))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        RESULTS.append((item.name, f"FAILED in {report.when}"))
        for stack in RUNNING:
            report.sections.append((f"containers of {stack.project}", stack.logs()))


def pytest_terminal_summary(terminalreporter):
    if not RESULTS:
        return
    table = Table("check", "seen", title=compose())
    for name, text in RESULTS:
        table.add_row(name.removeprefix("test_").replace("_", " "), text)
    terminalreporter.write_line("")
    Console(width=110).print(table)
