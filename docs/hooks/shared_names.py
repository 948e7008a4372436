"""An extension of griffe: docstrings may describe several names in one line, such as ``epochs, steps: How long.``"""

import re
from typing import Any

import griffe

_SHARED = re.compile(r"^( {4,})(\w+(?:, \w+)+): (.*(?:\n\1 {4}.*)*)", re.M)


class SharedNames(griffe.Extension):
    """Repeats the description of several names for each of them."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite an object's docstring before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = _SHARED.sub(_one_each, obj.docstring.value)


def _one_each(found: re.Match[str]) -> str:
    indent, names, description = found.groups()
    return "\n".join(f"{indent}{name}: {description}" for name in names.split(", "))
