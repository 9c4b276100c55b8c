from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FLIGHT_DELAYS = Path(__file__).parents[3] / "dags" / "flight_delays"


@pytest.fixture(scope="session")
def flight_delays():
    return FLIGHT_DELAYS


@pytest.fixture(scope="session")
def load_script():
    """Import a file of the example by its path, as its folder is no package."""

    def load(path):
        file = FLIGHT_DELAYS / path
        spec = importlib.util.spec_from_file_location(f"flight_delays_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
