"""What docker-compose.yaml promises, read from the file. Needs no Docker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docker-compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
ENV_FILES = sorted((REPOSITORY / "docker").glob("*.env"))
ONE_SHOT = {"init", "warehouse"}
DEFAULT = re.compile(r"\$\{\w+:?-([^}]*)\}")
UNITS = {"m": 2**20, "g": 2**30}


def filled(text):
    """Put the variables' defaults in."""
    return DEFAULT.sub(r"\1", text)


def test_every_service_that_stays_has_a_health_check():
    assert {name for name, one in SERVICES.items() if "healthcheck" not in one} == ONE_SHOT


def test_all_ports_are_on_loopback():
    ports = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert {name: [filled(port) for port in given] for name, given in ports.items()} == {
        "api-server": ["127.0.0.1:8080:8080"],
        "aws": ["127.0.0.1:4566:4566"],
    }


def test_the_limits_of_what_starts_by_itself_are_below_4_gb():
    staying = [one for one in SERVICES.values() if "profiles" not in one and one["restart"] != "no"]
    limits = [filled(one["mem_limit"]) for one in staying]
    assert len(limits) == 6
    assert sum(int(limit[:-1]) * UNITS[limit[-1]] for limit in limits) < 4e9


def test_each_image_is_built_by_one_service_before_its_users():
    """Compose v2 builds at the same time, and then no two may give one name; 1.29 goes by order."""
    builders = {one["image"]: name for name, one in SERVICES.items() if "build" in one}
    assert len(builders) == sum("build" in one for one in SERVICES.values()) == 2
    for name, one in SERVICES.items():
        builder = builders.get(one["image"], name)
        assert builder == name or builder in one["depends_on"]


def test_nothing_is_privileged():
    assert not re.search(r"privileged|cap_add|network_mode|pid:|docker\.sock", TEXT)


def test_sources_and_profiles_are_mounted_read_only():
    volumes = SERVICES["scheduler"]["volumes"]
    mounts = [mount for mount in volumes if isinstance(mount, str)]
    assert {mount for mount in mounts if not mount.endswith(":ro")} == {"logs:/opt/airflow/logs"}
    assert all(mount["read_only"] for mount in volumes if mount not in mounts)
    assert "./dags:/opt/airflow-ml/dags:ro" in mounts
    assert "./airflow_ml_provider:/opt/airflow-ml/airflow_ml_provider:ro" in mounts


@pytest.mark.parametrize("file", ENV_FILES, ids=lambda file: file.name)
def test_an_env_file_sets_only_what_the_stack_reads(file):
    names = re.findall(r"^(\w+)=", file.read_text(), re.MULTILINE)
    assert names
    read = {*re.findall(r"\$\{(\w+)", TEXT), "COMPOSE_PROFILES"}
    assert set(names) <= read
