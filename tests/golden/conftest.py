from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption(
        "--write-golden", action="store_true", help="keep what is compiled now as expected"
    )
