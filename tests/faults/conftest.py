"""The options of the fault tests."""

from __future__ import annotations


def pytest_addoption(parser):
    group = parser.getgroup("faults")
    group.addoption("--cells", default="", help="words that a cell's row and column must have")
    group.addoption("--kills", type=int, default=200, help="how many random kills")
    group.addoption("--seed", type=int, help="of the random kills")
