"""Which of an environment's options and of startup.sh's variables have an effect?

MWAA takes, later ones winning: its own defaults, startup.sh, the environment's options, protected
variables, what it forces.
https://docs.aws.amazon.com/mwaa/latest/userguide/configuring-env-variables.html
https://docs.aws.amazon.com/mwaa/latest/userguide/using-startup-script.html
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

from airflow_ml_provider.aws.validation import request_problems
from airflow_ml_provider.get_provider_info import get_provider_info
from airflow_ml_provider.mwaa.finding import (
    ERROR,
    GOOD,
    NOTE,
    OPTIONS,
    SKIPPED,
    STARTUP,
    WARNING,
    Finding,
)
from airflow_ml_provider.mwaa.versions import PROTECTED_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airflow_ml_provider.mwaa.versions import MwaaVersion

_OWN = "airflow_ml_provider"
_VARIABLE = re.compile(r"AIRFLOW__(?P<section>.+?)__(?P<option>.+)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SYNTAX_SECONDS = 30


def forced_finding(version: MwaaVersion) -> Finding:
    """Say which options MWAA sets itself on a version."""
    fixed = [
        name if value.startswith("<") else f"{name}={value}"
        for name, value in sorted(version.forced.items())
    ]
    return Finding(OPTIONS, NOTE, f"MWAA {version.airflow} itself sets {', '.join(fixed)}")


def option_findings(version: MwaaVersion, options: Mapping[str, str]) -> Iterator[Finding]:
    """Say which of an environment's options have no effect, or are spelled wrong.

    :param options: ``AirflowConfigurationOptions``, by ``section.option``.
    """
    found: list[Finding] = []
    own = get_provider_info()["config"][_OWN]["options"]
    for name, value in options.items():
        section, _, option = name.partition(".")
        if not (section and option) or _refused(name, "any"):
            said = f"{name!r} is no option"
            mend = f"spell it {_option(name)}, in small letters, digits and _, 64 at most"
            found.append(Finding(OPTIONS, ERROR, said, mend))
        elif section == _OWN and option not in own:
            said = f"{name!r} is no option of this package"
            found.append(Finding(OPTIONS, ERROR, said, f"it has {', '.join(own)}"))
        elif _refused(name, value):
            said = f"{name}: MWAA takes no such value"
            mend = "give 1 to 65536 characters of printable ASCII, or leave the option out"
            found.append(Finding(OPTIONS, ERROR, said, mend))
        elif name in version.forced:
            said = f"{name} has no effect: MWAA makes it {version.forced[name]}"
            found.append(Finding(OPTIONS, WARNING, said, "remove it from the environment"))
    said = f"{len(options)} options are set, and MWAA overrides none of them"
    yield from found or [Finding(OPTIONS, GOOD, said)]


def startup_findings(
    version: MwaaVersion, options: Mapping[str, str], script: Path
) -> Iterator[Finding]:
    """Say which variables of a startup script have no effect, and whether Bash can read it.

    Read, not run: a variable counts as set where the script exports it, under any condition.
    """
    found = [*_syntax_findings(script)]
    effective = {name.lower(): value for name, value in options.items()}
    for name, value in exports(script.read_text(encoding="utf-8", errors="replace")).items():
        option = _option(name)
        if name in PROTECTED_VARIABLES or name.startswith("MWAA__"):
            said, mend = f"{name} has no effect: MWAA protects it", "remove it"
        elif option in version.forced:
            said = f"{name} has no effect: MWAA makes it {version.forced[option]}"
            mend = "remove it"
        elif option in effective and effective[option] != value:
            said = f"{name} has no effect: the environment's option {option} wins"
            mend = "set it in one place"
        else:
            continue
        found.append(Finding(STARTUP, WARNING, said, mend))
    yield from found or [Finding(STARTUP, GOOD, f"{script}: all that it exports has an effect")]


def exports(text: str) -> dict[str, str]:
    """Give the variables that a script exports, each with the value as it is written there."""
    known: dict[str, str] = {}
    exported: dict[str, None] = {}
    for line in text.replace("\\\n", " ").splitlines():
        exporting = False
        for word in _words(line):
            name, given, value = word.partition("=")
            if word == "export":
                exporting = True
            elif not _NAME.fullmatch(name):
                exporting = exporting and word.startswith("-")
            else:
                if given:
                    known[name] = value
                if exporting:
                    exported[name] = None
    return {name: known.get(name, "") for name in exported}


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quote that ends on a later line
        return line.split()


def _refused(name: str, value: str) -> bool:
    """Tell whether MWAA's API takes no such option."""
    request = {"Name": "any", "AirflowConfigurationOptions": {name: value}}
    return bool(request_problems("mwaa", "UpdateEnvironment", request))


def _option(name: str) -> str:
    """Spell a variable such as ``AIRFLOW__CORE__EXECUTOR`` as ``core.executor``."""
    match = _VARIABLE.fullmatch(name.upper())
    return f"{match['section']}.{match['option']}".lower() if match else "section.option"


def _syntax_findings(script: Path) -> Iterator[Finding]:
    bash = shutil.which("bash")
    if bash is None:
        yield Finding(STARTUP, SKIPPED, f"{script}: its syntax, for want of bash here")
        return
    done = subprocess.run(  # noqa: S603 - reads the script, and runs none of it
        [bash, "-n", str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SYNTAX_SECONDS,
    )
    if done.returncode:
        said = f"Bash can't read it: {done.stderr.strip()}"
        yield Finding(STARTUP, ERROR, said, "mend the line that it names")
