"""The type of what a JSON file holds."""

from collections.abc import Mapping, Sequence

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None
"""A value of JSON: an object, a list, a text, a number, true, false or null."""
