"""A space that a dictionary of choices declares. It gives back the values of the dictionary."""

import json
import math
from collections.abc import Mapping, Sequence

from seminas.errors import UserError, config_error
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.storage.values import Config

Scalar = str | int | float | bool | None
"""A choice in a dictionary: a text, a number, true, false or null, as in JSON."""


class DictionarySpace(SequenceSpace):
    """A chain of choices, each a scalar of JSON.

    The name of a choice is a text itself, or the JSON form of another value. If two choices of a position have the
    same name, or if a text has spaces, all choices of the position have their JSON form as name.
    """

    def __init__(self, values: Mapping[str, Sequence[Scalar]]) -> None:
        """Declare the space.

        Args:
            values: Mapping from the name of each position, in order, to its choices.

        Raises:
            UserError: There is no position, or a position's choices are no list of distinct scalars of JSON.
        """
        if not values:
            raise config_error("space", dict(values), "the name of each position with its choices")
        self._values: dict[str, list[Scalar]] = {}
        for position, choices in values.items():
            if not isinstance(choices, Sequence) or isinstance(choices, str):
                raise config_error(f"space.{position}", choices, "a list of choices")
            for choice in choices:
                if not _is_scalar(choice):
                    raise config_error(f"space.{position}", repr(choice), "a scalar of JSON")
            written = list(map(json.dumps, choices))
            if not choices or len(set(written)) < len(written):
                raise config_error(f"space.{position}", list(choices), "one or more distinct choices")
            if str(position) in self._values:
                raise UserError(f"space.{position}: is there twice")
            self._values[str(position)] = list(choices)
        super().__init__("dictionary", {p: _names(choices) for p, choices in self._values.items()})

    def section(self) -> Config:
        """Return the section of a config that declares this space with the names of the choices."""
        target = f"{SequenceSpace.__module__}.{SequenceSpace.__qualname__}"
        return {"_target_": target, "name": self.name, "positions": self.positions, "forbidden": []}

    def choices(self, architecture: Choices) -> dict[str, Scalar]:
        """Return the value that an architecture has at each position."""
        return {p: v[i] for (p, v), i in zip(self._values.items(), architecture, strict=True)}


def _is_scalar(value: object) -> bool:
    return (
        value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    )


def _names(choices: Sequence[Scalar]) -> list[str]:
    """Return the names of a position's choices."""
    written = [json.dumps(c, ensure_ascii=False) for c in choices]
    names = [c if isinstance(c, str) else text for c, text in zip(choices, written, strict=True)]
    plain = all(len(name.split()) == 1 for name in names) and len(set(names)) == len(names)
    return names if plain else written
