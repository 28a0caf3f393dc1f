"""The JSON schema of a board profile, for editors.

A profile that `extends` another is partial: in it no key is required, and an item of a list that
is merged by id may say `remove: true` instead. So there are two schemas in one.
"""

from __future__ import annotations

import json
from typing import Any

from harness.board.model import Board

_PREFIX = "#/$defs/"
Schema = dict[str, Any]


def schema_text() -> str:
    """The schema as it stands in docs/board.schema.json."""
    full = Board.model_json_schema(by_alias=True)
    defs: Schema = full.pop("$defs")
    defs["Board"] = full
    _close(defs)
    variant = _Variants(defs)
    board = defs[variant.named("Board")]
    board["properties"]["extends"] = {
        "type": "string",
        "description": "The board that this profile is laid over.",
    }
    board["required"] = ["extends", "name"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": full["title"],
        "description": full["description"],
        "if": {"required": ["extends"]},
        "then": {"$ref": _PREFIX + variant.named("Board")},
        "else": {"$ref": _PREFIX + "Board"},
        "$defs": dict(sorted(defs.items())),
    }
    return json.dumps(schema, indent=2) + "\n"


def _close(part: Any) -> None:
    """Pydantic gives the pattern of a mapping's keys, and leaves all other keys possible."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            part["additionalProperties"] = False
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)


class _Variants:
    """Adds to the definitions, for each that is asked for, a partial one."""

    def __init__(self, defs: Schema) -> None:
        self._defs = defs

    def named(self, name: str) -> str:
        """The name of the partial definition; it is made if need be."""
        partial = f"{name}-variant"
        if partial not in self._defs:
            self._defs[partial] = {}  # it may refer to itself
            made = self._partial(self._defs[name])
            made.pop("required", None)
            if self._merged_by_id(name):
                made["required"] = ["id"]
                made["properties"]["remove"] = {
                    "const": True,
                    "description": "Take the item with this id out.",
                }
            self._defs[partial] = made
        return partial

    def _partial(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._partial(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].removeprefix(_PREFIX)
            return {**node, "$ref": _PREFIX + self.named(name)}
        return {
            # Other lists are replaced as a whole: their items are complete.
            key: value if key == "items" and not self._by_id(value) else self._partial(value)
            for key, value in node.items()
        }

    def _by_id(self, items: Schema) -> bool:
        return self._merged_by_id(items.get("$ref", "").removeprefix(_PREFIX))

    def _merged_by_id(self, name: str) -> bool:
        properties = self._defs.get(name, {}).get("properties", {})
        return bool(properties.get("id", {}).get("type") == "string")
