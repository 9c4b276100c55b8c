"""The first states: what the run knows of itself, worked out from the input of the execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.plan.nodes import Job

if TYPE_CHECKING:
    from airflow_ml_provider.targets.step_functions.facts import Facts
    from airflow_ml_provider.targets.step_functions.states import State, States

_START, _END = "data_interval_start", "data_interval_end"
_UTC = ("*-*-*T*:*:*Z", "*-*-*T*:*:*+00:00")
_BEGAN = "$$.Execution.StartTime"
_NAME = "$$.Execution.Name"
_WRONG_INPUT = (
    f"Give {_START} and {_END}, both or neither, as ISO 8601 times in UTC: "
    "2013-08-29T00:00:00+00:00 or 2013-08-29T00:00:00Z."
)


def run(following: str, states: States, facts: Facts) -> str:
    """Add the states that make ``$.run``, ``$.parameters`` and the empty ``$.steps``.

    The input is ``{"data_interval_start", "data_interval_end", "parameters"}``; all may be left
    out. Intrinsic functions can't convert a time, so both ends must be in UTC.
    """
    plan = facts.plan
    instant = "{}-{}-{}T{}:{}:{}+00:00"
    made: State = {
        "run": {
            "key.$": "$.keyed.key",
            "id.$": _NAME,
            "date.$": _assembled("{}-{}-{}", "$.start"),
            "interval_start.$": _assembled(instant, "$.start"),
            "interval_end.$": _assembled(instant, "$.end"),
            "hash.$": "States.Hash($$.Execution.Id, 'MD5')",
            **_suffix(facts),
        },
        "parameters.$": "States.JsonMerge($.defaults, $.input.parameters, false)",
        "steps": {},
    }
    entry = states.add("Run", {"Type": "Pass", "Parameters": made, "Next": following})
    named: State = {"key.$": _NAME}
    without = states.add("No interval", {**_split((_BEGAN, _BEGAN), named), "Next": entry})
    if plan.keyed_by == "interval":
        compact = {"key.$": _assembled("{}{}{}T{}{}{}", "$.start")}
        key = {"Type": "Pass", "Parameters": compact, "ResultPath": "$.keyed", "Next": entry}
        named, entry = {}, states.add("Key of the interval", key)
    ends = (f"$.input.{_START}", f"$.input.{_END}")
    given = states.add("Interval", {**_split(ends, named), "Next": entry})
    wrong = states.add(
        "Wrong interval", {"Type": "Fail", "Error": "WrongInput", "Cause": _WRONG_INPUT}
    )
    there = [{"Variable": end, "IsPresent": True} for end in ends]
    utc = [
        {"Or": [{"Variable": end, "StringMatches": pattern} for pattern in _UTC]} for end in ends
    ]
    choices = [{"And": [*there, *utc], "Next": given}, {"Or": there, "Next": wrong}]
    asked = states.add("Interval given", {"Type": "Choice", "Choices": choices, "Default": without})
    # Merged in a state of its own, as a function takes no object that is written out.
    merged = {
        "defaults.$": "$.defaults",
        "input.$": "States.JsonMerge($.empty, $.given, false)",
    }
    entry = states.add(
        "Input with parameters", {"Type": "Pass", "Parameters": merged, "Next": asked}
    )
    first = {
        "defaults": {one.name: one.default for one in plan.parameters},
        "empty": {"parameters": {}},
        "given.$": "$",
    }
    return states.add("Input", {"Type": "Pass", "Parameters": first, "Next": entry})


def _split(ends: tuple[str, str], keyed: State) -> State:
    parts = {
        "defaults.$": "$.defaults",
        "input.$": "$.input",
        "start.$": f"States.StringSplit({ends[0]}, '-:T.+Z')",
        "end.$": f"States.StringSplit({ends[1]}, '-:T.+Z')",
        "keyed": keyed,
    }
    return {"Type": "Pass", "Parameters": parts}


def _assembled(pattern: str, parts: str) -> str:
    items = [f"States.ArrayGetItem({parts}, {number})" for number in range(pattern.count("{}"))]
    return f"States.Format('{pattern}', {', '.join(items)})"


def _suffix(facts: Facts) -> dict[str, Any]:
    # A tuning job's name is too short for the hash.
    lengths = [facts.name_length(node) for node in facts.nodes.values() if isinstance(node, Job)]
    last = "States.ArrayGetItem(States.StringSplit(States.UUID(), '-'), 4)"
    return {} if all(map(facts.is_hashed, lengths)) else {"suffix.$": last}
