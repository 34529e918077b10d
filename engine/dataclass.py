"""`dataclass` as in the standard library, for slotted classes, that writes a method only when it is first asked for.

The standard decorator compiles six methods for each frozen class, about 0.5 ms: for the ninety classes that `validate`
imports that was a third of its time, and most of them are never compared, hashed or printed. Here a class costs a tenth
of that, and its fields are set through their slots, which makes objects in two thirds of the time. Everything else is
left to the standard library: `fields`, `replace`, `asdict` and the type checker see an ordinary dataclass.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from reprlib import recursive_repr

    _COMPARISONS = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}

    class _Factory:
        """Stands in a signature for a default that is made anew for each object."""

        def __repr__(self) -> str:
            return "<factory>"

    _FACTORY = _Factory()

    def dataclass(*, slots: bool, frozen: bool = False, order: bool = False) -> Callable[[type], type]:
        """Make a slotted dataclass; what the class defines itself is kept. There is no `InitVar`."""
        assert slots, "classes without slots take the standard decorator"

        def decorate(cls: type) -> type:
            own = {name for name, value in vars(cls).items() if (name, value) != ("__hash__", None)}
            if cls.__doc__ is None:
                cls.__doc__ = cls.__name__  # else the standard library works out a signature for it
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
            params = cls.__dataclass_params__
            params.init = params.repr = params.eq = True
            params.frozen, params.order = frozen, order
            methods = {"__init__": _init, "__repr__": _repr, "__eq__": _eq}
            if order:
                methods |= dict.fromkeys(_COMPARISONS, _comparison)
            if "__hash__" not in own and frozen:
                methods["__hash__"] = _hash
            elif "__hash__" not in own:
                cls.__hash__ = None
            for name, write in methods.items():
                if name not in own:
                    setattr(cls, name, _Later(cls, name, write))
            if frozen:
                _freeze(cls, own)
            return cls

        return decorate

    class _Later:
        """A method that is written when it is first looked up, and takes this object's place."""

        __slots__ = ("cls", "name", "write")

        def __init__(self, cls: type, name: str, write: Callable[[type, str], Any]) -> None:
            self.cls, self.name, self.write = cls, name, write

        def __get__(self, instance: object, owner: type | None = None) -> Any:
            method = self.write(self.cls, self.name)
            method.__qualname__ = f"{self.cls.__qualname__}.{self.name}"
            setattr(self.cls, self.name, method)
            return method if instance is None else method.__get__(instance, owner)

    def _freeze(cls: type, own: Iterable[str]) -> None:
        names = frozenset(field.name for field in dataclasses.fields(cls))

        def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807
            if type(self) is cls or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
            super(cls, self).__setattr__(name, value)

        def __delattr__(self: object, name: str) -> None:  # noqa: N807
            if type(self) is cls or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
            super(cls, self).__delattr__(name)

        cls.__setattr__, cls.__delattr__ = __setattr__, __delattr__
        if not {"__getstate__", "__setstate__"}.intersection(own):
            cls.__getstate__, cls.__setstate__ = _getstate, _setstate

    def _getstate(self: Any) -> list[Any]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def _setstate(self: Any, state: Sequence[Any]) -> None:
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    # -- the methods as text

    def _compiled(
        cls: type, name: str, parameters: Sequence[str], body: Sequence[str], names: Mapping[str, object]
    ) -> Any:
        """The method `name`; `names` are what its text refers to, beside its parameters."""
        lines = "".join(f"\n  {line}" for line in body or ["pass"])
        text = f"def make({', '.join(names)}):\n def {name}({', '.join(parameters)}):{lines}\n return {name}"
        made = {}
        exec(text, sys.modules[cls.__module__].__dict__, made)  # noqa: S102  # names of fields, nothing else
        return made["make"](**names)

    def _init(cls: type, name: str) -> Any:
        names, body, parameters, keywords = {"_FACTORY": _FACTORY}, [], ["self"], []
        for field in dataclasses.fields(cls):
            given, parameter = field.name, field.name
            if field.default_factory is not dataclasses.MISSING:
                names[f"_f_{field.name}"] = field.default_factory
                parameter = f"{field.name}=_FACTORY"
                made = f"_f_{field.name}()"
                given = f"{made} if {field.name} is _FACTORY else {field.name}" if field.init else made
            elif field.default is not dataclasses.MISSING:
                names[f"_d_{field.name}"] = field.default
                parameter = f"{field.name}=_d_{field.name}"
                given = given if field.init else f"_d_{field.name}"
            elif not field.init:
                continue  # `__post_init__` sets it
            if field.init:
                (keywords if field.kw_only else parameters).append(parameter)
            names[f"_s_{field.name}"] = getattr(cls, field.name).__set__
            body.append(f"_s_{field.name}(self, {given})")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        method = _compiled(cls, name, [*parameters, *(["*", *keywords] if keywords else [])], body, names)
        taken = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
        method.__annotations__ = {**taken, "return": None}
        return method

    def _repr(cls: type, name: str) -> Any:
        shown = ", ".join(f"{field.name}={{self.{field.name}!r}}" for field in dataclasses.fields(cls) if field.repr)
        text = f'return f"{{self.__class__.__qualname__}}({shown})"'
        return recursive_repr("...")(_compiled(cls, name, ["self"], [text], {}))

    def _values(cls: type, of: str, *, hashed: bool = False) -> str:
        """The fields that count, as a tuple display of the object called `of`."""
        fields = dataclasses.fields(cls)
        counting = [f for f in fields if (f.hash if hashed and f.hash is not None else f.compare)]
        return "(" + "".join(f"{of}.{f.name}," for f in counting) + ")"

    def _eq(cls: type, name: str) -> Any:
        body = [
            "if other.__class__ is self.__class__:",
            f" return {_values(cls, 'self')} == {_values(cls, 'other')}",
            "return NotImplemented",
        ]
        return _compiled(cls, name, ["self", "other"], body, {})

    def _hash(cls: type, name: str) -> Any:
        return _compiled(cls, name, ["self"], [f"return hash({_values(cls, 'self', hashed=True)})"], {})

    def _comparison(cls: type, name: str) -> Any:
        body = [
            "if other.__class__ is self.__class__:",
            f" return {_values(cls, 'self')} {_COMPARISONS[name]} {_values(cls, 'other')}",
            "return NotImplemented",
        ]
        return _compiled(cls, name, ["self", "other"], body, {})
