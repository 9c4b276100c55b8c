"""MWAA's API for one environment, as far as it is read and updated; the local AWS has none.

Requests and answers are held against botocore's own model of the service. An update changes what
the environment uses once it was looked at a few times, as AWS's takes its minutes.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from airflow_ml_provider.aws.validation import request_problems

REGION, ACCOUNT = "eu-central-1", "123456789012"
_LOOKS = 2
_EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


class MwaaApi:
    """Serves one environment; ``fail_with`` makes its updates fail with that message."""

    def __init__(self, name: str, bucket: str, role_arn: str, **fields: Any) -> None:
        self.environment: dict[str, Any] = {
            "Name": name,
            "Arn": f"arn:aws:airflow:{REGION}:{ACCOUNT}:environment/{name}",
            "Status": "AVAILABLE",
            "AirflowVersion": "3.3.1",
            "SourceBucketArn": f"arn:aws:s3:::{bucket}",
            "ExecutionRoleArn": role_arn,
            "DagS3Path": "dags",
            "LastUpdate": {"Status": "SUCCESS", "CreatedAt": _EPOCH.timestamp()},
            "LoggingConfiguration": {
                "SchedulerLogs": {
                    "Enabled": True,
                    "LogLevel": "INFO",
                    "CloudWatchLogGroupArn": (
                        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:airflow-{name}-Scheduler"
                    ),
                }
            },
            **fields,
        }
        self.updates: list[dict[str, Any]] = []
        self.fail_with = ""
        self.on_update = lambda: None
        self._pending: dict[str, Any] | None = None
        self._looks = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def look(self) -> dict[str, Any]:
        """Give the environment, and let its update go on."""
        if self._pending is not None:
            self._looks += 1
            # The first look after an update still shows the one before it.
            if self._looks == 2:
                self.environment["Status"] = "UPDATING"
                self.environment["LastUpdate"] = {"Status": "PENDING", "CreatedAt": self._now()}
            elif self._looks > 2 + _LOOKS:
                self._end()
        return {"Environment": self.environment}

    def update(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        problems = request_problems("mwaa", "UpdateEnvironment", request)
        if problems or self._pending is not None:
            return 400, {"message": "; ".join(problems) or "an update is going on"}
        self.updates.append(request)
        self._pending, self._looks = request, 0
        self.on_update()
        return 200, {"Arn": self.environment["Arn"]}

    def _now(self) -> float:
        return (_EPOCH + timedelta(days=len(self.updates))).timestamp()

    def _end(self) -> None:
        pending, self._pending = self._pending or {}, None
        update: dict[str, Any] = {"Status": "SUCCESS", "CreatedAt": self._now()}
        if self.fail_with:
            error = {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": self.fail_with}
            update |= {"Status": "FAILED", "Error": error}
        else:
            self.environment |= pending
        self.environment["LastUpdate"] = update
        self.environment["Status"] = "UPDATE_FAILED" if self.fail_with else "AVAILABLE"


def _handler(api: MwaaApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = api.environment["Name"]
            if self.path == f"/environments/{name}":
                self._answer(200, api.look())
            elif self.path.partition("?")[0] == "/environments":
                self._answer(200, {"Environments": [name]})
            else:
                self._answer(404, {"message": "no such environment"}, "ResourceNotFoundException")

        def do_PATCH(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = self.path.rpartition("/")[2]
            status, answer = api.update({"Name": name, **json.loads(body)})
            self._answer(status, answer, "" if status == 200 else "ValidationException")

        def _answer(self, status: int, body: dict[str, Any], error: str = "") -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler
