"""Canary secrets: texts that stand for secrets, placed wherever one goes in, and looked for wherever anything comes out.

To watch a new place where secrets go in, give it `canaries.new("what it is")`. To watch a new place where things come out (a
page, metrics, traces), hand its bytes to `canaries.saw("where", data)`. `found` then names every canary that came out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from engine.contract import HttpCall, HttpReply
from tests.cli.cli_kit import Cli, Ran

JSON = {"content-type": "application/json"}


@dataclass
class Canaries:
    """Every canary by what it stands for, and what came out where."""

    issued: dict[str, str] = field(default_factory=dict)
    outputs: list[tuple[str, bytes]] = field(default_factory=list)

    def new(self, what: str) -> str:
        """The canary of this name; random to look at, without anything that a redaction would know it by."""
        return self.issued.setdefault(what, "q7" + sha256(f"canary {what}".encode()).hexdigest()[:30])

    def saw(self, where: str, data: bytes | str) -> None:
        """Something came out."""
        self.outputs.append((where, data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data))

    def ran(self, where: str, ran: Ran) -> Ran:
        """A command's two streams came out."""
        self.saw(f"{where}: stdout", ran.out)
        self.saw(f"{where}: stderr", ran.err)
        return ran

    def files(self, folder: Path) -> None:
        """Every byte below a folder: the store, its journal, checkpoints, whatever was left there."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.saw(str(path.name), path.read_bytes())

    def found(self) -> list[str]:
        """Every canary that came out, as it is or in an encoding that anybody undoes."""
        hits = []
        for what, text in self.issued.items():
            forms = forms_of(text)
            hits += [f"{what} in {where}" for where, data in self.outputs if any(form in data for form in forms)]
        return sorted(set(hits))


def forms_of(text: str) -> set[bytes]:
    """The text as it is, reversed, in hexadecimal digits, percent-encoded, and in base64 wherever it begins in there."""
    plain = text.encode()
    forms = {plain, plain[::-1], plain.hex().encode(), "".join(f"%{byte:02X}" for byte in plain).encode()}
    forms.add(quote(text).encode())
    for before in range(3):
        # The letters that neighbours share are left off at both ends.
        encoded = base64.b64encode(b"\0" * before + plain)
        forms.add(encoded[4 if before else 0 : -4])
    return forms


@dataclass
class Hostile:
    """A vendor that fails in one way for everything, and repeats whatever it was told: path, headers and body."""

    canaries: Canaries
    mode: str = "401"
    calls: int = 0
    heard: list[bytes] = field(default_factory=list)

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer as the mode says; the mode `tokens` gives tokens out first, and refuses them after."""
        self.calls += 1
        self.heard.append(f"{call.path}?{call.query} {dict(call.headers)} ".encode() + call.body)
        echo = {"path": f"{call.path}?{call.query}", "headers": dict(call.headers), "body": call.body.decode("latin-1")}
        told = json.dumps({"error": echo, "message": f"refused: {json.dumps(echo)}", "error_description": str(echo)})
        if self.mode == "tokens" and b"grant_type" in call.body + call.query.encode():
            return HttpReply(200, JSON, json.dumps(self._tokens()).encode())
        if self.mode == "tokens" and "login" in call.path:
            return HttpReply(200, JSON, json.dumps(self._tokens()).encode())
        answers: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {
            "401": (401, JSON, told.encode()),
            "tokens": (401, JSON, told.encode()),
            "403": (403, JSON, told.encode()),
            "429": (429, {**JSON, "retry-after": "1"}, told.encode()),
            "500": (500, {"content-type": "text/plain"}, str(echo).encode()),
            "garbage": (200, JSON, b"{" + str(echo).encode()),
            "other": (200, JSON, told.encode()),
            "list": (200, JSON, json.dumps([told]).encode()),
            "redirect": (302, {"location": f"http://127.0.0.1:9/?{call.body.decode('latin-1')[:900]}"}, b""),
            "header": (200, {**JSON, "x-request-id": str(call.headers.get("authorization"))}, b""),
        }
        status, headers, body = answers[self.mode]
        return HttpReply(status, {k: v.replace("\n", " ") for k, v in headers.items()}, body)

    def was_told(self, what: str) -> bool:
        """Whether this canary was sent to it, in any form."""
        forms = forms_of(self.canaries.issued[what])
        return any(form in told for told in self.heard for form in forms)

    def _tokens(self) -> dict[str, object]:
        new = self.canaries.new
        return {
            "access_token": new("the access token"), "refresh_token": new("the refresh token"), "id_token": new("the id token"),
            "sessionId": new("the session id"), "token_type": "Bearer", "expires_in": 3600, "created_at": 1_700_000_000,
            "scope": "accounting:read bills:read", "organizationId": "1", "userId": "1", "apiEndPoint": "x",
        }  # fmt: skip


MODES = ("401", "403", "429", "500", "garbage", "other", "list", "redirect", "header", "tokens")


def give(cli: Cli, canaries: Canaries, where: str, *args: str, **more: object) -> Ran:
    """Run a command with tracebacks on, and watch it."""
    return canaries.ran(f"{where} `{' '.join(args[:2])}`", cli("-vv", *args, **more))  # type: ignore[arg-type]
