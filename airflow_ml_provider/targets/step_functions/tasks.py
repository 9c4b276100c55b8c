"""Steps that do something, as Task states with what must come before and after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.pipeline.values import JobField
from airflow_ml_provider.plan.nodes import Call, Invoke, Job
from airflow_ml_provider.targets.approval_relay import HEARTBEAT_SECONDS
from airflow_ml_provider.targets.step_functions import aws_sdk, paths, reports, retries
from airflow_ml_provider.targets.step_functions.conditions import guarded
from airflow_ml_provider.targets.step_functions.facts import PACKAGE_ARN
from airflow_ml_provider.targets.step_functions.names import MAX_NAME, SAGEMAKER
from airflow_ml_provider.targets.step_functions.values import Speller

if TYPE_CHECKING:
    from airflow_ml_provider.plan.nodes import Approval
    from airflow_ml_provider.targets.step_functions.facts import Facts
    from airflow_ml_provider.targets.step_functions.states import State, States

QUEUE_SECONDS = 1800
"""How much longer than the job itself its state may last: machines are waited for."""
CALL_SECONDS = 300
JOB_KINDS = frozenset({*SAGEMAKER, "glue", "emr_serverless"})
_EXISTS = ("Glue.AlreadyExistsException", "Glue.IdempotentParameterMismatchException")
_THERE_ALREADY = {
    "Cause": ("*already exist*", "*Already exist*", "*already in use*"),
    "Error": ("*AlreadyExist*", "*Conflict*", "*ResourceInUse*"),
}


def work(
    node: Job | Call | Invoke, following: str, fallback: str | None, states: States, facts: Facts
) -> str:
    """Add the states of a step before ``following``; ``fallback`` is where its failure leads."""
    speller = Speller(facts, node.name)
    after = following
    if isinstance(node, Job) and node.name in facts.metrics:
        after = reports.read(node, following, fallback, states, facts)
    task: State = {"Type": "Task"}
    if isinstance(node, Invoke):
        task |= _invoke(node, speller)
    elif isinstance(node, Call):
        task |= _call(node, speller)
    else:
        task |= _job(node, speller)
    errors = retries.service_errors(node, _prefix(node))
    if retriers := retries.retriers(node.retry, errors):
        task["Retry"] = retriers
    target = fallback
    if isinstance(node, Call) and node.creates:
        target = _there_already(node.name, after, fallback, states)
    task |= states.catch(target)
    task |= _result(node, facts)
    entry = states.add(node.name, {**task, "Next": after}, is_step=True)
    if isinstance(node, Call) and node.resource:
        entry = _ensured(node, entry, states, speller)
    if isinstance(node, Job) and "Definition" in node.request:
        entry = _defined(node, entry, fallback, states, speller)
    request = [node.function, node.payload] if isinstance(node, Invoke) else node.request
    return guarded(request, entry, states, speller, facts)


def approval(node: Approval, following: str, states: States, facts: Facts) -> str:
    """Add the state that asks a queue about the model package, and waits for the answer."""
    body = {
        "arguments": {"model_package_arn": JobField(node.model, PACKAGE_ARN)},
        "pipeline": facts.plan.name,
        "step": node.name,
    }
    speller = Speller(facts, node.name)
    message = {"token.$": "$$.Task.Token", **speller.template(body)}
    # The relay that answers gives a sign of life each time it finds no decision.
    beat = {"HeartbeatSeconds": HEARTBEAT_SECONDS}
    state: State = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {**speller.template({"QueueUrl": node.queue_url}), "MessageBody": message},
        "TimeoutSeconds": node.timeout_seconds,
        **(beat if node.timeout_seconds > HEARTBEAT_SECONDS else {}),
        **states.catch(),
        "ResultPath": None,
        "Next": following,
    }
    entry = states.add(node.name, state, is_step=True)
    return guarded(node.queue_url, entry, states, speller, facts)


def _prefix(node: Job | Call | Invoke) -> str:
    return aws_sdk.error_prefix(node.service) if isinstance(node, Call) else ""


def _invoke(node: Invoke, speller: Speller) -> State:
    parameters = speller.template({"FunctionName": node.function, "Payload": node.payload})
    return {
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "TimeoutSeconds": node.timeout_seconds,
    }


def _call(node: Call, speller: Speller) -> State:
    return {
        "Resource": aws_sdk.resource(node.service, node.action),
        "Parameters": speller.template(aws_sdk.fields(node.request)),
        "TimeoutSeconds": CALL_SECONDS,
    }


def _job(node: Job, speller: Speller) -> State:
    tries = retries.tries_after_first(node.retry)
    request = dict(node.request)
    if node.kind == "glue":
        resource = "arn:aws:states:::glue:startJobRun.sync"
        definition = request.pop("Definition", {})
        # As the Airflow target does: the run's own script, whatever the stored job has by then.
        script = definition.get("Command", {}).get("ScriptLocation")
        own = {"--scriptLocation": script} if script else {}
        request["Arguments"] = {**own, **request.get("Arguments", {})}
        parameters = speller.template(request)
    elif node.kind == "emr_serverless":
        resource = "arn:aws:states:::emr-serverless:startJobRun.sync"
        name = speller.job_name(MAX_NAME, tries).text
        parameters = {"Name.$": name, "ClientToken.$": name}
        parameters |= speller.template(aws_sdk.fields(request))
    else:
        noun, field, length = SAGEMAKER[node.kind]
        resource = f"arn:aws:states:::sagemaker:create{noun}.sync"
        parameters = {f"{field}.$": speller.job_name(length, tries).text}
        parameters |= speller.template(request)
    return {
        "Resource": resource,
        "Parameters": parameters,
        "TimeoutSeconds": node.timeout_seconds + QUEUE_SECONDS,
    }


def _result(node: Job | Call | Invoke, facts: Facts) -> State:
    chosen = facts.fields.get(node.name)
    if not chosen:
        return {"ResultPath": None}
    return {"ResultSelector": paths.selection(chosen), "ResultPath": facts.path(node.name)}


def _there_already(name: str, after: str, fallback: str | None, states: States) -> str:
    # The call's own retry may find what its first try made.
    choices = [
        {
            "Or": [
                {"Variable": paths.below(paths.FAILURE, field), "StringMatches": pattern}
                for field, patterns in _THERE_ALREADY.items()
                for pattern in patterns
            ],
            "Next": after,
        }
    ]
    state = {"Type": "Choice", "Choices": choices, "Default": fallback or states.failed}
    return states.add(f"{name}: there already", state)


def _ensured(node: Call, entry: str, states: States, speller: Speller) -> str:
    resource = node.resource
    assert resource is not None  # noqa: S101 - the caller asked
    # SageMaker has one error for all: whatever describing or creating says, the call itself tells.
    create = {
        "Type": "Task",
        "Resource": aws_sdk.resource(node.service, resource.create),
        "Parameters": speller.template(aws_sdk.fields(resource.request)),
        "TimeoutSeconds": CALL_SECONDS,
        "Retry": retries.transient(retries.sdk_errors(_prefix(node)), 3),
        **states.catch(entry),
        "ResultPath": None,
        "Next": entry,
    }
    created = states.add(f"{node.name}: create", create)
    describe = {
        "Type": "Task",
        "Resource": aws_sdk.resource(node.service, resource.describe),
        "Parameters": speller.template(aws_sdk.fields(resource.key)),
        "TimeoutSeconds": CALL_SECONDS,
        **states.catch(created),
        "ResultPath": None,
        "Next": entry,
    }
    return states.add(f"{node.name}: describe", describe)


def _defined(node: Job, entry: str, fallback: str | None, states: States, speller: Speller) -> str:
    definition, name = node.request["Definition"], node.request["JobName"]
    update = {
        "JobName": name,
        "JobUpdate": {key: value for key, value in definition.items() if key != "Tags"},
    }
    retry = retries.transient(retries.service_errors(node))
    common = {"TimeoutSeconds": CALL_SECONDS, "Retry": retry, "ResultPath": None, "Next": entry}
    updated = states.add(
        f"{node.name}: update job",
        {
            "Type": "Task",
            "Resource": aws_sdk.resource("glue", "update_job"),
            "Parameters": speller.template(update),
            **common,
            **states.catch(fallback),
        },
    )
    exists = {"ErrorEquals": list(_EXISTS), "ResultPath": None, "Next": updated}
    others = states.catch(fallback).get("Catch", [])
    return states.add(
        f"{node.name}: create job",
        {
            "Type": "Task",
            "Resource": aws_sdk.resource("glue", "create_job"),
            "Parameters": speller.template({"Name": name, **definition}),
            **common,
            "Catch": [exists, *others],
        },
    )
