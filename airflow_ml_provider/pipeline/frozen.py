"""Frozen dataclasses that cost little to define.

The standard library compiles six functions for each frozen dataclass, which was two thirds of what
the package added to the import of a DAG file. Here those functions are shared by all classes. Type
checkers see the standard ``dataclass``, and ``fields``, ``replace`` and ``is_dataclass`` work.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool, kw_only: bool = False) -> Any:
        """Do what the standard library's ``dataclass`` does; ``frozen`` must be true."""
        if not frozen:
            raise TypeError("only frozen dataclasses are made here")

        def define(cls: type) -> type:
            cls.__init__, cls.__repr__ = _init, _repr
            cls.__eq__, cls.__hash__ = _eq, _hash
            cls.__setattr__ = cls.__delattr__ = _refuse
            made = dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only)
            made._fields = dataclasses.fields(made)  # asking for them takes longer than using them
            return made

        return define if cls is None else define(cls)


__all__ = ["dataclass"]


def _init(self: Any, *args: object, **given: object) -> None:
    name = type(self).__name__
    positional = self.__match_args__
    if len(args) > len(positional):
        raise TypeError(f"{name} takes {len(positional)} positional arguments, got {len(args)}")
    for field, value in zip(positional, args, strict=False):
        if field in given:
            raise TypeError(f"{name} got {field!r} twice")
        given[field] = value
    values = vars(self)
    for field in self._fields:
        if field.name in given:
            values[field.name] = given.pop(field.name)
        elif field.default_factory is not MISSING:
            values[field.name] = field.default_factory()
        else:
            values[field.name] = field.default
    if given:
        raise TypeError(f"{name} has no {', '.join(sorted(given))}; it has {', '.join(values)}")
    if missing := [field for field, value in values.items() if value is MISSING]:
        raise TypeError(f"{name} misses {', '.join(missing)}")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _values(self: Any) -> dict[str, Any]:
    return {field.name: getattr(self, field.name) for field in self._fields}


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple(_values(self).values()))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
    return f"{type(self).__qualname__}({shown})"


def _refuse(self: Any, name: str, _value: object = None) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__name__} is frozen: {name!r} can't be changed")
