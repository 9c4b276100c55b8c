"""Arguments of a Glue job."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOOKMARKS = ("job-bookmark-enable", "job-bookmark-pause", "job-bookmark-disable")
_CONTINUATIONS = ("continuation-enabled", "continuation-readonly", "continuation-ignore")
# What Glue itself passes: a script may read these, not ask for them.
_RESERVED: dict[str, tuple[str, ...] | None] = {
    "job-bookmark-option": _BOOKMARKS,
    "continuation-option": _CONTINUATIONS,
    "job-bookmark-from": None,
    "job-bookmark-to": None,
    "JOB_ID": None,
    "JOB_RUN_ID": None,
    "SECURITY_CONFIGURATION": None,
    "encryption-type": ("sse-s3",),
    "enable-data-lineage": None,
}
_TEMPORARY = ("RedshiftTempDir", "TempDir")


class GlueArgumentError(Exception):
    """The job was started without an argument that its script needs."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(  # noqa: N802, the name is Glue's
    args: Sequence[str], options: Sequence[str]
) -> dict[str, str | None]:
    """Answer the arguments named in `options`, and those of Glue's own that were given.

    Args:
        args: `sys.argv`.
        options: names without the leading `--`; each must have been given.

    Raises:
        GlueArgumentError: an option is missing or has no value.
        RuntimeError: an option is one that Glue reserves, or bookmark bounds do not fit.

    See https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-get-resolved-options.html.

    """
    for name in options:
        if name in _RESERVED:
            raise RuntimeError(f"Using reserved arguments --{name}")
    parser = _Parser()
    for name, choices in _RESERVED.items():
        parser.add_argument(f"--{name}", choices=choices)
    for name in _TEMPORARY:
        parser.add_argument(f"--{name}")
    for name in options:
        if name not in _TEMPORARY:
            parser.add_argument(f"--{name}", required=True)
    found: dict[str, str | None] = vars(parser.parse_known_args(args[1:])[0])

    temporary = found["TempDir"] if found["TempDir"] is not None else found["RedshiftTempDir"]
    found.update(dict.fromkeys(_TEMPORARY, temporary))
    continuation = found.pop("continuation_option")
    if found["job_bookmark_option"] is None:
        index = _BOOKMARKS.index("job-bookmark-disable")
        if continuation is not None:
            index = _CONTINUATIONS.index(continuation)
        found["job_bookmark_option"] = _BOOKMARKS[index]
    bounds = [found["job_bookmark_from"], found["job_bookmark_to"]]
    paused = found["job_bookmark_option"] == "job-bookmark-pause"
    if (paused and bounds.count(None) == 1) or (not paused and None not in bounds):
        raise RuntimeError(
            "--job-bookmark-from and --job-bookmark-to go together, and only with "
            "--job-bookmark-option job-bookmark-pause"
        )
    return found
