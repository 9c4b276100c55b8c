"""States under construction: they are made from the last to the first, as each names its next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.targets.step_functions import paths

if TYPE_CHECKING:
    from airflow_ml_provider.targets.step_functions.names import StateNames

State = dict[str, Any]


class States:
    """The states of one machine or branch, first those that were added last.

    ``branch`` names the part beside which others run; empty for the whole machine. A failure in a
    branch becomes its result, so that the others go on; else it ends the execution.
    """

    def __init__(self, names: StateNames, branch: str = "", *, in_map: bool = False) -> None:
        self.names = names
        self.branch = branch
        self.in_map = in_map
        self._states: dict[str, State] = {}
        self._failed = ""

    def add(self, name: str, state: State, *, is_step: bool = False) -> str:
        """Add a state before those that are there, and give its name in the machine."""
        found = name if is_step else self.names.new(name)
        self._states[found] = state
        return found

    def machine(self, start: str) -> dict[str, Any]:
        """Give ``StartAt`` and ``States``: those that can be reached, as AWS takes no others."""
        reached: set[str] = set()
        pending = [start]
        while pending:
            name = pending.pop()
            if name not in reached:
                reached.add(name)
                pending += _targets(self._states[name])
        ordered = reversed(self._states.items())
        return {"StartAt": start, "States": {n: state for n, state in ordered if n in reached}}

    @property
    def failed(self) -> str:
        """The state that fails the machine or branch with what is in ``$.failure``."""
        if not self._failed:
            if self.branch:
                result = {"failure.$": paths.FAILURE}
                state: State = {"Type": "Pass", "Parameters": result, "End": True}
            else:
                error, cause = (paths.below(paths.FAILURE, key) for key in ("Error", "Cause"))
                state = {"Type": "Fail", "ErrorPath": error, "CausePath": cause}
            self._failed = self.add(f"{self.branch}: failed" if self.branch else "Failed", state)
        return self._failed

    def fail(self, name: str, error: str, cause: Any, *, is_step: bool = False) -> str:
        """Add a state that fails with an error; ``cause`` is text or an intrinsic function."""
        dynamic = not isinstance(cause, str)
        if self.branch or dynamic:
            field = {"Cause.$": cause.text} if dynamic else {"Cause": cause}
            state: State = {
                "Type": "Pass",
                "Parameters": {"Error": error, **field},
                "ResultPath": paths.FAILURE,
                "Next": self.failed,
            }
        else:
            state = {"Type": "Fail", "Error": error, "Cause": cause}
        return self.add(name, state, is_step=is_step)

    def catch(self, target: str | None = None) -> dict[str, Any]:
        """Give the ``Catch`` field of a task: to ``target``, else to the branch's own end."""
        if target is None and not self.branch:
            return {}
        target = target or self.failed
        return {
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": paths.FAILURE, "Next": target}]
        }


def _targets(state: State) -> list[str]:
    leading = [state, *state.get("Choices", ()), *state.get("Catch", ())]
    return [one[key] for one in leading for key in ("Next", "Default") if key in one]
