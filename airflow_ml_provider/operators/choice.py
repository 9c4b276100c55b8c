"""A gate: one of two arms goes on."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider._compat import AirflowFailException, BaseOperator, SkipMixin, skip_all_but
from airflow_ml_provider.jobs.errors import ReportError
from airflow_ml_provider.targets.airflow_values import REPORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_SIDES = ({"param"}, {"task_id", "metric"})


class ChoiceOperator(BaseOperator, SkipMixin):
    """Go on with ``then`` if ``when`` is true, else with ``otherwise``; skip the other arm.

    ``when`` is JSON. A comparison is ``{"op": ">=", "left": side, "right": side}`` with one of
    ``<``, ``<=``, ``>``, ``>=``; they are joined by ``{"all": [...]}``, ``{"any": [...]}`` and
    ``{"not": ...}``. A side is a number, ``{"task_id": "evaluate", "metric": ["section", "auc",
    "value"]}`` (of the report that the task left as an XCom; with ``"same_index": True`` the task
    instance of the same map index left it) or ``{"param": "threshold"}``.

    Every comparison is made and logged with its numbers. A metric that is missing or is no number
    fails the task. The XCom is ``{"decision": bool, "comparisons": [...]}``.

    :param then: ids of the first tasks of the arm; they must follow this task directly.
    :param otherwise: those of the other arm.
    """

    inherits_from_skipmixin = True
    template_fields = ("when",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"when": "json"}
    ui_color = "#f4e1d2"

    def __init__(
        self,
        *,
        when: Mapping[str, Any],
        then: Sequence[str] = (),
        otherwise: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        problems = list(_problems(when))
        if both := sorted(set(then) & set(otherwise)):
            problems.append(f"then and otherwise both hold {', '.join(both)}")
        if problems:
            raise ValueError(f"{self.task_id}: " + "; ".join(problems))
        self.when = when
        self.then = list(then)
        self.otherwise = list(otherwise)

    def execute(self, context: Any) -> dict[str, Any]:
        """Decide and skip.

        :raises AirflowFailException: a metric is missing or is no number.
        """
        ti = context["ti"]
        arms = {*self.then, *self.otherwise}
        if strange := sorted(arms - set(self.downstream_task_ids)):
            message = f"{', '.join(strange)} must follow {self.task_id} directly"
            raise AirflowFailException(message)
        comparisons: list[dict[str, Any]] = []
        decision = self._decide(self.when, context, comparisons)
        chosen, skipped = (self.then, self.otherwise) if decision else (self.otherwise, self.then)
        self.log.info("The condition is %s: %s go on.", decision, ", ".join(chosen) or "no tasks")
        result = {"decision": decision, "comparisons": comparisons}
        # Airflow 3 skips by raising, so the result would never be returned.
        ti.xcom_push(key="return_value", value=result)
        if skipped:
            skip_all_but(self, ti, set(self.downstream_task_ids) - set(skipped))
        return result

    def _decide(self, when: Mapping[str, Any], context: Any, seen: list[dict[str, Any]]) -> bool:
        for joined, join in (("all", all), ("any", any)):
            if joined in when:
                # All comparisons are made, so that a missing metric always fails.
                parts = [self._decide(part, context, seen) for part in when[joined]]
                return join(parts)
        if "not" in when:
            return not self._decide(when["not"], context, seen)
        left, right = (self._number(when[side], context) for side in ("left", "right"))
        holds = _OPERATORS[when["op"]](left, right)
        said = (_said(when["left"], left), when["op"], _said(when["right"], right))
        self.log.info("%s %s %s: %s", *said, holds)
        seen.append({**when, "left_value": left, "right_value": right, "holds": holds})
        return holds

    def _number(self, side: Any, context: Any) -> float:
        from airflow_ml_provider.jobs.report import metric  # noqa: PLC0415 - a worker's business

        if not isinstance(side, dict):
            return float(side)
        if "param" in side:
            report, path = context["params"], [side["param"]]
        else:
            ti = context["ti"]
            index = {"map_indexes": ti.map_index} if side.get("same_index") else {}
            report = ti.xcom_pull(task_ids=side["task_id"], key=REPORT, **index)
            path = side["metric"]
        try:
            return metric(report, path)
        except ReportError as error:
            raise AirflowFailException(f"{_name(side)}: {error}") from error


def _name(side: Mapping[str, Any]) -> str:
    if "param" in side:
        return f"parameter {side['param']}"
    return f"{side['task_id']} {'.'.join(side['metric'])}"


def _said(side: Any, number: float) -> str:
    return f"{_name(side)} ({number:g})" if isinstance(side, dict) else f"{number:g}"


def _problems(when: Any) -> Iterator[str]:
    keys = set(when) if isinstance(when, dict) else set()
    if keys in ({"all"}, {"any"}):
        for part in next(iter(when.values())):
            yield from _problems(part)
    elif keys == {"not"}:
        yield from _problems(when["not"])
    elif keys == {"op", "left", "right"}:
        if when["op"] not in _OPERATORS:
            yield f"when: {when['op']!r} is none of {', '.join(_OPERATORS)}"
        for side in (when["left"], when["right"]):
            known = isinstance(side, dict) and set(side) - {"same_index"} in _SIDES
            if not known and (isinstance(side, bool) or not isinstance(side, (int, float))):
                yield (
                    f"when: {side!r} is neither a number nor "
                    '{"task_id": ..., "metric": [...]} nor {"param": ...}'
                )
    else:
        yield f'when: {when!r} is neither a comparison nor "all", "any" or "not"'
