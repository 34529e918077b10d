"""Holds two trees against each other and says in words where they differ: what is missing, surplus, moved or other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from difflib import SequenceMatcher
from typing import Literal

from engine.dataclass import dataclass

# Longer lists are compared item by item, without looking for what was moved or put in between.
_MOST = 3000
_SHOWN = 80
Kind = Literal["element", "object", "list", "value"]


@dataclass(frozen=True, slots=True)
class Tree:
    """A part of a document: an element, or a value of JSON. `sign` is equal for equal parts."""

    kind: Kind
    label: str
    text: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Tree, ...] = ()
    sign: str = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.kind, self.label, self.text, repr(self.attributes), *(child.sign for child in self.children))
        object.__setattr__(self, "sign", _digest(parts))


def _digest(parts: Sequence[str]) -> str:
    from hashlib import sha256

    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def differences(expected: Tree, found: Tree, path: str = "") -> Iterator[str]:
    """Each difference as `path: what it is`; nothing for equal trees."""
    if expected.sign == found.sign:
        return
    if (expected.kind, expected.label) != (found.kind, found.label) and "value" not in (expected.kind, found.kind):
        yield f"{path or expected.label}: expected {_shown(expected)}, got {_shown(found)}"
        return
    yield from _attributes(expected, found, path)
    if expected.kind == "object" and found.kind == "object":
        yield from _members(expected, found, path)
    elif expected.children and found.children:
        yield from _items(expected, found, path)
    elif (expected.text, len(expected.children), expected.kind) != (found.text, len(found.children), found.kind):
        yield f"{path}: expected {_shown(expected)}, got {_shown(found)}"


def _attributes(expected: Tree, found: Tree, path: str) -> Iterator[str]:
    old, new = dict(expected.attributes), dict(found.attributes)
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            where = f"{path}/@{name}" if path else f"@{name}"
            if name not in new:
                yield f"{where}: missing, expected {clip(old[name])}"
            elif name not in old:
                yield f"{where}: not expected, got {clip(new[name])}"
            else:
                yield f"{where}: expected {clip(old[name])}, got {clip(new[name])}"


def _members(expected: Tree, found: Tree, path: str) -> Iterator[str]:
    """The values of two objects, whose order means nothing."""
    old = {child.label: child for child in expected.children}
    new = {child.label: child for child in found.children}
    for name in dict.fromkeys((*old, *new)):
        where = f"{path}.{name}" if path else name
        if name not in new:
            yield f"{where}: missing, expected {_shown(old[name])}"
        elif name not in old:
            yield f"{where}: not expected, got {_shown(new[name])}"
        else:
            yield from differences(old[name], new[name], where)


def _items(expected: Tree, found: Tree, path: str) -> Iterator[str]:
    """The children of two elements, or the items of two lists, whose order means something."""
    old, new = expected.children, found.children
    pairs, gone, come = _paired(old, new)
    moved = _moved(old, new, gone, come)
    told: list[tuple[int, Iterator[str]]] = []
    for a, b in pairs:
        told.append((a, differences(old[a], new[b], _place(path, expected, a, found, b))))
    for a in gone:
        where = _place(path, expected, a)
        if a in moved:
            b = moved[a]
            text = f"{where}: moved: expected {_after(old, a)}, got {_after(new, b)}"
        else:
            text = f"{where}: missing, expected {_shown(old[a])}"
        told.append((a, iter((text,))))
    taken = set(moved.values())
    for b in come:
        if b not in taken:
            text = f"{_place(path, found, b)}: not expected, got {_shown(new[b])}"
            told.append((b, iter((text,))))
    for _, lines in sorted(told, key=lambda each: each[0]):
        yield from lines


def _paired(old: Sequence[Tree], new: Sequence[Tree]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Which parts are the same one with another content, which are gone, and which came; equal ones are left out."""
    if max(len(old), len(new)) > _MOST:
        both = min(len(old), len(new))
        return [(n, n) for n in range(both)], list(range(both, len(old))), list(range(both, len(new)))
    matcher = SequenceMatcher(None, [tree.sign for tree in old], [tree.sign for tree in new], autojunk=False)
    pairs: list[tuple[int, int]] = []
    gone: list[int] = []
    come: list[int] = []
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag != "equal":
            here, rest_a, rest_b = _block(old, new, range(a0, a1), range(b0, b1))
            pairs += here
            gone += rest_a
            come += rest_b
    # Of one label on both sides but in different blocks, what is equal was moved; the rest is the same one, changed.
    for a in list(gone):
        if any(new[b].sign == old[a].sign for b in come):
            continue
        alike = [b for b in come if new[b].label == old[a].label and new[b].kind == "element"]
        lonely = sum(tree.label == old[a].label for tree in old) == 1
        if alike and lonely and len(alike) == 1 and not any(old[g].sign == new[alike[0]].sign for g in gone):
            pairs.append((a, alike[0]))
            gone.remove(a)
            come.remove(alike[0])
    return pairs, gone, come


