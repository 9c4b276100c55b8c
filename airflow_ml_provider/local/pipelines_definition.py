"""A pipeline definition, read and held against its schema, version 2020-12-01.

https://docs.aws.amazon.com/sagemaker/latest/dg/define-pipeline.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.pipelines_order import TRIGGERS, Arm, Need, Place, cycle
from airflow_ml_provider.local.pipelines_parameters import Parameter, parameter
from airflow_ml_provider.local.pipelines_retry import (
    RetryPolicy,
    cache_seconds,
    retry_policies,
)
from airflow_ml_provider.local.pipelines_values import (
    ValueUnknownError,
    expressions,
    property_file,
    read_json,
    references,
    step_reference,
)
from airflow_ml_provider.local.protocol import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_ml_provider.local.protocol import Json

VERSION = "2020-12-01"
MAX_PROBLEMS = 20
EXECUTION_VARIABLES = (
    *("PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn"),
    *("StartDateTime", "CurrentDateTime"),
)
# The type, and the fields that it needs besides Name and Type.
STEP_TYPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("Processing", "Training", "Tuning", "Transform", "Model", "RegisterModel"),
            *("AutoML", "QualityCheck", "ClarifyCheck", "EMR", "EMRServerless", "Endpoint"),
            *("EndpointConfig", "InferenceComponent", "Lineage", "Condition", "Fail"),
            *("BedrockCustomModel", "BedrockCustomModelDeployment", "BedrockModelImport"),
            *("BedrockProvisionedModelThroughput", "ForEach"),
        ),
        ("Arguments",),
    ),
    "Lambda": ("FunctionArn",),
    "Callback": ("SqsQueueUrl",),
}
CONDITIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (*("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"),),
        ("LeftValue", "RightValue"),
    ),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Step:
    """One step as the definition spells it, and where it stands in the order."""

    name: str
    type: str
    content: Json
    place: Place
    retry: tuple[RetryPolicy, ...]
    cache_seconds: float | None

    @property
    def arguments(self) -> Json:
        """The step's request, with its expressions, without the steps in a condition's arms."""
        given = self.content.get("Arguments", {})
        return {key: given[key] for key in given if key not in ("IfSteps", "ElseSteps")}

    @property
    def values(self) -> list[Any]:
        """All that may hold expressions."""
        return [self.arguments, self.target]

    @property
    def target(self) -> Any:
        """The function or the queue that it asks, if any."""
        return self.content.get("FunctionArn") or self.content.get("SqsQueueUrl")


@dataclass(frozen=True)
class Definition:
    """A definition that AWS would take."""

    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The order of the steps."""
        return tuple(step.place for step in self.steps)


def read_definition(text: str) -> Definition:
    """Read a pipeline definition.

    Raises:
        AwsError: ``ValidationException`` with all that is wrong with it.

    """
    try:
        content = read_json(text)
    except ValueUnknownError as error:
        raise _refused([str(error)]) from error
    if not isinstance(content, dict):
        raise _refused(["it is not a JSON object"])
    reader = _Reader(content)
    if reader.problems:
        raise _refused(reader.problems)
    return Definition(tuple(reader.parameters), tuple(reader.steps))


def _refused(problems: list[str]) -> AwsError:
    shown = problems[:MAX_PROBLEMS]
    if len(problems) > MAX_PROBLEMS:
        shown.append(f"and {len(problems) - MAX_PROBLEMS} more")
    message = f"Unable to parse pipeline definition. {'; '.join(shown)}"
    return AwsError("ValidationException", message)


