"""Frozen dataclasses that cost little to define.

The standard library compiles six functions for each frozen dataclass, which was two thirds of what
the package added to the import of a DAG file. Here those functions are shared by all classes. Type
checkers see the standard ``dataclass``, and ``fields``, ``replace`` and ``is_dataclass`` work.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError
from inspect import Parameter, Signature
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
            fields = dataclasses.fields(made)
            made.__layout__ = (
                {field.name for field in fields},
                {f.name: f.default for f in fields if f.default is not MISSING},
                [(f.name, f.default_factory) for f in fields if f.default_factory is not MISSING],
            )
            return made

        return define if cls is None else define(cls)


__all__ = ["dataclass"]


def _init(self: Any, *args: object, **given: object) -> None:
    names, defaults, factories = self.__layout__
    by_position = dict(zip(self.__match_args__, args, strict=False))
    values = vars(self)
    values.update(defaults)
    values.update(by_position)
    values.update(given)
    for name, make in factories:
        if name not in values:
            values[name] = make()
    if values.keys() != names or len(by_position) < len(args) or by_position.keys() & given:
        try:
            _signature(type(self)).bind(*args, **given)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _signature(cls: type) -> Signature:
    return Signature(
        [
            Parameter(
                field.name,
                Parameter.KEYWORD_ONLY if field.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
                default=Parameter.empty
                if field.default is field.default_factory is MISSING
                else field.default,
            )
            for field in sorted(dataclasses.fields(cls), key=lambda field: field.kw_only is True)
        ]
    )


def _values(self: Any) -> dict[str, Any]:
    return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple(_values(self).values()))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
    return f"{type(self).__qualname__}({shown})"


def _refuse(self: Any, name: str, _value: object = None) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__name__} is frozen: {name!r} can't be changed")
