"""``airflow-ml mwaa package``: plugins.zip, requirements.txt and DAGs for an environment."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import airflow_ml_provider

if TYPE_CHECKING:
    import argparse

    from airflow_ml_provider.mwaa.package import Packaged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--version", required=True, help="the environment's Airflow version")
    parser.add_argument(
        "--offline",
        action="store_true",
        help="put all wheels into plugins.zip, for a web server without internet",
    )
    parser.add_argument(
        "--requirements", type=Path, help="requirements.txt; this package and its extract if none"
    )
    parser.add_argument("--dags", type=Path, default=Path("dags"), help="the DAGs folder")
    parser.add_argument(
        "--wheel", type=Path, help="of this package; built from its checkout if none"
    )
    parser.add_argument(
        "--wheelhouse", type=Path, help="a folder of more wheels, which go before the index"
    )
    parser.add_argument(
        "--no-index", action="store_true", help="take what lies in --wheelhouse, and nothing else"
    )
    parser.add_argument("--plugins", type=Path, help="a folder of Airflow plugins of your own")
    parser.add_argument("--startup-script", type=Path, help="the environment's startup.sh")
    parser.add_argument("--out", type=Path, help="gets the package; build/mwaa/<version> if none")


def run(args: argparse.Namespace) -> int:
    """Package all, or say what is in the way and return 1, with nothing written."""
    from airflow_ml_provider.mwaa.package import Inputs, PackageError, package  # noqa: PLC0415
    from airflow_ml_provider.mwaa.requirements import (  # noqa: PLC0415
        RequirementsError,
        default_text,
    )
    from airflow_ml_provider.mwaa.versions import UnknownVersionError, mwaa_version  # noqa: PLC0415

    try:
        version = mwaa_version(args.version)
        text = _text(args.requirements) if args.requirements else default_text(version)
        out = args.out or Path("build/mwaa") / version.airflow
        with tempfile.TemporaryDirectory() as made:
            inputs = Inputs(
                version=version,
                text=text,
                own=args.wheel or _built(Path(made)),
                dags=args.dags,
                wheelhouse=args.wheelhouse,
                plugins=args.plugins,
                startup=args.startup_script,
                offline=args.offline,
                index=not args.no_index,
            )
            packaged = package(inputs, out)
    except (UnknownVersionError, RequirementsError, PackageError, OSError) as error:
        print(f"{error}\nNothing was written.", file=sys.stderr)
        return 1
    _say(packaged, out)
    return 0


def _text(file: Path) -> str:
    from airflow_ml_provider.mwaa.requirements import RequirementsError  # noqa: PLC0415

    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequirementsError([f"--requirements {file}: {error}; save it as UTF-8"]) from error


def _built(folder: Path) -> Path:
    from airflow_ml_provider.mwaa.requirements import RequirementsError  # noqa: PLC0415
    from airflow_ml_provider.mwaa.wheelhouse import build  # noqa: PLC0415

    checkout = Path(airflow_ml_provider.__file__).parents[1]
    if not (checkout / "pyproject.toml").is_file():
        raise RequirementsError(
            [f"{checkout} is no checkout of this package to build it from; give its --wheel"]
        )
    return build(checkout, folder)


def _say(packaged: Packaged, out: Path) -> None:
    has = packaged.resolution
    print(f"{out}: for Amazon MWAA {has.version.airflow}; check it with sha256sum -c SHA256SUMS")
    print(f"  plugins.zip holds {', '.join(packaged.wheels)}")
    for name, (old, new) in sorted(has.replaced.items()):
        print(f"  {name} {new} replaces the {old} of the image")
    for name in packaged.unused:
        print(f"  {name} is not needed, and was left out")