class _Reader:
    """Reads a definition, and collects what is wrong with it."""

    def __init__(self, content: Json) -> None:
        self.problems: list[str] = []
        self.parameters: list[Parameter] = []
        self.steps: list[Step] = []
        if content.get("Version") != VERSION:
            self.problems.append(f"Version must be '{VERSION}', not {content.get('Version')!r}")
        for item in self._list(content, "Parameters", "the definition"):
            self._note("parameter", partial(self._parameter, item))
        self._unique("parameter", [p.name for p in self.parameters])
        if not content.get("Steps"):
            self.problems.append("Steps must hold at least one step")
        for item in self._list(content, "Steps", "the definition"):
            self._step(item, None)
        self._unique("step", [step.name for step in self.steps])
        for step in self.steps:
            self._note(f"value of step {step.name!r}", partial(self._references, step))
        loop = cycle(step.place for step in self.steps)
        if loop:
            self.problems.append(f"the steps depend on each other in a cycle: {' -> '.join(loop)}")

    def _list(self, content: Json, key: str, owner: str) -> list[Any]:
        found = content.get(key) or []
        if isinstance(found, list):
            return found
        self.problems.append(f"{key} of {owner} must be a list")
        return []

    def _note(self, what: str, read: Callable[[], None]) -> None:
        try:
            read()
        except (KeyError, TypeError, AttributeError) as error:
            self.problems.append(f"a {what} is malformed: {type(error).__name__}: {error}")
        except ValueError as error:
            self.problems.append(str(error))

    def _unique(self, what: str, names: list[str]) -> None:
        twice = dict.fromkeys(name for name in names if names.count(name) > 1)
        self.problems += [f"{what} names must be unique: {name!r} is used twice" for name in twice]

    def _parameter(self, content: Any) -> None:
        self.parameters.append(parameter(content))

    def _references(self, step: Step) -> None:
        self.problems += _reference_problems(step, self.steps, self.parameters)

    def _step(self, content: Any, arm: Arm | None) -> None:
        if not isinstance(content, dict):
            self.problems.append(f"a step must be an object, not {content!r}")
            return
        name, kind = content.get("Name"), content.get("Type")
        if not isinstance(name, str) or not _STEP_NAME.fullmatch(name):
            self.problems.append(f"step name {name!r} must match {_STEP_NAME.pattern}")
            return
        if kind not in STEP_TYPES:
            known = ", ".join(STEP_TYPES)
            self.problems.append(f"step {name!r} has the unknown type {kind!r}; known are {known}")
            return
        missing = [field for field in STEP_TYPES[kind] if not content.get(field)]
        if missing:
            self.problems.append(f"step {name!r} of type {kind} needs {', '.join(missing)}")
            return
        arguments = content.get("Arguments", {})
        if not isinstance(arguments, dict):
            self.problems.append(f"Arguments of step {name!r} must be an object")
            return
        if kind == "Condition":
            self._condition(name, arguments)
        needs = list(self._needs(name, content))

        def add() -> None:
            retry = retry_policies(name, kind, content.get("RetryPolicies", []))
            cache = cache_seconds(name, content.get("CacheConfig"))
            step = Step(name, kind, content, Place(name), retry, cache)
            found = (step_reference(target) for target in references(step.values))
            used = [Need(item[0]) for item in found if item]
            place = Place(name, tuple(dict.fromkeys([*needs, *used])), arm)
            self.steps.append(replace(step, place=place))

        self._note(f"retry policy or caching of step {name!r}", add)

    def _condition(self, name: str, arguments: Json) -> None:
        conditions = self._list(arguments, "Conditions", f"step {name!r}")
        if not conditions:
            self.problems.append(f"step {name!r} needs at least one condition")
        self.problems += _condition_problems(name, conditions)
        for key, outcome in (("IfSteps", "True"), ("ElseSteps", "False")):
            for item in self._list(arguments, key, f"step {name!r}"):
                self._step(item, Arm(name, outcome))

    def _needs(self, name: str, content: Json) -> Iterator[Need]:
        for item in self._list(content, "DependsOn", f"step {name!r}"):
            need = Need(item) if isinstance(item, str) else None
            if isinstance(item, dict) and isinstance(item.get("Step"), str):
                need = Need(item["Step"], item.get("Trigger", ""))
            if need is None or need.trigger not in TRIGGERS:
                self.problems.append(
                    f"step {name!r} has a DependsOn that is neither a step's name nor "
                    f'{{"Step": ..., "Trigger": one of {", ".join(TRIGGERS)}}}: {item!r}'
                )
            else:
                yield need


