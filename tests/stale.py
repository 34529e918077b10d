"""Fails when a generated file is not what its source gives; run by `make stale`."""

from __future__ import annotations

import subprocess
import sys

from tests.reference import ROOT

GENERATED = ("schemas", "docs/reference")


def main() -> int:
    """Regenerate, and compare with what stood there before."""
    before = _digest()
    subprocess.run(["make", "-s", "schemas"], check=True, cwd=ROOT)
    after = _digest()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for name in changed:
        print(f"{name}: stale; run `make schemas` and commit it", file=sys.stderr)
    return 1 if changed else 0


def _digest() -> dict[str, bytes]:
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for folder in GENERATED
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


if __name__ == "__main__":
    sys.exit(main())
