"""What a request to AWS is for, and what may happen to it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiohttp import web

_LOGS = frozenset({"DescribeLogStreams", "GetLogEvents", "FilterLogEvents"})
_REPORT = "GetObject"
_REST = (
    ("POST", re.compile(r"/applications/[^/]+/jobruns"), "StartJobRun"),
    ("GET", re.compile(r"/applications/[^/]+/jobruns"), "ListJobRuns"),
    ("GET", re.compile(r"/applications/[^/]+/jobruns/[^/]+"), "GetJobRun"),
    ("DELETE", re.compile(r"/applications/[^/]+/jobruns/[^/]+"), "CancelJobRun"),
)
_OBJECT = re.compile(r"/[^/]+/.+")
_SCOPE = re.compile(r"Credential=[^/,\s]+/\d+/[\w-]+/([\w-]+)/aws4_request")


class Role(str, Enum):
    """What a request is for, seen from the job it is about."""

    LOOK = "look"
    """Before any job was submitted."""
    SUBMIT = "submit"
    WAIT = "wait"
    COLLECT = "collect"
    """What AWS answers about an ended job: its state, its report, the rest of its log."""
    OTHER = "other"


class What(str, Enum):
    """What happens to a request that a fault strikes."""

    KILL_BEFORE = "kill before it reaches AWS"
    KILL_AFTER = "kill before AWS's answer arrives"
    KILL_DELIVERED = "kill once the answer has arrived"
    PAUSE = "no answer"
    REFUSE = "connections refused"
    THROTTLE = "throttled"
    ERROR = "500"
    RESET = "connection reset"
    LOST = "answer lost"
    EXPIRED = "credentials expired"
    DENIED = "access denied"
    REJECTED = "validation error"


KILLS = frozenset({What.KILL_BEFORE, What.KILL_AFTER, What.KILL_DELIVERED})
_JSON_ERRORS: dict[What, dict[str, tuple[str, int]]] = {
    What.THROTTLE: {"emr-serverless": ("ThrottlingException", 429)},
    What.ERROR: {
        "sagemaker": ("InternalFailure", 500),
        "glue": ("InternalServiceException", 500),
        "emr-serverless": ("InternalServerException", 500),
        "logs": ("ServiceUnavailableException", 500),
    },
    What.EXPIRED: {"emr-serverless": ("ExpiredTokenException", 403)},
    What.DENIED: {"emr-serverless": ("AccessDeniedException", 403)},
    What.REJECTED: {"glue": ("InvalidInputException", 400)},
}
_JSON_DEFAULTS = {
    What.THROTTLE: ("ThrottlingException", 400),
    What.ERROR: ("InternalFailure", 500),
    What.EXPIRED: ("ExpiredTokenException", 400),
    What.DENIED: ("AccessDeniedException", 400),
    What.REJECTED: ("ValidationException", 400),
}
_S3_ERRORS = {
    What.THROTTLE: ("SlowDown", 503),
    What.ERROR: ("InternalError", 500),
    What.EXPIRED: ("ExpiredToken", 400),
    What.DENIED: ("AccessDenied", 403),
    What.REJECTED: ("InvalidRequest", 400),
}


@dataclass(frozen=True)
class JobCalls:
    """How a kind of job is submitted and asked for, and the words AWS says when it has ended."""

    submit: str
    reads: frozenset[str]
    ended: re.Pattern[bytes]


@dataclass(frozen=True)
class Fault:
    """Strikes the first ``times`` requests of each operation in a role; a kill strikes once.

    ``operation`` narrows it to one. ``seconds``: how long connections are refused.
    ``with_parent``: the process that supervises the client dies with it, first, so that nobody
    reports the death.
    """

    what: What
    role: Role
    times: int = 1
    operation: str = ""
    seconds: float = 0.0
    with_parent: bool = False


@dataclass
class Port:
    """One way to AWS. ``struck`` and ``seen`` count by operation; ``dead`` are the killed pids."""

    calls: JobCalls
    fault: Fault | None = None
    url: str = ""
    struck: Counter[str] = field(default_factory=Counter)
    seen: Counter[tuple[Role, str]] = field(default_factory=Counter)
    dead: list[int] = field(default_factory=list)
    submitted: bool = False
    ended: bool = False

    @property
    def strikes(self) -> int:
        """How often the fault really struck."""
        return sum(self.struck.values())

    def role(self, operation: str, answer: bytes) -> Role:
        """Tell what a request is for; ``answer`` is AWS's, for the calls that ask about a job."""
        if operation == self.calls.submit:
            return Role.SUBMIT
        if operation in self.calls.reads:
            if self.submitted:
                return Role.COLLECT if self.calls.ended.search(answer) else Role.WAIT
            return Role.LOOK
        if operation in _LOGS or operation == _REPORT:
            return Role.COLLECT if self.ended else Role.WAIT
        return Role.OTHER

    def strikes_at(self, role: Role, operation: str) -> bool:
        """Whether the fault is due for this request."""
        fault = self.fault
        if fault is None or role is not fault.role or fault.operation not in {"", operation}:
            return False
        count = self.strikes if fault.what in KILLS else self.struck[operation]
        return count < fault.times


def operation_of(method: str, path: str, headers: Any) -> tuple[str, str]:
    """Give (service, operation) of a request to AWS, as SigV4's scope and the protocols say it."""
    scope = _SCOPE.search(headers.get("Authorization", ""))
    service = scope[1] if scope else ""
    if target := headers.get("X-Amz-Target"):
        return service, target.rpartition(".")[2]
    if service == "emr-serverless":
        for verb, pattern, operation in _REST:
            if method == verb and pattern.fullmatch(path):
                return service, operation
    if service == "s3" and _OBJECT.fullmatch(path):
        return service, f"{method.capitalize()}Object"
    return service, f"{method} {path}"


def refusal(service: str, what: What) -> web.Response:
    """Give the answer of a service that says no, in its own words."""
    message = f"Injected: {what.value}"
    if service == "s3":
        code, status = _S3_ERRORS[what]
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return web.Response(status=status, text=body, content_type="application/xml")
    code, status = _JSON_ERRORS.get(what, {}).get(service, _JSON_DEFAULTS[what])
    return web.Response(
        status=status,
        text=json.dumps({"__type": code, "message": message}),
        content_type="application/x-amz-json-1.1",
        headers={"x-amzn-ErrorType": code, "x-amzn-RequestId": "injected"},
    )
