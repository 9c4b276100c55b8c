"""Archives that are the same bytes whenever they hold the same."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The earliest that a zip file can say.
_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
_UNIX = 3


def write_zip(file: Path, members: Mapping[str, Path]) -> None:
    """Write a zip file of files, by their names in it.

    It is not compressed: wheels are already, and zlib's versions compress to other bytes.
    """
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name in sorted(members):
            info = ZipInfo(name, _TIME)
            info.external_attr = _READABLE
            info.create_system = _UNIX
            archive.writestr(info, members[name].read_bytes())
