"""Types of values in files: JSON and configs."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None
"""A value of JSON: an object, a list, a text, a number, true, false or null."""
Config = dict[str, Any]
"""A resolved config, or a section of a config: a dictionary of plain values, lists and dictionaries."""
