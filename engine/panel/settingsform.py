"""A form made of a connector's settings, and what a person typed into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from engine.connections.connecting import SettingsRefused, SettingWrong, fit_secret, typed
from engine.contract import Agent, Binding, Connector
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.health import Finding
from engine.panel import forms
from engine.panel.hints import in_words
from engine.spec import FieldSpec

Value = str | int | bool
# The fields of settings begin so, and no other field of the form does.
_MARK = "s_"
_LONGEST = 2000
_MOST_DIGITS = 18
_WORDS = {"api": "API", "url": "address", "uri": "address", "id": "ID", "ap": "AP"}
# What a connector says of a setting begins with its name.
_SETTING = re.compile(r"([a-z][a-z0-9_]*): (?=is |must |holds |names |are )")


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as the form shows it. `value` is never a secret; `is_kept` says that a secret is there already.

    `kind` is `text`, `number`, `choice` or `secret`; what is `fixed` can be given on the server alone.
    """

    name: str
    label: str
    help: str
    kind: str
    value: str = field(default="", repr=False)
    default: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False
    is_kept: bool = False
    fixed: bool = False

    @property
    def field(self) -> str:
        """The name of its field in the form."""
        return _MARK + self.name

    @property
    def is_main(self) -> bool:
        """Whether people should see it at once."""
        return self.required or bool(self.value)


def entries(
    connector: Connector, kept: Binding, guesses: Mapping[str, str], form: Mapping[str, str] | None = None
) -> list[Entry]:
    """The settings of a connector: what is kept, or what was just typed; `guesses` where there is nothing yet."""
    return [_entry(spec, kept, guesses, form) for spec in connector.spec.settings if not _is_hidden(connector, spec)]


def read(connector: Connector, form: Mapping[str, str]) -> tuple[dict[str, Value | None], dict[str, str]]:
    """Settings and secrets as they were typed; None for a setting that was emptied. An empty secret stays as it is.

    Raises:
        SettingWrong, SecretMalformed: for what does not fit.
    """
    settings: dict[str, Value | None] = {}
    secrets = {}
    for spec in connector.spec.settings:
        given = form.get(_MARK + spec.name)
        if given is None or spec.local or _is_hidden(connector, spec):
            continue
        if spec.secret:
            if given:
                secrets[spec.name] = fit_secret(spec.name, given)
        else:
            text = forms.clean(given)
            settings[spec.name] = _typed(spec, text) if text else None
    return settings, secrets


def words(error: FlowctlError) -> list[str]:
    """What is wrong, in lines for somebody who has the form before them."""
    if not isinstance(error, SettingsRefused):
        hint = plain_hint(error.hint or "")
        return [f"{error}. {hint[:1].upper()}{hint[1:]}." if hint else str(error)]
    found = []
    for problem in error.problems:
        hint = plain_hint(problem.hint or "")
        found.append(f"{label(problem.where)} {problem.message}" + (f": {hint}" if hint else ""))
    return found


def plain_hint(hint: str) -> str:
    """A hint for somebody without a terminal: nothing where it names a command."""
    hint = in_words(hint)
    return "" if "flowctl" in hint or "--" in hint else hint


def label(name: str) -> str:
    """A setting's name as people read it."""
    text = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return text[:1].upper() + text[1:]


def plain_message(finding: Finding) -> str:
    """What was found, for somebody who has the connection before them."""
    message = finding.message.removeprefix(f"{finding.subject}: ")
    named = _SETTING.match(message)
    return f"{label(named[1])} {message[named.end() :]}" if named else message


def _is_hidden(connector: Connector, spec: FieldSpec) -> bool:
    """Whether the form leaves a setting out: it is made by us, or by replacing another one."""
    names = {other.name for other in connector.spec.settings}
    is_made = isinstance(connector, Agent) and spec.name == "password"
    return is_made or (spec.secret and spec.name.endswith("_previous") and spec.name.removesuffix("_previous") in names)


def _entry(spec: FieldSpec, kept: Binding, guesses: Mapping[str, str], form: Mapping[str, str] | None) -> Entry:
    if spec.secret:
        is_kept = spec.name in kept.secrets
        return Entry(spec.name, label(spec.name), spec.help, "secret", required=spec.required, is_kept=is_kept)
    now = kept.settings.get(spec.name)
    value = _shown(now) if now is not None else guesses.get(spec.name, "")
    if form is not None and not spec.local:
        value = forms.clean(form.get(_MARK + spec.name, ""))[:_LONGEST]
    options: tuple[tuple[str, str], ...] = tuple((choice, choice) for choice in spec.choices)
    if spec.type == "boolean":
        options = (("true", "yes"), ("false", "no"))
    kind = "choice" if options else "number" if spec.type == "integer" else "text"
    default = "" if spec.default is None else dict(options).get(_shown(spec.default), _shown(spec.default))
    return Entry(spec.name, label(spec.name), spec.help, kind, value, default, options, spec.required, fixed=spec.local)


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(spec: FieldSpec, text: str) -> Value:
    if len(text) > _LONGEST:
        raise SettingWrong(spec.name, f"is longer than {_LONGEST} characters", spec.help)
    digits = text.removeprefix("-")
    if spec.type == "integer" and not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
        raise SettingWrong(spec.name, f"`{text[:40]}` is no whole number", spec.help)
    return typed(spec, text)
