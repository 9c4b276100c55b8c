"""What botocore knows of AWS's services, read once a process.

Each botocore session has a loader of its own, and reads a service's model anew: SageMaker's takes
20 MB, and 0.15 s during which no other thread runs.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader, create_loader


class _PlainFileLoader(JSONFileLoader):  # type: ignore[misc] # ships no types
    """Reads into plain dicts: botocore's own ordered ones take twice the time and memory."""

    def load_file(self, file_path: str) -> Any:
        """Read ``<file_path>.json`` or ``<file_path>.json.gz``; ``None`` if neither is there."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return json.loads(plain.read_bytes())
        return json.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


@cache
def shared_loader(data_path: str | None) -> Loader:
    """Give the loader that all sessions with this ``data_path`` share.

    https://docs.aws.amazon.com/botocore/latest/reference/loaders.html
    """
    loader = create_loader(data_path)
    loader.file_loader = _PlainFileLoader()
    return loader
