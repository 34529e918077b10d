"""Builds the wheel, installs it in a virtual environment of its own, and uses it outside the source tree."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.reference import ROOT


def main() -> int:
    """Exit status 0 when the installed wheel runs its own shipped flow, and a project and a connector that it wrote."""
    with tempfile.TemporaryDirectory(prefix="flowctl-wheel-") as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        _run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)], ROOT)
        (wheel,) = folder.glob("flowctl-*.whl")
        # The dependencies come from the environment that runs this; only flowctl itself comes from the wheel.
        venv.create(folder / "venv", with_pip=False, system_site_packages=False)
        python = folder / "venv" / "bin" / "python"
        site = subprocess.run(
            [python, "-c", "import site; print(site.getsitepackages()[0])"], check=True, capture_output=True, text=True
        ).stdout.strip()
        _run([*pip, "install", "--no-deps", "--no-index", "--target", site, str(wheel)], folder)
        ours = subprocess.run(
            [sys.executable, "-c", "import site; print(site.getsitepackages()[0])"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        Path(site, "dependencies.pth").write_text(f"{ours}\n", encoding="utf-8")
        code = "import sys; from engine.cli.main import main; sys.argv = ['flowctl', *sys.argv[1:]]; main()"
        for arguments in (
            ["--version"],
            ["validate", "ramp_to_quickbooks"],
            ["schema", "--output", "schemas/flow.schema.json"],
            ["demo", "--bills", "3", "--transactions", "3"],
        ):
            _run([str(python), "-c", code, *arguments], folder)
        _run([str(python), "-c", code, "init", "shop"], folder)
        for arguments in (
            ["validate"],
            ["test"],
            ["new", "flow", "more", "--from", "bill", "--to", "ledger"],
            ["test"],
        ):
            _run([str(python), "-c", code, *arguments], folder / "shop")
        _run([str(python), "-c", code, "new", "connector", "acme"], folder)
        _run([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"], folder / "flowctl-acme")
        where = subprocess.run(
            [python, "-c", "import engine; print(engine.__file__)"],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
        ).stdout
        if str(folder) not in where:
            print(f"the wheel was not what ran: {where}", file=sys.stderr)
            return 1
    print("the wheel works without the source tree")
    return 0


def _run(command: list[str], where: Path) -> None:
    subprocess.run(command, check=True, cwd=where)


if __name__ == "__main__":
    sys.exit(main())
