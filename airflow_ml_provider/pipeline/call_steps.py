"""Steps that are one call: of any AWS API, of a Lambda function."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

# The longest that a function runs:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAMBDA_SECONDS = 900


@dataclass(frozen=True)
class AwsCall(Step):
    """One call of an AWS API that answers at once.

    ``service`` and ``action`` are the names of boto3: ``dynamodb``, ``put_item``. ``request`` may
    hold values; a ``Token()`` in it is the same for every try. ``creates``: that AWS already has
    what the call makes, from an earlier try, is success.
    """

    service: str
    action: str
    request: Mapping[str, Any] = field(default_factory=dict)
    creates: bool = False

    required: ClassVar[tuple[str, ...]] = ("service", "action")


@dataclass(frozen=True)
class LambdaCall(Step):
    """A Lambda function that is waited for; ``function`` is its name or ARN.

    ``payload`` is JSON and may hold values, which keep their type. ``step.field(...)`` refers to
    what the function answers.
    """

    function: Any
    payload: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: int = field(default=LAMBDA_SECONDS, kw_only=True)

    required: ClassVar[tuple[str, ...]] = ("function",)
