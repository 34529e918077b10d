"""Our dataclasses do what the standard library's do, each case held against it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from functools import partial
from typing import Any, ClassVar, get_type_hints

import pytest

from engine.dataclass import dataclass

Decorator = Callable[..., Any]


def plain(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True)
    class Plain:
        """Some values."""

        a: str
        b: int = 2
        c: tuple[int, ...] = ()

    return Plain


def special(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True)
    class Special:
        kind: ClassVar[str] = "special"
        a: str
        b: list[int] = field(default_factory=list, compare=False)
        c: str = field(default="secret", repr=False)
        d: int = field(default=4, kw_only=True)
        e: int = field(default=5, init=False)
        f: str = field(init=False, hash=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "f", self.a * 2)

    return Special


def ordered(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True, order=True)
    class Ordered:
        """Some values."""

        a: str
        b: int = 2

        def __str__(self) -> str:
            return self.a

    return Ordered


def changing(decorator: Decorator) -> Any:
    @decorator(slots=True)
    class Changing:
        """Some values."""

        a: str
        b: list[int] = field(default_factory=list)

    return Changing


def its_own(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True)
    class ItsOwn:
        """Some values."""

        a: str

        def __repr__(self) -> str:
            return f"<{self.a}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.a.lower() == other.a.lower()

        def __hash__(self) -> int:
            return hash(self.a.lower())

    return ItsOwn


def nothing(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True)
    class Nothing:
        """No values."""

    return Nothing


def equal_by_hand(decorator: Decorator) -> Any:
    @decorator(frozen=True, slots=True)
    class EqualByHand:  # noqa: PLW1641  # the decorator gives it one
        """Python takes the hash from a class with an `__eq__` of its own; the decorator gives it back."""

        a: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.a == other.a

    return EqualByHand


CASES: list[tuple[Callable[[Decorator], Any], list[tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    (plain, [(("x",), {}), (("x", 2), {}), (("y",), {"c": (1,)})]),
    (special, [(("x",), {}), (("x", [1]), {}), (("x",), {"d": 7}), (("y",), {"c": "other"})]),
    (ordered, [(("x",), {}), (("x", 1), {}), (("w", 3), {}), (("x", 2), {})]),
    (changing, [(("x",), {}), (("x", [1]), {})]),
    (its_own, [(("x",), {}), (("X",), {}), (("y",), {})]),
    (nothing, [((), {})]),
    (equal_by_hand, [(("x",), {}), (("x",), {}), (("y",), {})]),
]
FROZEN = [case for case in CASES if case[0] is not changing]


def said(call: Callable[[], object]) -> str:
    """The value as text, or what was raised."""
    try:
        return repr(call())
    except (TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"


def same(make: Callable[[Decorator], Any], ask: Callable[[Any], object]) -> None:
    ours, theirs = make(dataclass), make(dataclasses.dataclass)
    assert said(lambda: ask(ours)) == said(lambda: ask(theirs))


@pytest.mark.parametrize(("make", "given"), CASES)
def test_a_class_is_made_alike(make: Any, given: Any) -> None:
    for ask in (
        inspect.signature,
        lambda cls: cls.__doc__ if make is not special else None,
        lambda cls: cls.__match_args__,
        lambda cls: cls.__slots__,
        lambda cls: [(f.name, f.type, f.init, f.compare) for f in dataclasses.fields(cls)],
        lambda cls: get_type_hints(cls.__init__, localns={"ClassVar": ClassVar}),
        lambda cls: cls.__dataclass_params__,
        lambda cls: cls.__init__.__qualname__,
    ):
        same(make, ask)


@pytest.mark.parametrize(("make", "given"), CASES)
def test_objects_are_alike(make: Any, given: Any) -> None:
    def objects(cls: Any) -> list[Any]:
        return [cls(*positional, **named) for positional, named in given]

    for ask in (
        objects,
        lambda cls: [a == b for a in objects(cls) for b in objects(cls)],
        lambda cls: [a != b for a in objects(cls) for b in objects(cls)],
        lambda cls: [a == "x" for a in objects(cls)],
        lambda cls: [hash(a) for a in objects(cls)],
        lambda cls: [str(a) for a in objects(cls)],
        lambda cls: [a < b for a in objects(cls) for b in objects(cls)],
        lambda cls: [a >= b for a in objects(cls) for b in objects(cls)],
        lambda cls: sorted(objects(cls)),
        lambda cls: objects(cls)[0] > "x",
        lambda cls: [dataclasses.asdict(a) for a in objects(cls)],
        lambda cls: [dataclasses.replace(a) for a in objects(cls)],
        lambda cls: dataclasses.replace(objects(cls)[0], a="z"),
        lambda cls: [copy.copy(a) for a in objects(cls)],
        lambda cls: [copy.deepcopy(a) for a in objects(cls)],
        lambda cls: cls(*range(9)),
        lambda cls: cls(nobody=1),
        lambda cls: cls(),
    ):
        same(make, ask)


@pytest.mark.parametrize(("make", "given"), FROZEN)
def test_what_is_frozen_stays(make: Any, given: Any) -> None:
    (positional, named), *_ = given

    def set_it(cls: Any, name: str) -> None:
        setattr(cls(*positional, **named), name, 1)

    def delete_it(cls: Any, name: str) -> None:
        delattr(cls(*positional, **named), name)

    for name in (*make(dataclass).__slots__, "nobody"):
        # The standard library trips over its own feet here, with a TypeError for a name that is no field.
        for change, word in ((set_it, "assign to"), (delete_it, "delete")):
            if name != "nobody":
                same(make, partial(change, name=name))
            with pytest.raises(FrozenInstanceError) as caught:
                change(make(dataclass), name)
            assert str(caught.value) == f"cannot {word} field {name!r}"


def test_what_may_change_does() -> None:
    one = changing(dataclass)("x")
    one.a = "y"
    one.b.append(1)
    assert repr(one) == "changing.<locals>.Changing(a='y', b=[1])"
    assert changing(dataclass)("x").b == []


def test_an_object_that_holds_itself_is_printed() -> None:
    one = changing(dataclass)("x")
    one.b.append(one)
    assert repr(one) == "changing.<locals>.Changing(a='x', b=[...])"


@dataclass(frozen=True, slots=True)
class Kept:
    """At the top of a module, where pickle finds it."""

    a: str
    b: tuple[int, ...] = ()


def test_an_object_is_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept("x", (1, 2)))) == Kept("x", (1, 2))


def test_a_method_is_written_when_it_is_first_asked_for() -> None:
    cls = plain(dataclass)
    assert [type(vars(cls)[name]).__name__ for name in ("__init__", "__eq__")] == ["_Later", "_Later"]
    cls("x")
    assert [type(vars(cls)[name]).__name__ for name in ("__init__", "__eq__")] == ["function", "_Later"]
