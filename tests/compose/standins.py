"""Images that stand for the official ones where no image registry is reachable.

They are made by debootstrap and `docker import`, with the Python that runs this in the place where
the official Python image has its own, and with this machine's certificates.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docker_engine import docker

OFFICIAL = {
    "BASE_IMAGE": "python:3.11-slim-bookworm",
    "POSTGRES_IMAGE": "postgres:16-bookworm",
    "REDIS_IMAGE": "redis:7-bookworm",
}
DOCKERFILES = Path(__file__).with_name("standins")
NAME = "airflow-ml-standin-{}:bookworm"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# What Python's own modules are linked against, in Debian's names.
LIBRARIES = "libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,zlib1g"
LEFT_OUT = ("site-packages", "test", "__pycache__", "idlelib", "*.a")


def images() -> dict[str, str]:
    """Give the variables of docker-compose.yaml that name images which can be had here."""
    missing = [image for image in OFFICIAL.values() if not _there(image)]
    if all(_pulled(image) for image in missing):
        return {}
    base = NAME.format("python")
    if not _there(base):
        _import(base)
    found = {"BASE_IMAGE": base}
    for service in ("postgres", "redis"):
        name = found[f"{service.upper()}_IMAGE"] = NAME.format(service)
        docker(
            *("build", "--quiet", "--build-arg", f"BASE_IMAGE={base}", "--tag", name),
            str(DOCKERFILES / service),
        )
    return found


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
            "apt-get install debootstrap, or pull " + ", ".join(OFFICIAL.values())
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
        _copy_python(root / "usr/local")
        shutil.copy(BUNDLE, root / BUNDLE.lstrip("/"))
        for command in (["apt-get", "clean"], ["ldconfig"]):
            subprocess.run(["chroot", root, *command], check=True)
        tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        environment = f"ENV PIP_CERT={BUNDLE} SSL_CERT_FILE={BUNDLE}"
        subprocess.run(
            ["docker", "import", "--change", environment, "-", name],
            stdin=tar.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        if tar.wait():
            raise RuntimeError("tar failed")


def _copy_python(prefix: Path) -> None:
    source, version = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copytree(
        source / "lib" / version,
        prefix / "lib" / version,
        symlinks=True,
        ignore=shutil.ignore_patterns(*LEFT_OUT),
    )
    for library in (source / "lib").glob("libpython*.so*"):
        shutil.copy(library, prefix / "lib", follow_symlinks=False)
    shutil.copy(source / "bin" / version, prefix / "bin")
    for link in ("python", "python3"):
        (prefix / "bin" / link).symlink_to(version)
