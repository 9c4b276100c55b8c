"""Frozen dataclasses that cost little to define.

``dataclass(frozen=True)`` compiles six functions for each class, which was two thirds of what the
package added to the import of a DAG file. Here only ``__init__`` is compiled, the rest is shared.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool, kw_only: bool = False) -> Any:
        """Do what the standard library's ``dataclass`` does; ``frozen`` has to be true."""

        def define(cls: type) -> type:
            cls.__eq__, cls.__hash__, cls.__repr__ = _eq, _hash, _repr
            cls.__setattr__, cls.__delattr__ = _setattr, _delattr
            return dataclasses.dataclass(cls, eq=False, repr=False, kw_only=kw_only)

        if not frozen:
            raise TypeError("a value must be frozen")
        return define if cls is None else define(cls)


__all__ = ["dataclass"]


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _eq(self: Any, other: object) -> bool:
    return _fields(self) == _fields(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple(_fields(self).values()))


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in _fields(self).items())
    return f"{type(self).__qualname__}({fields})"


def _setattr(self: Any, name: str, value: object) -> None:
    # __init__ sets each field once; after it there is nothing left to set.
    if name in vars(self) or name not in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delattr(_self: Any, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
