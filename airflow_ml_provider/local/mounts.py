"""Each job sees its own /opt/ml: a private mount namespace where the machine allows one.

Without namespaces (macOS, hardened hosts) the work folder stands in for /opt/ml: paths in the
job's arguments, environment and configuration files are rewritten to it. A script that spells
``/opt/ml`` itself then fails, which is why this is only the fallback.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ML_ROOT = "/opt/ml"
_ML_PATH = re.compile(r"(?<![\w.-])/opt/ml(?![\w.-])")

# $1: work folder, $2: empty scratch folder, $3: working directory, the rest: the job's command.
# Without an /opt/ml to mount on, /opt becomes a tmpfs that shows its old entries and ours.
# setpriv ends the job even if the server is killed; it comes last, or unshare would undo it.
_ENTER = r"""
set -e
work=$1 scratch=$2 cwd=$3
shift 3
if [ ! -d /opt/ml ]; then
  mount --rbind /opt "$scratch"
  mount -t tmpfs -o mode=755 tmpfs /opt
  for entry in "$scratch"/* "$scratch"/.[!.]*; do
    name=/opt/${entry##*/}
    if [ -L "$entry" ]; then cp -P "$entry" "$name"
    elif [ -d "$entry" ]; then mkdir "$name"; mount --rbind "$entry" "$name"
    elif [ -e "$entry" ]; then : > "$name"; mount --bind "$entry" "$name"
    fi
  done
  mkdir /opt/ml
fi
mount --bind "$work" /opt/ml
cd "$cwd"
if command -v setpriv >/dev/null; then exec setpriv --pdeathsig KILL "$@"; fi
exec "$@"
"""


@dataclass(frozen=True)
class Isolation:
    """How a job gets its /opt/ml: by `unshare` with these options, or, without, by rewriting."""

    unshare: tuple[str, ...] | None

    def wrap(self, argv: tuple[str, ...], *, ml: Path, cwd: str) -> tuple[str, ...]:
        """Return the command that runs `argv` in directory `cwd` with `ml` as its /opt/ml.

        Args:
            argv: the job's command.
            ml: the job's own folder; beside it a folder ``mount-scratch`` is made.
            cwd: a directory as the job sees it, such as ``/opt/ml/code``.

        """
        if self.unshare is None:
            return tuple(self.relocate(part, ml) for part in argv)
        scratch = ml.parent / "mount-scratch"
        scratch.mkdir(exist_ok=True)
        return (*self.unshare, "sh", "-c", _ENTER, "sh", str(ml), str(scratch), cwd, *argv)

    def relocate(self, text: str, ml: Path) -> str:
        """Return `text` with /opt/ml as the job must spell it."""
        return text if self.unshare else _ML_PATH.sub(lambda _: str(ml), text)


REWRITING = Isolation(None)


def find_isolation() -> Isolation:
    """Try what this machine allows, once: root's own namespace, a user namespace, or rewriting."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return REWRITING
    for options in (("--mount",), ("--user", "--map-root-user", "--mount")):
        isolation = Isolation((unshare, *options))
        if _works(isolation):
            return isolation
    return REWRITING


def _works(isolation: Isolation) -> bool:
    with tempfile.TemporaryDirectory(prefix="airflow-ml-mount-") as folder:
        ml = Path(folder, "ml")
        ml.mkdir()
        (ml / "probe").touch()
        command = isolation.wrap(("test", "-e", f"{ML_ROOT}/probe"), ml=ml, cwd=ML_ROOT)
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                command, capture_output=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


def inside(ml: Path, path: str) -> Path:
    """Return where a job's path below /opt/ml lies on this machine.

    Raises:
        ValueError: for a path outside /opt/ml.

    """
    target = Path(str(ml) + path.removeprefix(ML_ROOT)) if path.startswith(ML_ROOT) else None
    if target is None or ".." in target.parts or not target.is_relative_to(ml):
        raise ValueError(f"{path!r} is not a path below {ML_ROOT}")
    return target
