"""Google's discovery document of Gmail v1, as JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient.discovery_cache
import jsonschema

_PATTERNS = {"uint64": r"^\d+$", "int64": r"^-?\d+$", "byte": r"^[A-Za-z0-9_-]*={0,2}$"}
seen: set[str] = set()
"""The methods whose answers were checked."""


@cache
def document() -> dict[str, Any]:
    """Return the document that google-api-python-client carries."""
    folder = Path(googleapiclient.discovery_cache.__file__).parent
    return json.loads((folder / "documents" / "gmail.v1.json").read_text())


@cache
def methods() -> dict[str, dict[str, Any]]:
    """Return every method by its id."""

    def walk(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for method in node.get("methods", {}).values():
            yield method["id"], method
        for child in node.get("resources", {}).values():
            yield from walk(child)

    return dict(walk(document()))


def _schema(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    kept = {key: node[key] for key in ("type", "enum") if key in node}
    if node.get("format") in _PATTERNS:
        kept["pattern"] = _PATTERNS[node["format"]]
    if "items" in node:
        kept["items"] = _schema(node["items"])
    if "properties" in node:
        kept["properties"] = {name: _schema(child) for name, child in node["properties"].items()}
        kept["additionalProperties"] = False
    return kept


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    definitions = {key: _schema(node) for key, node in document()["schemas"].items()}
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})


def check(method_id: str, answer: object) -> None:
    """Raise jsonschema.ValidationError unless Google could have answered this."""
    seen.add(method_id)
    schema = methods()[method_id].get("response", {}).get("$ref")
    if schema is None:
        assert answer == "", f"{method_id} answers with an empty body"
        return
    _validator(schema).validate(answer)
