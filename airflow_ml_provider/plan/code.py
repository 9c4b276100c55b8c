"""Local code as objects of S3, each under the hash of its content: the same code, same address."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.values import VALUES, Code, Text, replace_values
from airflow_ml_provider.plan.nodes import Call, Job, changed
from airflow_ml_provider.plan.worker_step import worker_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from airflow_ml_provider.plan.nodes import Node, Plan

_HASH_LENGTH = 16
_BLOCK = 0xFFFF


@dataclass(frozen=True)
class Bundle:
    """Code as it lies on S3: ``address`` and the keys of ``objects`` are below the root."""

    address: str
    objects: Mapping[str, bytes]


def bundle(code: Code, folder: Path) -> Bundle:
    """Lay out code under ``code/<hash>/``: a file, a prefix's files, ``source.tar.gz`` or a wheel.

    Folders among the files keep what is in them, without ``__pycache__``. The archives hold no
    times and owners, so the same files make the same archive.

    :raises FileNotFoundError: for all files that are missing.
    :raises ValueError: two files would get the same name.
    """
    if code.form == "wheel":
        name, files = worker_wheel()
        prefix = _prefix(_tar({file: (body, False) for file, body in files.items()}))
        return Bundle(f"{prefix}{name}", {f"{prefix}{name}": _zip(files)})
    members = dict(sorted(_members(code, folder)))
    if code.form == "file":
        ((name, (body, _)),) = members.items()
        address = f"{_prefix(body)}{name}"
        return Bundle(address, {address: body})
    archive = _tar(members)
    prefix = _prefix(archive)
    if code.form == "prefix":
        return Bundle(prefix, {f"{prefix}{name}": body for name, (body, _) in members.items()})
    address = f"{prefix}source.tar.gz"
    return Bundle(address, {address: _gzip(archive)})


def staged(plan: Plan) -> tuple[Plan, dict[str, bytes]]:
    """Put the address of the code in the place of each ``Code``, and give the objects to upload.

    :raises FileNotFoundError: for all files of a step that are missing.
    """
    objects: dict[str, bytes] = {}

    def address(value: Any) -> Any:
        if isinstance(value, Code):
            found = bundle(value, plan.folder)
            objects.update(found.objects)
            return f"{plan.root}/{found.address}"
        if isinstance(value, Text):
            return _joined(replace_values(list(value.parts), address))
        return value

    def change(node: Node) -> Node:
        if isinstance(node, Job) and node.work is not None:
            node = replace(node, work=change(node.work))
        if isinstance(node, (Job, Call)):
            return replace(node, request=replace_values(node.request, address))
        return node

    return replace(plan, nodes=changed(plan.nodes, change)), dict(sorted(objects.items()))


def _joined(parts: list[Any]) -> Any:
    return (
        Text.of(*parts) if any(isinstance(p, VALUES) for p in parts) else "".join(map(str, parts))
    )


def _members(code: Code, folder: Path) -> Iterator[tuple[str, tuple[bytes, bool]]]:
    paths = [folder / file for file in code.files]
    if missing := sorted(str(path) for path in paths if not path.exists()):
        message = f"code: {', '.join(missing)} do not exist; paths are relative to {folder}"
        raise FileNotFoundError(message)
    names = [*(path.name for path in paths), *(name for name, _ in code.texts)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two files would get the same name: {', '.join(twice)}.")
    for name, text in code.texts:
        yield name, (text.encode(), False)
    for path in paths:
        for name, file in _files(path):
            yield name, (file.read_bytes(), bool(file.stat().st_mode & 0o100))


def _files(path: Path) -> Iterable[tuple[str, Path]]:
    if not path.is_dir():
        return [(path.name, path)]
    return [
        (file.relative_to(path.parent).as_posix(), file)
        for file in path.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]


def _tar(members: Mapping[str, tuple[bytes, bool]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, (body, executable) in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            entry.mode = 0o755 if executable else 0o644
            tar.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, body)
    return buffer.getvalue()


def _gzip(content: bytes) -> bytes:
    # Stored, not compressed: compressors differ between builds of Python, and code is small.
    # https://www.rfc-editor.org/rfc/rfc1952 and https://www.rfc-editor.org/rfc/rfc1951#page-11
    parts = [b"\x1f\x8b\x08", bytes(6), b"\xff"]
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        last = start + _BLOCK >= len(content)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)])


def _prefix(content: bytes) -> str:
    return f"code/{hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]}/"
