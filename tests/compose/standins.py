"""Images that stand for the official ones where no image registry is reachable.

They are made by debootstrap and `docker import`, with a Python of this machine in the place where
the official images of Python have theirs, and with this machine's certificates.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docker_engine import docker

# What runs Airflow: MWAA's packages are for its own Python.
PYTHONS = {"3.11": "python:3.11-slim-bookworm", "3.12": "python:3.12-slim-bookworm"}
OFFICIAL = {
    "POSTGRES_IMAGE": "postgres:16-bookworm",
    "REDIS_IMAGE": "redis:7-bookworm",
}
DOCKERFILES = Path(__file__).with_name("standins")
NAME = "airflow-ml-standin-{}:bookworm"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# What Python's own modules are linked against, in Debian's names.
LIBRARIES = "libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,zlib1g"
LEFT_OUT = ("site-packages", "test", "__pycache__", "idlelib", "*.a")


def images(python: str = "3.11") -> dict[str, str]:
    """Give the variables of docker-compose.yaml that name images which can be had here.

    Args:
        python: minor version of the one that runs Airflow.
    """
    official = {"BASE_IMAGE": PYTHONS[python], **OFFICIAL}
    if all(_there(image) or _pulled(image) for image in official.values()):
        return official
    debian = NAME.format("debian")
    if not _there(debian):
        _import(debian)
    found = {"BASE_IMAGE": NAME.format(f"python{python}")}
    if not _there(found["BASE_IMAGE"]):
        _add_python(debian, python, found["BASE_IMAGE"])
    for service in ("postgres", "redis"):
        name = found[f"{service.upper()}_IMAGE"] = NAME.format(service)
        _build(name, debian, DOCKERFILES / service)
    return found


def _build(name: str, base: str, folder: Path) -> None:
    docker("build", "--quiet", "--build-arg", f"BASE_IMAGE={base}", "--tag", name, str(folder))


def _there(image: str) -> bool:
    return bool(docker("images", "--quiet", image))


def _pulled(image: str) -> bool:
    try:
        docker("pull", "--quiet", image)
    except RuntimeError:
        return False
    return True


def _import(name: str) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise RuntimeError(
            "no image registry is reachable, and stand-ins need root and debootstrap; mend: "
            "apt-get install debootstrap, or pull "
            + ", ".join((*PYTHONS.values(), *OFFICIAL.values()))
        )
    with tempfile.TemporaryDirectory(prefix="airflow-ml-standin-") as folder:
        root = Path(folder)
        subprocess.run(
            [
                *("debootstrap", "--variant=minbase", f"--include=ca-certificates,{LIBRARIES}"),
                *("bookworm", root),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.copy(BUNDLE, root / BUNDLE.lstrip("/"))
        subprocess.run(["chroot", root, "apt-get", "clean"], check=True)
        tar = ["tar", "-C", root, "-c", "."]
        environment = f"ENV PIP_CERT={BUNDLE} SSL_CERT_FILE={BUNDLE}"
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as packed:
            subprocess.run(
                ["docker", "import", "--change", environment, "-", name],
                stdin=packed.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        if packed.returncode:
            raise RuntimeError("tar failed")


def _add_python(debian: str, version: str, name: str) -> None:
    source, python = _prefix(version), f"python{version}"
    with tempfile.TemporaryDirectory(prefix="airflow-ml-python-") as folder:
        prefix = Path(folder, "local")
        shutil.copytree(
            source / "lib" / python,
            prefix / "lib" / python,
            symlinks=True,
            ignore=shutil.ignore_patterns(*LEFT_OUT),
        )
        for library in (source / "lib").glob("libpython*.so*"):
            shutil.copy(library, prefix / "lib", follow_symlinks=False)
        (prefix / "bin").mkdir()
        shutil.copy(source / "bin" / python, prefix / "bin")
        for link in ("python", "python3"):
            (prefix / "bin" / link).symlink_to(python)
        lines = (
            "ARG BASE_IMAGE",
            "FROM ${BASE_IMAGE}",
            "COPY local /usr/local",
            "RUN ldconfig",
            "",
        )
        Path(folder, "Dockerfile").write_text("\n".join(lines))
        _build(name, debian, Path(folder))


def _prefix(version: str) -> Path:
    """Find where a Python of a minor version is installed: this one, one beside it, one on PATH."""
    name = f"python{version}"
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/{name}"))
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"
    for python in (sys.executable, *beside, shutil.which(name) or ""):
        if python:
            said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            found, _, prefix = said.stdout.strip().partition(" ")
            if found == version:
                return Path(prefix)
    raise RuntimeError(
        f"there is no Python {version} for a stand-in; mend: pyenv install {version}"
    )
