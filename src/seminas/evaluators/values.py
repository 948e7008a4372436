"""Values of an architecture for a user's own training: one for each position of a chain, or its JSON form."""

import json
from typing import Any, TypeGuard

from seminas.spaces.base import SearchSpace
from seminas.spaces.sequence import SequenceSpace

ARCHITECTURE = "architecture"
"""Name of the JSON form of an architecture."""


def _is_chain(space: SearchSpace[Any]) -> TypeGuard[SequenceSpace]:
    """Return whether a space is a chain of choices. The positions of NAS-Bench-201 are edges of a graph."""
    return isinstance(space, SequenceSpace) and space.is_chain


def value_names(space: SearchSpace[Any]) -> tuple[str, ...]:
    """Return the names of the values of an architecture: the positions of a chain of choices, or ``architecture``."""
    return tuple(space.positions) if _is_chain(space) else (ARCHITECTURE,)


def conditional_names(space: SearchSpace[Any]) -> tuple[str, ...]:
    """Return the names of the positions that count only under a condition. ``values`` may leave them out."""
    return space.conditional if _is_chain(space) else ()


def values(space: SearchSpace[Any], architecture: Any) -> dict[str, Any]:
    """Return the values of an architecture by name, without positions that do not count."""
    if _is_chain(space):
        return dict(space.choices(architecture))
    return {ARCHITECTURE: space.to_json(architecture)}


def as_text(value: Any) -> str:
    """Return a value as an argument of a command: a text itself, or the JSON form of another value."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
