"""A memo by identity: the very same objects are known again, equal ones are not."""

from __future__ import annotations

import pytest

from engine import identity
from engine.identity import by_identity
from engine.spec import FieldSpec


def test_the_very_same_objects_are_asked_for_once() -> None:
    made: list[tuple[FieldSpec, ...]] = []

    @by_identity
    def names(*fields: FieldSpec) -> list[str]:
        made.append(fields)
        return [field.name for field in fields]

    one, twin = FieldSpec("id", "id", "its id"), FieldSpec("id", "id", "its id")
    assert one == twin
    assert names(one) is names(one)
    assert names(twin) is not names(one)
    assert [names(one, twin), names(twin, one), names()] == [["id", "id"], ["id", "id"], []]
    assert made == [(one,), (twin,), (one, twin), (twin, one), ()]


def test_what_is_kept_is_bounded_and_found_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "MOST", 3)
    asked: list[str] = []

    @by_identity
    def text(of: FieldSpec) -> str:
        asked.append(of.name)
        return of.name

    fields = [FieldSpec(str(number), "id", "") for number in range(4)]
    assert [text(field) for field in (*fields, fields[0], fields[3])] == ["0", "1", "2", "3", "0", "3"]
    assert asked == ["0", "1", "2", "3", "0"]
