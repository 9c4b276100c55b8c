"""What SageMaker's framework containers do before the user's script starts ("script mode").

Follows the sagemaker-training toolkit (https://github.com/aws/sagemaker-training-toolkit):
hyperparameters become arguments and ``SM_*`` variables.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_ml_provider.local.protocol import Json

PROGRAM = "sagemaker_program"
SOURCE = "sagemaker_submit_directory"
_SAGEMAKER = "sagemaker_"
OBJECTIVE = "_tuning_objective_metric"
"""What a tuning job adds to the hyperparameters of its training jobs."""
HOST = "algo-1"


@dataclass(frozen=True)
class Script:
    """The script of a training job, and what it is given."""

    program: str
    source: str | None
    hyperparameters: Json
    settings: Json

    @property
    def arguments(self) -> tuple[str, ...]:
        """The hyperparameters as command line arguments, sorted by name."""
        names = sorted(self.hyperparameters)
        pairs = ((_option(name), _text(self.hyperparameters[name])) for name in names)
        return tuple(chain.from_iterable(pairs))

    @property
    def command(self) -> tuple[str, ...]:
        """The command that starts it, in the folder of its source."""
        if self.program.endswith(".py"):
            return ("python3", self.program, *self.arguments)
        return ("/bin/sh", self.program, *self.arguments)


def read_script(hyperparameters: Mapping[str, str]) -> Script | None:
    """Return the script that hyperparameters name, or None if they name none.

    Values may be raw text or JSON, as the SageMaker SDK and people write them.
    """
    values = {name: _decoded(value) for name, value in hyperparameters.items()}
    if not values.get(PROGRAM):
        return None
    settings = {
        name: value
        for name, value in values.items()
        if name.startswith(_SAGEMAKER) or name == OBJECTIVE
    }
    own = {name: value for name, value in values.items() if name not in settings}
    source = values.get(SOURCE)
    return Script(str(values[PROGRAM]), str(source) if source else None, own, settings)


def variables(
    script: Script,
    *,
    job_name: str,
    channels: Sequence[str],
    input_config: Json,
    resource_config: Json,
) -> dict[str, str]:
    """Return the ``SM_*`` environment variables of a script.

    Args:
        script: the script.
        job_name: name of the training job.
        channels: names of its input channels.
        input_config: content of ``inputdataconfig.json``.
        resource_config: content of ``resourceconfig.json``.

    """
    cpus = os.cpu_count() or 1
    folders = {channel: f"/opt/ml/input/data/{channel}" for channel in sorted(channels)}
    module = script.program.rsplit("/", 1)[-1].removesuffix(".py")
    common = {
        "user_entry_point": script.program,
        "module_name": module,
        "module_dir": script.source or "/opt/ml/code",
        "model_dir": "/opt/ml/model",
        "input_dir": "/opt/ml/input",
        "input_config_dir": "/opt/ml/input/config",
        "output_dir": "/opt/ml/output",
        "output_data_dir": "/opt/ml/output/data",
        "output_intermediate_dir": "/opt/ml/output/intermediate",
        "hosts": [HOST],
        "current_host": HOST,
        "network_interface_name": "lo",
        "num_cpus": cpus,
        "num_gpus": 0,
        "log_level": 20,
        "resource_config": resource_config,
        "input_data_config": input_config,
        "framework_module": None,
    }
    training_env = {
        **common,
        "job_name": job_name,
        "is_master": True,
        "master_hostname": HOST,
        "channel_input_dirs": folders,
        "hyperparameters": script.hyperparameters,
        "additional_framework_parameters": script.settings,
    }
    named: Json = {
        **common,
        "channels": sorted(channels),
        "hps": script.hyperparameters,
        "framework_params": script.settings,
        "user_args": list(script.arguments),
        "training_env": training_env,
        **{f"channel_{channel}": folder for channel, folder in folders.items()},
        **{f"hp_{name}": value for name, value in script.hyperparameters.items()},
    }
    spelled = {f"SM_{name.upper()}": _variable(value) for name, value in named.items()}
    return {**spelled, "PYTHONPATH": "/opt/ml/code"}


def user_script_error(exit_code: int, error: str, command: Sequence[str]) -> str:
    """Word the failure of a script as the toolkit writes it to /opt/ml/output/failure."""
    return (
        f"ExecuteUserScriptError:\nExitCode {exit_code}\n"
        f'ErrorMessage "{error}"\nCommand "{" ".join(command)}"'
    )


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _option(name: str) -> str:
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return "" if value is None else str(value)


def _variable(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "" if value is None else str(value)
