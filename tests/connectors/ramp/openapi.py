"""Holds requests and answers against an OpenAPI 3.0 document: Ramp's own, where it is present."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from tests.reference import reference

Schema = Any


class OpenApi:
    """One API description. Every method raises AssertionError with what is wrong."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._requests = _translate(document["components"], lenient=False)
        self._answers = _translate(document["components"], lenient=True)

    def operation(self, method: str, path: str) -> tuple[str, Mapping[str, Any]]:
        """The path template and the operation that a request means; literal paths win over templates."""
        for template in sorted(self._document["paths"], key=lambda t: t.count("{")):
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
            operation = self._document["paths"][template].get(method.lower())
            if operation is not None and re.fullmatch(pattern, path):
                return template, operation
        raise AssertionError(f"{method} {path}: no such operation")

    def check_request(self, method: str, path: str, query: str = "", body: bytes = b"", content_type: str = "") -> None:
        """Parameters are known and of the right type; the body has every required field and no unknown one."""
        _, operation = self.operation(method, path)
        self._check_parameters(f"{method} {path}", operation, parse_qsl(query, keep_blank_values=True))
        declared = operation.get("requestBody")
        if declared is None:
            assert not body, f"{method} {path}: a body where none is declared"
            return
        # Ramp's document says JSON for the token call too; its text, and every client, use a form.
        form = content_type.startswith("application/x-www-form-urlencoded")
        given = dict(parse_qsl(body.decode())) if form else json.loads(body)
        schema = _translate(declared["content"]["application/json"]["schema"], lenient=False)
        self._check(f"{method} {path}", schema, given, self._requests)
        self._no_unknown(f"{method} {path}", declared["content"]["application/json"]["schema"], given)

    def check_answer(self, method: str, path: str, status: int, body: object) -> None:
        """The body has the declared shape. A field that is not required may be null: Ramp's own examples do so."""
        _, operation = self.operation(method, path)
        declared = operation["responses"].get(str(status))
        assert declared is not None, f"{method} {path}: status {status} is not declared"
        content = declared.get("content", {}).get("application/json")
        if content is not None:
            schema = _translate(content["schema"], lenient=True)
            self._check(f"{method} {path}: {status}", schema, body, self._answers)

    def _check_parameters(self, where: str, operation: Mapping[str, Any], given: list[tuple[str, str]]) -> None:
        known = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
        for name, text in given:
            assert name in known, f"{where}: `{name}` is no parameter"
            schema = _translate(known[name]["schema"], lenient=False)
            self._check(f"{where}: {name}", schema, _typed(text, known[name]["schema"]), self._requests)
        missing = {n for n, p in known.items() if p.get("required")} - {n for n, _ in given}
        assert not missing, f"{where}: without {sorted(missing)}"

    def _check(self, where: str, schema: Schema, value: object, components: Schema) -> None:
        validator = _Validator({**schema, "components": components})
        # The alternative "or null" hides what is wrong inside; the best match digs it out.
        found = [best_match([error]) or error for error in validator.iter_errors(value)]
        errors = [f"{'/'.join(str(p) for p in e.absolute_path)}: {e.message[:300]}" for e in found]
        assert not errors, f"{where}: {errors[:5]}"

    def _no_unknown(self, where: str, schema: Schema, value: object) -> None:
        if "$ref" in schema:
            return self._no_unknown(
                where, self._document["components"]["schemas"][schema["$ref"].split("/")[-1]], value
            )
        for part in schema.get("allOf", []):
            self._no_unknown(where, part, value)
        if isinstance(value, list) and "items" in schema:
            for item in value:
                self._no_unknown(where, schema["items"], item)
        if isinstance(value, dict) and "properties" in schema:
            unknown = set(value) - set(schema["properties"])
            assert not unknown, f"{where}: unknown fields {sorted(unknown)}"
            for name, part in value.items():
                self._no_unknown(where, schema["properties"][name], part)
        return None


@lru_cache(maxsize=1)
def _read(path: Path) -> OpenApi:
    return OpenApi(json.loads(path.read_text()))


def ramp_2025() -> OpenApi:
    """Ramp's document of 2025-08, or a skip that says that it is not here."""
    return _read(reference("ramp", "developer-api-2025-08.json"))


def _whole_number(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_Validator: type[Draft4Validator] = extend(  # type: ignore[no-untyped-call]  # the stubs leave `extend` untyped
    Draft4Validator, type_checker=Draft4Validator.TYPE_CHECKER.redefine("integer", _whole_number)
)


def _typed(text: str, schema: Mapping[str, Any]) -> object:
    """A query parameter as the type that its schema has."""
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if schema.get("type") == "integer":
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    return text


def _translate(schema: Schema, *, lenient: bool, optional: bool = False) -> Schema:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a type of its own, formats of ids are checked by pattern."""
    if isinstance(schema, list):
        return [_translate(item, lenient=lenient) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            required = schema.get("required", [])
            required = required if isinstance(required, list) else []
            result[key] = {
                name: _translate(part, lenient=lenient, optional=lenient and name not in required)
                for name, part in value.items()
            }
        elif key == "discriminator":
            continue  # its mapping names the schemas of `oneOf` once more
        elif key == "oneOf" and lenient:
            result["anyOf"] = _translate(value, lenient=lenient)  # Ramp's alternatives overlap
        elif key not in ("example", "examples", "default"):
            result[key] = _translate(value, lenient=lenient)
    if schema.get("type") == "string" and schema.get("format") == "uuid":
        result["pattern"] = "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
    if schema.get("type") == "string" and schema.get("format") == "date-time":
        result["pattern"] = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
    if schema.get("nullable") is True or optional:
        return {"anyOf": [result, {"type": "null"}]}
    return result
