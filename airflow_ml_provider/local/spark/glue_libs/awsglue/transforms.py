"""Glue's transforms, by name only: `from awsglue.transforms import *` opens most Glue scripts."""

from __future__ import annotations

from typing import NoReturn

from . import MissingError

_NAMES = """
    ApplyMapping Coalesce DropFields DropNullFields ErrorsAsDynamicFrame Filter FindMatches FlatMap
    Join Map MapToCollection Relationalize RenameField Repartition ResolveChoice SelectFields
    SelectFromCollection Spigot SplitFields SplitRows Unbox Union UnnestFrame
"""
__all__ = _NAMES.split()  # noqa: PLE0605, it is a list of names


class _Missing:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise MissingError(self._name)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingError(self._name)


def __getattr__(name: str) -> _Missing:
    if name not in __all__:
        raise AttributeError(name)
    return _Missing(f"{__name__}.{name}")
