"""Real FreeMarker: Debian's packages libfreemarker-java and default-jre-headless."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

import connectors.expensify

JAR = Path("/usr/share/java/freemarker.jar")
TEMPLATE = Path(connectors.expensify.__file__).parent / "template.ftl"
_MAIN = Path(__file__).with_name("Render.java")


@cache
def _missing() -> str:
    """Why real FreeMarker cannot be used here, or nothing."""
    java = shutil.which("java")
    listed = [java, "--list-modules"] if java else ["true"]
    modules = subprocess.run(listed, capture_output=True, text=True, check=False).stdout
    # Debian's runtime carries the compiler as a module, without the command `javac`.
    if JAR.exists() and "jdk.compiler@" in modules:
        return ""
    return "real FreeMarker is not here: apt-get install libfreemarker-java default-jre-headless"


def needs_freemarker() -> None:
    """Skip the test that calls this where Java or FreeMarker is not installed."""
    if _missing():
        pytest.skip(_missing())


@cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    """The folder of the compiled program, kept as long as the tests run."""
    folder = tempfile.TemporaryDirectory(prefix="flowctl-freemarker-")
    compiler = ["java", "--module", "jdk.compiler/com.sun.tools.javac.Main"]
    subprocess.run([*compiler, "-cp", str(JAR), "-d", folder.name, str(_MAIN)], check=True)
    return folder


def render(model: object, folder: Path, *, locale: str = "en-US", template: Path = TEMPLATE) -> bytes:
    """What the template makes of a data model of dicts, lists, texts, numbers, booleans, dates and None."""
    data = folder / "model.txt"
    data.write_text("\n".join(_lines(model)), encoding="ascii")
    command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{JAR}:{_compiled().name}", "Render"]
    command += [str(template), str(data), locale]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return done.stdout


def _lines(value: object) -> list[str]:
    if value is None:
        return ["n"]
    if isinstance(value, bool):
        return [f"b{int(value)}"]
    if isinstance(value, str):
        return ["s" + value.encode("utf-16-be", "surrogatepass").hex()]
    if isinstance(value, int):
        return [f"i{value}"]
    if isinstance(value, float):
        return [f"d{value!r}"]
    if isinstance(value, Decimal):
        return [f"m{value}"]
    if isinstance(value, datetime):
        return [f"t{round(value.timestamp() * 1000)}"]
    if isinstance(value, list):
        return [f"l{len(value)}", *(line for each in value for line in _lines(each))]
    assert isinstance(value, dict)
    return [f"o{len(value)}", *(line for pair in value.items() for each in pair for line in _lines(each))]
