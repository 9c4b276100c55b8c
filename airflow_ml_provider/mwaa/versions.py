"""The versions of Amazon MWAA that this package is made for, and what their images hold.

All of it is read from AWS's own image sources,
https://github.com/aws/amazon-mwaa-docker-images/tree/main/images/airflow
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGES = Path(__file__).parent / "images"
# Where MWAA unpacks plugins.zip.
PLUGINS_FOLDER = "/usr/local/airflow/plugins"

# Set whatever the environment's options or startup.sh say. A value in angle brackets is not fixed.
_ALWAYS = {
    "celery.broker_url": "<the environment's SQS endpoint>",
    "celery.celery_config_options": "mwaa.config.celery.MWAA_CELERY_CONFIG",
    "celery.result_backend": "<the environment's database>",
    "celery.worker_enable_remote_control": "False",
    "core.executor": "CeleryExecutor",
    "core.fernet_key": "<the environment's key>",
    "core.load_examples": "False",
    "database.sql_alchemy_conn": "<the environment's database>",
    "logging.logging_config_class": "mwaa.logging.config.LOGGING_CONFIG",
    "metrics.statsd_host": "localhost",
    "metrics.statsd_port": "8125",
    "metrics.statsd_prefix": "airflow",
    "operators.default_queue": "<the environment's SQS queue>",
    "scheduler.standalone_dag_processor": "True",
}
_BEFORE_3_2 = {"celery_broker_transport_options.visibility_timeout": "43200"}
_SINCE_3_0 = {
    "api.secret_key": "<the environment's key>",
    "api_auth.jwt_algorithm": "HS256",
    "api_auth.jwt_secret": "<the environment's key>",
    "core.auth_manager": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "core.execution_api_server_url": "<the environment's web server>",
    "execution_api.jwt_expiration_time": "86400",
    "fab.config_file": "/python/mwaa/webserver/webserver_config.py",
    "logging.colored_console_log": "False",
}
_SINCE_3_2 = {
    "core.multi_team": "False",
    "triggerer.queues_enabled": "False",
}
# 3.3.1 keeps what it is given there, besides the queues.
_ONLY_3_2 = {"celery.extra_celery_config": "<the environment's SQS queues>"}
_ONLY_2_11 = {
    "webserver.config_file": "/python/mwaa/webserver/webserver_config.py",
    "webserver.cookie_secure": "true",
    "webserver.secret_key": "<the environment's key>",
}

# Variables that startup.sh can't change; those that begin with MWAA__ can't be changed either.
PROTECTED_VARIABLES = frozenset(
    {
        "AIRFLOW_ENV_ID",
        "AIRFLOW_ENV_NAME",
        "AIRFLOW_HOME",
        "AIRFLOW_TASK_REVISION_ID",
        "AIRFLOW_VERSION",
        "AIRFLOW__API__BASE_URL",
        "AIRFLOW__AWS_MWAA__REDIRECT_URL",
        "AIRFLOW__CORE__DATABASE_ACCESS_ISOLATION",
        "AIRFLOW__WEBSERVER__BASE_URL",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_REGION",
        "CUSTOMER_ACCOUNT_ID",
        "ECS_AGENT_URI",
        "ECS_CONTAINER_METADATA_URI",
        "ECS_CONTAINER_METADATA_URI_V4",
        "JWT_PUBLIC_KEY",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "USE_NON_CRITICAL_LOGGING",
        "WATCHTOWER_VERSION",
    }
)


class UnknownVersionError(ValueError):
    """MWAA has no such version, or this package is not made for it."""


@dataclass(frozen=True)
class MwaaVersion:
    """One version of Amazon MWAA.

    :param airflow: as the environment's ``AirflowVersion`` has it.
    :param python: the image's Python, in full.
    :param glibc: the image's C library; wheels may need no newer one.
    :param forced: Airflow's options that MWAA sets itself, ``section.option``; a value in angle
        brackets says where it comes from.
    """

    airflow: str
    python: str
    forced: Mapping[str, str]
    glibc: tuple[int, int] = (2, 34)  # Amazon Linux 2023

    @property
    def python_minor(self) -> str:
        """Python as wheels and constraints name it, such as ``3.12``."""
        return self.python.rpartition(".")[0]

    @property
    def constraints_url(self) -> str:
        """Where Airflow publishes the constraints that AWS recommends for this version."""
        return (
            "https://raw.githubusercontent.com/apache/airflow/"
            f"constraints-{self.airflow}/constraints-{self.python_minor}.txt"
        )

    @property
    def installed(self) -> Mapping[str, str]:
        """What the image itself has: versions by normalised name.

        The bill of materials that it is read from leaves out a few that others need: setuptools,
        text-unidecode, wcwidth.
        """
        return _pins(f"{self.airflow}-installed.txt")

    @property
    def essential(self) -> Mapping[str, str]:
        """What no requirements.txt may change: versions by normalised name."""
        return _pins(f"{self.airflow}-essential.txt")


VERSIONS: Mapping[str, MwaaVersion] = MappingProxyType(
    {
        version.airflow: version
        for version in (
            MwaaVersion("2.11.2", "3.12.10", {**_ALWAYS, **_BEFORE_3_2, **_ONLY_2_11}),
            MwaaVersion("3.0.6", "3.12.10", {**_ALWAYS, **_BEFORE_3_2, **_SINCE_3_0}),
            MwaaVersion("3.2.1", "3.12.13", {**_ALWAYS, **_SINCE_3_0, **_SINCE_3_2, **_ONLY_3_2}),
            MwaaVersion("3.3.1", "3.12.13", {**_ALWAYS, **_SINCE_3_0, **_SINCE_3_2}),
        )
    }
)


def mwaa_version(text: str) -> MwaaVersion:
    """Give the version of that name.

    :raises UnknownVersionError: there is none.
    """
    if text not in VERSIONS:
        raise UnknownVersionError(
            f"MWAA version {text!r} is not known here; give one of {', '.join(VERSIONS)}"
        )
    return VERSIONS[text]


def pins(text: str) -> dict[str, str]:
    """Read the lines ``name==version`` of a constraints file: versions by normalised name."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in text.splitlines())
    split = (line.partition("==") for line in lines)
    return {
        canonicalize_name(name.strip()): version.strip() for name, _, version in split if version
    }


@cache
def _pins(name: str) -> Mapping[str, str]:
    return MappingProxyType(pins((_IMAGES / name).read_text()))
