"""``airflow-ml local``: the local AWS until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from airflow_ml_provider.cli import laptop

if TYPE_CHECKING:
    from airflow_ml_provider.local.server import LocalAws

_MISSING = "{error}\nThe local AWS needs its extra: pip install 'airflow-ml-provider[local]'\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=4566, help="0 takes any free port")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="take another --host: for a container whose port is published on 127.0.0.1 alone",
    )
    parser.add_argument("--bucket", action="append", default=[], help="made in its S3")
    parser.add_argument("--topic", action="append", default=[], help="made in its SNS")
    parser.add_argument(
        "--connection",
        action="append",
        default=[],
        type=_connection,
        metavar="CONN_ID",
        help="of the variable AIRFLOW_CONN_<ID>; kept in its Secrets Manager, where jobs look",
    )
    parser.add_argument("--state-dir", type=Path, help="where jobs and their logs are kept")
    parser.add_argument("--max-jobs", type=_positive, help="jobs that run at once")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        type=_image_python,
        metavar="IMAGE_GLOB=PYTHON",
        help="the Python that runs the jobs of these images; 'glue' and 'emr-serverless' too",
    )
    parser.add_argument(
        "--stop-grace-seconds",
        type=float,
        default=120.0,
        help="between SIGTERM and SIGKILL of a stopped job",
    )
    parser.add_argument(
        "--no-namespaces",
        action="store_true",
        help="rewrite /opt/ml paths instead of giving each job a mount namespace",
    )
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help="state machines and SageMaker pipelines may do what the policies of their role allow",
    )
    parser.add_argument(
        "--ready-file", type=Path, help="gets the endpoint URL when the server answers"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; return 1 if it can't start."""
    try:
        from airflow_ml_provider.local.server import (  # noqa: PLC0415 - the extra may be missing
            LocalAws,
            ServerError,
        )
    except ModuleNotFoundError as error:
        sys.stderr.write(_MISSING.format(error=error))
        return 1
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    aws = LocalAws(
        host=args.host,
        port=args.port,
        state_dir=args.state_dir,
        max_jobs=args.max_jobs,
        pythons=dict(args.python),
        stop_grace_seconds=args.stop_grace_seconds,
        namespaces=not args.no_namespaces,
        enforce_iam=args.enforce_iam,
        allow_remote=args.allow_remote,
    )
    try:
        with aws:
            _fill(aws.endpoint_url, args)
            _say(_banner(aws))
            if args.ready_file:
                args.ready_file.write_text(aws.endpoint_url + "\n")
            stop.wait()
            _say("Ending the jobs that still run.")
    except ServerError as error:
        sys.stderr.write(f"airflow-ml local: {error}\n")
        return 1
    return 0


def _fill(endpoint_url: str, args: argparse.Namespace) -> None:
    if args.bucket or args.topic:
        laptop.prepare_account(endpoint_url, args.bucket, args.topic)
    if args.connection:
        laptop.keep_secrets(laptop.client("secretsmanager", endpoint_url), args.connection)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _banner(aws: LocalAws) -> str:
    ml = (
        "each job has its own /opt/ml (mount namespace)"
        if aws.isolation.unshare
        else "no mount namespaces here: /opt/ml is rewritten in arguments, environment and "
        "configuration files, so a script must not spell /opt/ml itself"
    )
    return f"""\
The local AWS answers at {aws.endpoint_url}. Use it from another shell:

  export AWS_ENDPOINT_URL={aws.endpoint_url}
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1

Jobs    run on this machine with your own rights and {sys.executable}
        (--python IMAGE_GLOB=PYTHON for another one): no image is pulled, nothing is installed;
        at most {aws.max_jobs} at once; {ml}.
State   lives as long as this process; jobs' folders and logs stay in
        {aws.state_dir}
"""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: must be 1 or more")
    return number


def _connection(conn_id: str) -> str:
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    if not os.environ.get(name):
        raise argparse.ArgumentTypeError(f"{conn_id!r} needs the variable {name}")
    return conn_id


def _image_python(text: str) -> tuple[str, Path]:
    glob, _, python = text.partition("=")
    path = Path(python).expanduser()
    if not glob or not path.is_file():
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be IMAGE_GLOB=PATH, with the path of a Python interpreter"
        )
    return glob, path.absolute()
