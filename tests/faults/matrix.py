"""The rows and columns of the matrix, and how it is shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cells import Cell
from fault import Fault, Role, What
from kinds import KINDS
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy import Proxy

# One more than the client's own attempts, so that it gives up at least once.
TIMES = 3
SECONDS = 3.0
# A busy machine is slow to ask for the first time.
WAITED_SECONDS = 8.0
# All of them are to be deferred at once.
DEFERRED_SECONDS = 20.0
REFUSED_SECONDS = 6.0
TRIGGERER_ROW = "the triggerer killed while deferred"
BUILD = Path(__file__).parents[2] / "build" / "faults.json"
_KILLS = {
    "killed before the call": Fault(What.KILL_BEFORE, Role.SUBMIT),
    "killed after the call, before its answer": Fault(What.KILL_AFTER, Role.SUBMIT),
    "killed while waiting": Fault(What.KILL_AFTER, Role.WAIT),
    "killed after the end, before the result": Fault(What.KILL_DELIVERED, Role.COLLECT),
    "killed while it reads the report": Fault(
        What.KILL_BEFORE, Role.COLLECT, operation="GetObject"
    ),
    "the machine lost after the call": Fault(What.KILL_AFTER, Role.SUBMIT, with_parent=True),
}
_TROUBLES = (
    *(What.PAUSE, What.REFUSE, What.THROTTLE, What.ERROR, What.RESET, What.LOST, What.EXPIRED),
)
ROWS: dict[str, Fault | None] = {
    **_KILLS,
    TRIGGERER_ROW: None,
    **{
        f"{what.value} at {role.value}": Fault(
            what, role, times=1 if what is What.REFUSE else TIMES, seconds=REFUSED_SECONDS
        )
        for what in _TROUBLES
        for role in (Role.SUBMIT, Role.WAIT, Role.COLLECT)
    },
}


@dataclass(frozen=True)
class Column:
    """A kind of job and who runs it."""

    kind: str
    stock: bool
    deferrable: bool

    @property
    def title(self) -> str:
        """Its head in the table."""
        who = "stock" if self.stock else "ours"
        kind = self.kind.replace("_", "\n") if "_" in self.kind else f"\n{self.kind}"
        return f"{kind}\n{who}\n{'deferrable' if self.deferrable else 'sync'}"

    def has(self, row: str) -> bool:
        """Whether the row can strike here.

        A deferred task has no process that waits. Stock operators read no report, and two of them
        ask nothing any more once they have been resumed.
        """
        if row == TRIGGERER_ROW:
            return self.deferrable
        if row == "killed while waiting":
            return not self.deferrable
        if row == "killed while it reads the report":
            return not self.stock
        if row == "killed after the end, before the result":
            return not (self.stock and self.deferrable)
        return True


COLUMNS = tuple(
    Column(kind, stock, deferrable)
    for kind in KINDS
    for stock in (False, True)
    for deferrable in (False, True)
)


@dataclass(frozen=True)
class Result:
    """What became of a cell."""

    row: str
    column: Column
    cell: Cell
    jobs: Sequence[str]
    outcome: str
    tries: int

    @property
    def struck(self) -> int:
        """How often the fault really struck."""
        return self.cell.port.strikes if self.cell.port else 0

    @property
    def good(self) -> bool:
        """Exactly one job, and success."""
        return len(self.jobs) == 1 and self.outcome == "success"

    def json(self) -> dict[str, Any]:
        """Give it for ``build/faults.json``."""
        column = self.column
        return {
            "row": self.row,
            "kind": column.kind,
            "operator": "stock" if column.stock else "ours",
            "deferrable": column.deferrable,
            "jobs": len(self.jobs),
            "job_states": list(self.jobs),
            "outcome": self.outcome,
            "tries": self.tries,
            "struck": dict(self.cell.port.struck) if self.cell.port else {},
            "cell": self.cell.name,
        }


def make_cells(proxy: Proxy, wanted: str = "") -> dict[tuple[str, Column], Cell]:
    """Give the cells by row and column, each with its own port.

    All words of ``wanted`` must be in the names of its row and column.
    """
    places = [
        (row, column)
        for row in ROWS
        for column in COLUMNS
        if column.has(row) and all(word in f"{row}\n{column.title}" for word in wanted.split())
    ]
    cells = {}
    for number, (row, column) in enumerate(places):
        parts = [column.kind.replace("_", "-"), "stock" if column.stock else "ours"]
        name = "-".join([f"c{number:03}", *parts, "deferred" if column.deferrable else "sync"])
        fault = ROWS[row]
        port = proxy.open(KINDS[column.kind].calls, fault)
        waited = fault is not None and fault.role is Role.WAIT
        seconds = WAITED_SECONDS if waited else SECONDS
        if row == TRIGGERER_ROW:
            seconds = DEFERRED_SECONDS
        cells[row, column] = Cell(
            name, column.kind, column.stock, column.deferrable, port.url, port, seconds
        )
    return cells


def show(results: Sequence[Result]) -> None:
    """Print the matrix, and what it comes to."""
    by_place = {(result.row, result.column): result for result in results}
    columns = [column for column in COLUMNS if any(place[1] == column for place in by_place)]
    table = Table(title="Jobs ever made for one run (1 is right), its outcome, tries (t)")
    for title in ("fault", *(column.title for column in columns)):
        table.add_column(title, no_wrap=True)
    for row in ROWS:
        texts = [_text(by_place.get((row, column))) for column in columns]
        if any(texts):
            table.add_row(row, *texts)
    console = Console(width=60 + 16 * len(columns))
    console.print(table)
    for who, stock in (("ours", False), ("stock", True)):
        told = [result for result in results if result.column.stock == stock]
        good = sum(result.good for result in told)
        jobs = sum(len(result.jobs) for result in told)
        console.print(f"{who}: {good} of {len(told)} runs are one job and success; {jobs} jobs")


def write(section: str, told: Any, path: Path = BUILD) -> None:
    """Put a section into ``build/faults.json``."""
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    packages = ("apache-airflow", "apache-airflow-providers-amazon", "boto3", "moto")
    known["versions"] = {package: version(package) for package in packages}
    known[section] = told
    path.write_text(json.dumps(known, indent=1))


def _text(result: Result | None) -> str:
    if result is None:
        return ""
    mark = "ok" if result.outcome == "success" else result.outcome
    colour = "green" if result.good else "red"
    tries = f" {result.tries}t" if result.tries > 1 else ""
    unstruck = "" if result.struck else " unstruck!"
    return f"[{colour}]{len(result.jobs)} {mark}{tries}{unstruck}[/]"
