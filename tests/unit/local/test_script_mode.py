"""Hyperparameters as the framework containers pass them on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_ml_provider.local.script_mode import read_script, user_script_error, variables

SETTINGS = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": "s3://b/s.tar.gz"}


def test_no_program_is_no_script() -> None:
    assert read_script({"max_depth": "6"}) is None


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("6", "6"),
        ("0.10", "0.1"),
        ('"late"', "late"),
        ("late", "late"),
        ("true", "True"),
        ("null", ""),
        ("[1, 2]", "[1, 2]"),
        ('{"b": 2, "a": 1}', "a=1,b=2"),
    ],
)
def test_arguments(value: str, seen: str) -> None:
    script = read_script({**SETTINGS, "x": value})
    assert script
    assert script.command == ("python3", "train.py", "-x", seen)


def test_arguments_are_sorted_and_sagemakers_own_left_out() -> None:
    script = read_script({**SETTINGS, "sagemaker_region": '"eu"', "depth": "6", "alpha": "1"})
    assert script
    assert script.arguments == ("--alpha", "1", "--depth", "6")
    assert script.source == "s3://b/s.tar.gz"


def test_a_shell_program() -> None:
    script = read_script({"sagemaker_program": "run.sh"})
    assert script
    assert script.command == ("/bin/sh", "run.sh")


def seen_variables(**hyperparameters: str) -> dict[str, str]:
    script = read_script({**SETTINGS, **hyperparameters})
    assert script
    resources: dict[str, Any] = {"current_host": "algo-1"}
    return variables(
        script,
        job_name="job",
        channels=["validation", "train"],
        input_config={"train": {}},
        resource_config=resources,
    )


def test_variables() -> None:
    seen = seen_variables(max_depth="6", label='"late"')
    assert {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_CHANNELS": '["train","validation"]',
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_CHANNEL_VALIDATION": "/opt/ml/input/data/validation",
        "SM_HPS": '{"label":"late","max_depth":6}',
        "SM_HP_MAX_DEPTH": "6",
        "SM_HP_LABEL": "late",
        "SM_NUM_GPUS": "0",
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_MODULE_NAME": "train",
        "SM_MODULE_DIR": "s3://b/s.tar.gz",
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_USER_ARGS": '["--label","late","--max_depth","6"]',
        "SM_RESOURCE_CONFIG": '{"current_host":"algo-1"}',
        "PYTHONPATH": "/opt/ml/code",
    }.items() <= seen.items()
    training_env = json.loads(seen["SM_TRAINING_ENV"])
    assert training_env["channel_input_dirs"]["train"] == "/opt/ml/input/data/train"
    assert training_env["hyperparameters"] == {"label": "late", "max_depth": 6}
    assert training_env["job_name"] == "job"


def test_user_script_error() -> None:
    assert user_script_error(1, "ValueError: x", ("python3", "t.py")) == (
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: x"\nCommand "python3 t.py"'
    )
