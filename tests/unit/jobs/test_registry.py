from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_ml_provider.jobs.errors import UnknownKindError
from airflow_ml_provider.jobs.kind import JobKind, Watchable
from airflow_ml_provider.jobs.registry import KINDS, WATCHABLES, kind, watchable


@pytest.mark.parametrize("name", WATCHABLES)
def test_a_name_is_the_same_everywhere(name):
    assert watchable(name).name == name
    assert all(action.count(":") == 1 for action in watchable(name).actions)


def members(protocol):
    return {name for name in {*vars(protocol), *protocol.__annotations__} if name[0] != "_"}


@pytest.mark.parametrize("name", WATCHABLES)
def test_has_all_that_its_protocol_names(name):
    wanted = members(Watchable) | (members(JobKind) if name in KINDS else set())
    assert all(hasattr(watchable(name), member) for member in wanted)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_can_be_waited_for(name):
    assert kind(name) is watchable(name)


@pytest.mark.parametrize("look_up", [kind, watchable])
def test_an_unknown_name_is_answered_with_the_known_ones(look_up):
    with pytest.raises(
        UnknownKindError, match="'sagemaker_labeling'; known are sagemaker_training, "
    ):
        look_up("sagemaker_labeling")


def test_imports_nothing_but_the_standard_library():
    code = (
        "import sys, airflow_ml_provider.jobs.registry, airflow_ml_provider.jobs.start, "
        "airflow_ml_provider.jobs.rounds; "
        "print({m.partition('.')[0] for m in sys.modules} & {'boto3','botocore','airflow'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "set()"