def _block(
    old: Sequence[Tree], new: Sequence[Tree], a_range: range, b_range: range
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair what stands in one place: those with most in common first, then in order."""
    left, right = list(a_range), list(b_range)
    elsewhere = {tree.sign for tree in old}, {tree.sign for tree in new}
    left = [a for a in left if old[a].sign not in elsewhere[1]]
    right = [b for b in right if new[b].sign not in elsewhere[0]]
    moved_a = [a for a in a_range if a not in left]
    moved_b = [b for b in b_range if b not in right]
    pairs: list[tuple[int, int]] = []
    scored = sorted(
        ((-_common(old[a], new[b]), abs((a - a_range.start) - (b - b_range.start)), a, b) for a in left for b in right)
        if len(left) * len(right) <= 10_000
        else ((0, 0, a, b) for a, b in zip(left, right, strict=False))
    )
    for _, _, a, b in scored:
        if a in left and b in right and (old[a].kind, old[a].label) == (new[b].kind, new[b].label):
            pairs.append((a, b))
            left.remove(a)
            right.remove(b)
    return pairs, left + moved_a, right + moved_b


def _common(old: Tree, new: Tree) -> int:
    signs = {child.sign for child in old.children}
    return sum(child.sign in signs for child in new.children)


def _moved(old: Sequence[Tree], new: Sequence[Tree], gone: Sequence[int], come: Sequence[int]) -> dict[int, int]:
    """What stands in another place than expected: by its place before, its place now."""
    free = list(come)
    moved: dict[int, int] = {}
    for a in gone:
        b = next((b for b in free if new[b].sign == old[a].sign), None)
        if b is not None:
            moved[a] = b
            free.remove(b)
    return moved


def _place(path: str, parent: Tree, position: int, other: Tree | None = None, there: int = 0) -> str:
    """The path of a child: `Line[2]` when there are several of that name, `[0]` for an item of a list."""
    child = parent.children[position]
    if parent.kind == "list":
        return f"{path}[{position}]"
    same = [n for n, each in enumerate(parent.children) if each.label == child.label]
    several = len(same) > 1 or (other is not None and sum(e.label == child.label for e in other.children) > 1)
    name = f"{child.label}[{same.index(position) + 1}]" if several else child.label
    if other is not None and several and there != position:
        name = f"{child.label}[{same.index(position) + 1}]"
    return f"{path}/{name}" if path else name


def _after(siblings: Sequence[Tree], position: int) -> str:
    if position == 0:
        return "first"
    before = siblings[position - 1]
    return f"after {before.label}" if before.label else f"at place {position + 1}"


def _shown(tree: Tree) -> str:
    """A part in a few words."""
    if not tree.children:
        empty = {"object": "{}", "list": "[]"}.get(tree.kind, "nothing")
        return clip(tree.text) if tree.text else empty
    leaves = list(_leaves(tree, ""))
    text = ", ".join(f"{name} {value}".strip() for name, value in leaves[:4])
    return clip(f"({text}{', ...' if len(leaves) > 4 else ''})")


def _leaves(tree: Tree, path: str) -> Iterator[tuple[str, str]]:
    for child in tree.children:
        name = "/".join(part for part in (path, child.label) if part)
        if child.children:
            yield from _leaves(child, name)
        else:
            yield name, child.text


def clip(text: str) -> str:
    """A text on one line, no longer than can be read."""
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
