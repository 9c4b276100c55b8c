"""Lambda functions in Python, run by a Python of this machine: moto would need Docker for them.

A function sees its event and a context; layers and container images are not there.
https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.interpreters import environment
from airflow_ml_provider.local.protocol import Call, Identity, Json, Operations

if TYPE_CHECKING:
    from airflow_ml_provider.local.cloud import Cloud

_IMAGE = "lambda"
_BOOTSTRAP = Path(__file__).with_name("lambda_bootstrap.py")
_NO_CODE = "Runtime.ImportModuleError"


def operations(cloud: Cloud) -> Operations:
    """Return CreateFunction, which makes sure that functions are run here."""

    def create(call: Call) -> Json:
        _install(cloud)
        return call.forward()

    return {("lambda", "CreateFunction"): create}


def _install(cloud: Cloud) -> None:
    # Imported here, since it is one of moto's heavy ones.
    from moto.awslambda.models import LambdaFunction  # noqa: PLC0415

    def invoke(function: Any, event: Any = None) -> tuple[str, bool, str]:
        return _invoke(cloud, function, event)

    patched: Any = LambdaFunction
    patched._invoke_lambda = invoke  # noqa: SLF001 - the one place where moto runs it


def _invoke(cloud: Cloud, function: Any, event: Any) -> tuple[str, bool, str]:
    """Run a handler; answer (JSON of its result or its error, whether it failed, its log)."""
    python = cloud.interpreters.python(_IMAGE)
    identity = Identity(function.account_id, function.region, "local")
    folder = Path(tempfile.mkdtemp(prefix="lambda-"))
    answer = folder / ".answer.json"
    try:
        with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
            archive.extractall(folder)  # it drops absolute paths and `..`
        settings = {
            "handler": function.handler,
            "name": function.function_name,
            "arn": function.function_arn,
            "memory_mb": function.memory_size,
            "deadline": time.time() + function.timeout,
            "answer": str(answer),
            "event": event,
        }
        ended = subprocess.run(  # noqa: S603 - what the user deployed
            [str(python), str(_BOOTSTRAP)],
            input=json.dumps(settings).encode(),
            cwd=folder,
            env={
                **environment(python, cloud.state_dir, cloud.endpoint_url, identity),
                "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
                **function.environment_vars,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=function.timeout,
            check=False,
        )
        log = ended.stdout.decode(errors="replace")
        found = json.loads(answer.read_text()) if answer.exists() else _exited(ended.returncode)
    except subprocess.TimeoutExpired as error:
        log = (error.output or b"").decode(errors="replace")
        said = f"Task timed out after {function.timeout:.2f} seconds"
        found = {"error": {"errorMessage": said, "errorType": "Sandbox.Timedout"}}
    except (zipfile.BadZipFile, OSError) as error:
        log, found = "", {"error": {"errorMessage": str(error), "errorType": _NO_CODE}}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _keep_log(function, log)
    return json.dumps(found.get("error", found.get("result"))), "error" in found, log


def _exited(code: int) -> Json:
    said = f"Runtime exited with error: exit status {code}"
    return {"error": {"errorMessage": said, "errorType": "Runtime.ExitError"}}


def _keep_log(function: Any, log: str) -> None:
    group, stream = function.logs_group_name, f"{time.strftime('%Y/%m/%d')}/[$LATEST]"
    logs = function.logs_backend
    logs.ensure_log_group(group)
    if stream not in logs.groups[group].streams:
        logs.create_log_stream(group, stream)
    at = int(time.time() * 1000)
    events = [{"timestamp": at, "message": line} for line in log.splitlines() if line]
    if events:
        logs.put_log_events(group, stream, events)
