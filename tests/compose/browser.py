"""What a person sees: Airflow's UI in a real browser."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from playwright.sync_api import Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compose_stack import Run

SIZE = {"width": 1600, "height": 900}
SHOW_MS = 60_000
# Playwright would bring its own, but distributions have one.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def page() -> Iterator[Page]:
    """Give an empty page of this machine's Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, "there is no browser; mend: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser.new_page(viewport=SIZE)
        finally:
            browser.close()


def show(run: Run, view: str, folder: Path) -> Path:
    """Take a screenshot of a run's graph or grid when all of its tasks are to be seen.

    Args:
        run: of which DAG.
        view: ``Graph`` or ``Grid``, as the buttons of the page are called.
        folder: where ``<DAG>-<view>.png`` goes.
    """
    tasks = run.states
    picture = folder / f"{run.dag_id}-{view.lower()}.png"
    with page() as tab:
        tab.goto(f"{run.stack.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}")
        tab.get_by_role("button", name=f"Show {view}").click(timeout=SHOW_MS)
        for task in tasks:
            expect(tab.get_by_text(task, exact=True).first).to_be_visible(timeout=SHOW_MS)
        if view == "Graph":
            expect(tab.locator(".react-flow__node")).to_have_count(len(tasks), timeout=SHOW_MS)
        tab.screenshot(path=picture)
    return picture