def _condition_problems(step: str, conditions: list[Any]) -> Iterator[str]:
    for condition in conditions:
        kind = condition.get("Type") if isinstance(condition, dict) else None
        if kind not in CONDITIONS:
            known = ", ".join(CONDITIONS)
            yield f"step {step!r} has a condition of unknown type {kind!r}; known are {known}"
            continue
        missing = [field for field in CONDITIONS[kind] if field not in condition]
        if missing:
            yield f"a condition {kind} of step {step!r} needs {', '.join(missing)}"
            continue
        inner = condition.get("Conditions", [condition["Condition"]] if kind == "Not" else [])
        yield from _condition_problems(step, inner if isinstance(inner, list) else [inner])


def _reference_problems(
    step: Step, steps: list[Step], parameters: list[Parameter]
) -> Iterator[str]:
    known = {other.name: other for other in steps}
    where = f"step {step.name!r} refers to"
    for name in dict.fromkeys(need.step for need in step.place.needs):
        if name not in known:
            yield f"{where} the step {name!r}, which the definition doesn't have"
    for target in dict.fromkeys(references(step.values)):
        yield from _target_problems(where, target, known, parameters)
    for kind, spec in expressions(step.values):
        if kind == "Std:JsonGet":
            yield from _json_get_problems(where, spec, known)
        elif kind == "Std:Join" and not isinstance(spec.get("Values"), list):
            yield f"step {step.name!r} has a Std:Join without a list of Values: {spec!r}"


def _target_problems(
    where: str, target: str, known: Mapping[str, Step], parameters: list[Parameter]
) -> Iterator[str]:
    kind, _, name = target.partition(".")
    found = step_reference(target)
    if kind == "Parameters":
        if name not in [p.name for p in parameters]:
            yield f"{where} the parameter {name!r}, which the definition doesn't have"
    elif kind == "Execution":
        if name not in EXECUTION_VARIABLES:
            yield f"{where} {target!r}; known are {', '.join(EXECUTION_VARIABLES)}"
    elif found is None or not found[1]:
        yield f"{where} {target!r}; allowed are Parameters., Execution., Steps.<step>.<path>"
    elif found[0] in known:
        yield from _output_problems(where, known[found[0]], found[1])


def _json_get_problems(where: str, spec: Json, known: Mapping[str, Step]) -> Iterator[str]:
    asked = property_file(spec)
    if "S3Uri" in spec:
        return
    if asked is None or "Path" not in spec:
        yield f"{where} a Std:JsonGet without PropertyFile and Path: {spec!r}"
    elif asked[0] in known:
        yield from _property_file_problems(where, known[asked[0]], asked[1])


def _output_problems(where: str, other: Step, path: str) -> Iterator[str]:
    match = re.match(r"OutputParameters\['([^']*)'\]", path)
    if other.type in ("Lambda", "Callback") and match:
        names = [o.get("OutputName") for o in other.content.get("OutputParameters", [])]
        if match.group(1) not in names:
            yield f"{where} the output {match.group(1)!r} of {other.name!r}, which declares {names}"
    elif other.type in ("Condition", "Fail"):
        yield f"{where} {path!r} of {other.name!r}: a {other.type} step has no properties"


def _property_file_problems(where: str, other: Step, name: str) -> Iterator[str]:
    files = {file.get("PropertyFileName"): file for file in other.content.get("PropertyFiles", [])}
    if other.type != "Processing" or name not in files:
        yield f"{where} the property file {name!r}, which step {other.name!r} doesn't declare"
        return
    outputs = other.arguments.get("ProcessingOutputConfig", {}).get("Outputs", [])
    if files[name].get("OutputName") not in [output.get("OutputName") for output in outputs]:
        given = files[name].get("OutputName")
        yield f"property file {name!r} of step {other.name!r} names {given!r}, which is no output"
