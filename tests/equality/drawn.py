"""Random pipelines: jobs that wait for each other, choices, maps, fallbacks, retries, failures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from behaviour import ALWAYS, Behaviour
from fakes import METRIC, REPORT
from hypothesis import strategies as st

from airflow_ml_provider.pipeline import (
    Choice,
    Fail,
    Item,
    Map,
    Parameter,
    Pipeline,
    Processing,
    Report,
    Retry,
    Run,
    Text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_ml_provider.pipeline import Condition, Step

LEAST = Parameter("least", 0.5)
LABEL = Parameter("label", "plain")
METRICS = (0.25, 0.5, 0.75, 2)
MOST_STEPS = 9


@dataclass(frozen=True)
class Drawn:
    """A pipeline, what its jobs do, and the parameters that its run is given."""

    pipeline: Pipeline
    behaviours: Mapping[str, Behaviour]
    parameters: Mapping[str, Any]


@st.composite
def drawn(draw: st.DrawFn, folder: Path, name: str) -> Drawn:
    """Draw a pipeline; every third or so has a job that fails."""
    maker = _Maker(draw, draw(st.booleans()))
    steps = maker.block(draw(st.integers(1, 6)), [])
    pipeline = Pipeline(name, root="s3://equality/ml", folder=folder, steps=steps)
    parameters = draw(st.fixed_dictionaries({}, optional={"least": st.sampled_from(METRICS[:3])}))
    held = {one.name for one in pipeline.parameters}
    given = {key: value for key, value in parameters.items() if key in held}
    return Drawn(pipeline, maker.behaviours, given)


class _Maker:
    def __init__(self, draw: st.DrawFn, fails: bool) -> None:
        self._draw = draw
        self._fails = fails
        self._numbers = count(1)
        # Those whose metric is always a number: requests may hold it.
        self._sound: set[str] = set()
        self.behaviours: dict[str, Behaviour] = {}

    def block(
        self, length: int, seen: list[Processing], map_name: str | None = None, depth: int = 0
    ) -> list[Step]:
        """Draw steps; each may refer to ``seen`` and to those before it in the block."""
        draw = self._draw
        steps: list[Step] = []
        seen = list(seen)
        for _ in range(length):
            if next(self._numbers) > MOST_STEPS and steps:
                break
            kinds = ["job"] * 5
            if depth < 2:
                kinds += ["choice"] * 2 if seen else []
                kinds += ["map", "fallback"] if map_name is None else []
            if self._fails and depth and not steps:
                kinds.append("fail")
            kind = draw(st.sampled_from(kinds))
            after = self._after(steps)
            if kind == "choice":
                steps.append(self._choice(seen, after, map_name, depth))
            elif kind == "map":
                steps.append(self._map(seen, after, depth))
            elif kind == "fail":
                steps.append(Fail(self._name("fail"), message="It was drawn to fail.", after=after))
            else:
                fallback = ()
                if kind == "fallback":
                    fallback = tuple(self.block(draw(st.integers(1, 2)), seen, map_name, depth + 1))
                job = self._job(seen, after, map_name, fallback)
                steps.append(job)
                if not fallback:
                    seen.append(job)
        return steps

    def _name(self, noun: str) -> str:
        return f"{noun}-{next(self._numbers)}"

    def _after(self, steps: list[Step]) -> tuple[Step, ...]:
        if not steps:
            return ()
        chosen = self._draw(st.lists(st.sampled_from(range(len(steps))), max_size=2, unique=True))
        return tuple(steps[n] for n in sorted(chosen))

    def _job(
        self,
        seen: list[Processing],
        after: tuple[Step, ...],
        map_name: str | None,
        fallback: tuple[Step, ...],
    ) -> Processing:
        draw = self._draw
        name = self._name("job")
        inputs = {
            f"from-{one.name}": one["data"]
            for one in (draw(st.lists(st.sampled_from(seen), max_size=2)) if seen else ())
        }
        values: list[Any] = [
            LABEL,
            LEAST,
            Run.KEY,
            Run.DATE,
            Text("{label}-x", label=LABEL),
            "it's {a}",
        ]
        if sound := [one for one in seen if one.name in self._sound]:
            values.append(draw(st.sampled_from(sound)).metric(*METRIC))
        if map_name:
            values.append(Text("n{n}", n=Item(map_name, ("n",))))
        arguments = {
            f"a{n}": value
            for n, value in enumerate(draw(st.lists(st.sampled_from(values), max_size=2)))
        }
        attempts = draw(st.integers(0, 2))
        several = 3 if map_name else 1
        failures = tuple(self._failures() for _ in range(several))
        found = Behaviour(
            failures=failures,
            metrics=tuple(self._metric() for _ in range(several)),
            # Airflow waits throttles out, the others count them as tries.
            refusals=0 if any(failures) else draw(st.integers(0, attempts)),
        )
        self.behaviours[name] = found
        if all(metric in METRICS for metric in found.metrics):
            self._sound.add(name)
        return Processing(
            name,
            script="job.py",
            image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/python:1",
            inputs=inputs,
            outputs=("data", REPORT[0]),
            report=Report(*REPORT),
            arguments=arguments,
            environment={
                "STEP": name,
                "ITEM": Item(map_name, ("name",)) if map_name else "none",
            },
            role_arn="arn:aws:iam::123456789012:role/jobs",
            retry=Retry(attempts=attempts, interval_seconds=0, backoff=1.0),
            after=after,
            fallback=fallback,
        )

    def _failures(self) -> int:
        if not self._fails:
            return 0
        return self._draw(st.sampled_from([0, 0, 0, 0, 1, 2, ALWAYS]))

    def _metric(self) -> object:
        strange = [None, "text"] if self._fails else []
        return self._draw(st.sampled_from([*METRICS, *METRICS, *strange]))

    def _condition(self, seen: list[Processing], depth: int = 0) -> Condition:
        draw = self._draw
        kind = draw(st.sampled_from(["compare"] * 3 + (["and", "or", "not"] if depth < 2 else [])))
        if kind == "compare":
            left = draw(st.sampled_from(seen)).metric(*METRIC)
            right = draw(st.sampled_from([LEAST, *METRICS]))
            return draw(st.sampled_from([left < right, left <= right, left > right, left >= right]))
        one = self._condition(seen, depth + 1)
        if kind == "not":
            return ~one
        other = self._condition(seen, depth + 1)
        return one & other if kind == "and" else one | other

    def _choice(
        self, seen: list[Processing], after: tuple[Step, ...], map_name: str | None, depth: int
    ) -> Choice:
        draw = self._draw
        name = self._name("choice")
        when = self._condition(seen)
        lengths = draw(st.sampled_from([(1, 0), (0, 1), (1, 1), (2, 1), (2, 2)]))
        arms = [self.block(length, seen, map_name, depth + 1) for length in lengths]
        return Choice(name, when, then=arms[0], otherwise=arms[1], after=after)

    def _map(self, seen: list[Processing], after: tuple[Step, ...], depth: int) -> Map:
        draw = self._draw
        name = self._name("map")
        items = [{"name": f"item-{n}", "n": n} for n in range(draw(st.integers(1, 3)))]
        body = self.block(draw(st.integers(1, 2)), seen, name, depth + 1)
        return Map(name, items=items, body=body, after=after, concurrency=draw(st.integers(0, 2)))
