"""Type of JSON values."""

from collections.abc import Mapping, Sequence

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None
"""A JSON value: object, array, string, number, true, false or null."""
