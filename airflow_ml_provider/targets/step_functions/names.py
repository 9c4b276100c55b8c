"""Names of states, jobs and resources, within the limits of each service."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_STATE_NAME = 80
MAX_NAME = 63
"""Of a SageMaker job or model."""
HASH = 32
"""Characters of ``$.run.hash``, the MD5 of the execution's id."""
SUFFIX = 12
"""Characters of ``$.run.suffix``, the last group of a UUID, where there is no room for the hash."""
INDEX = 5
"""Characters of an item's index with its hyphen."""
REDRIVE = 3
"""Characters of how often the execution was redriven, with a hyphen."""
# The noun of each kind of SageMaker job, the field of its name, and the longest name; see the API
# reference of CreateTrainingJob and its sisters.
SAGEMAKER = {
    "sagemaker_training": ("TrainingJob", "TrainingJobName", MAX_NAME),
    "sagemaker_processing": ("ProcessingJob", "ProcessingJobName", MAX_NAME),
    "sagemaker_transform": ("TransformJob", "TransformJobName", MAX_NAME),
    "sagemaker_tuning": ("HyperParameterTuningJob", "HyperParameterTuningJobName", 32),
}
_DIGEST = 4


class StateNames:
    """Hands out names of states: at most 80 characters, each once in the whole machine.

    Names of steps are taken from the start, so that a step's own state is called as the step is.
    """

    def __init__(self, steps: Iterable[str]) -> None:
        self._taken = set(steps)

    def new(self, name: str) -> str:
        """Give the name itself if it is free, else the name with a number."""
        number, found = 1, name[:_STATE_NAME].rstrip()
        while found in self._taken:
            number += 1
            ending = f" ({number})"
            found = name[: _STATE_NAME - len(ending)] + ending
        self._taken.add(found)
        return found


def keys(steps: Iterable[str]) -> dict[str, str]:
    """Give each step its key in the state, without hyphens: those would have to be quoted."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for step in steps:
        key = plain = step.replace("-", "_")
        number = 1
        while key in taken:
            number += 1
            key = f"{plain}_{number}"
        taken.add(key)
        found[step] = key
    return found


class Labels:
    """``<pipeline>-<step>`` as names may begin: letters, digits and single hyphens."""

    def __init__(self, pipeline: str, steps: Iterable[str]) -> None:
        self._words: Mapping[str, str] = {
            step: re.sub(r"[^A-Za-z0-9]+", "-", f"{pipeline}-{step}").strip("-") for step in steps
        }
        # Two steps may differ only in what is replaced: `a_b` and `a-b`.
        self._count = Counter(self._words.values())

    def of(self, step: str, length: int) -> str:
        """Give a step's label; if it is cut or shared, a digest keeps it apart from others."""
        words = self._words[step]
        if len(words) <= length and self._count[words] == 1:
            return words
        digest = hashlib.sha256(step.encode()).hexdigest()[:_DIGEST]
        return f"{words[: length - _DIGEST - 1].rstrip('-')}-{digest}"
