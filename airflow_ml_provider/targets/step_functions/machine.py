"""A plan as a state machine in Amazon States Language, with JSONPath.

https://states-language.net and https://docs.aws.amazon.com/step-functions/latest/dg/
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.plan.nodes import Approval, Call, Invoke, Job, Map, blocks_of
from airflow_ml_provider.targets.finding import REFUSED, Finding, refuse
from airflow_ml_provider.targets.step_functions import start
from airflow_ml_provider.targets.step_functions.facts import Facts
from airflow_ml_provider.targets.step_functions.findings import findings
from airflow_ml_provider.targets.step_functions.names import StateNames
from airflow_ml_provider.targets.step_functions.retries import tries_after_first
from airflow_ml_provider.targets.step_functions.states import States
from airflow_ml_provider.targets.step_functions.structure import block
from airflow_ml_provider.targets.step_functions.tasks import CALL_SECONDS, QUEUE_SECONDS

if TYPE_CHECKING:
    from airflow_ml_provider.plan.nodes import Block, Node, Plan

TARGET = "step-functions"
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_YEAR_SECONDS = 31_536_000
MAX_BYTES = 1_048_576
"""Of a definition, as it is deployed."""


def document(plan: Plan) -> dict[str, Any]:
    """Give the definition of the state machine.

    :raises PipelineError: with everything in the plan that Step Functions can't do.
    """
    refuse(plan.name, TARGET, findings(plan))
    facts = Facts.of(plan)
    states = States(StateNames(facts.nodes))
    # What neighbouring states told each other is no result of the execution.
    result = {f"{name}.$": f"$.{name}" for name in ("run", "parameters", "steps")}
    end = states.add("Done", {"Type": "Pass", "Parameters": result, "End": True})
    first = block(plan.nodes, end, set(), states, facts)
    first = start.run(first, states, facts)
    made = {
        "Comment": f"Pipeline {plan.name}",
        **states.machine(first),
        "TimeoutSeconds": min(_YEAR_SECONDS, CALL_SECONDS + _longest(plan.nodes)),
    }
    size = len(json.dumps(made, indent=2, ensure_ascii=False).encode())
    if size > MAX_BYTES:
        how = f"{size:,} bytes of at most {MAX_BYTES:,}; make two pipelines of it"
        refuse(plan.name, TARGET, [Finding("", "size of the definition", REFUSED, how)])
    return made


def _longest(block: Block) -> int:
    """Give the seconds after which a block has surely ended, were its nodes run one by one."""
    return sum(_longest_of(node) for node in block)


def _longest_of(node: Node) -> int:
    inner = sum(_longest(one) for one in blocks_of(node))
    if isinstance(node, Map):
        return inner * len(node.items) if isinstance(node.items, tuple) else _YEAR_SECONDS
    if isinstance(node, Approval):
        return node.timeout_seconds
    if isinstance(node, (Job, Call, Invoke)):
        once = QUEUE_SECONDS + CALL_SECONDS + getattr(node, "timeout_seconds", 0)
        pauses = sum(one.attempts * one.max_delay_seconds for one in node.retry)
        return inner + once * (1 + tries_after_first(node.retry)) + pauses
    return inner
