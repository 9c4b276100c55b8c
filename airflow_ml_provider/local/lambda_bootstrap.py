"""What a local Lambda function's process runs: it calls the handler and leaves its answer.

Started by :mod:`lambda_functions` in the function's folder, by a Python that knows no more than
the standard library.
"""

import importlib
import json
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace


def main() -> None:
    """Read the settings from standard input, call the handler, write its result or its error."""
    settings = json.load(sys.stdin)
    sys.path[0] = str(Path.cwd())
    context = SimpleNamespace(
        function_name=settings["name"],
        invoked_function_arn=settings["arn"],
        memory_limit_in_mb=settings["memory_mb"],
        aws_request_id=f"{time.time_ns():032x}",
        get_remaining_time_in_millis=lambda: int((settings["deadline"] - time.time()) * 1000),
    )
    module, _, name = settings["handler"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
        answer = {"result": handler(settings["event"], context)}
        text = json.dumps(answer)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it as Lambda tells it
        traceback.print_exc()
        told = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        text = json.dumps({"error": told})
    Path(settings["answer"]).write_text(text)


if __name__ == "__main__":
    main()
