"""Arguments of a command with placeholders in braces."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Formatter

from seminas.errors import UserError, config_error
from seminas.evaluators.values import ARCHITECTURE

FOLDER, SEED = "folder", "seed"
"""Placeholders of the folder of an evaluation and of the seed of the run."""
OWN = (ARCHITECTURE, FOLDER, SEED)
"""Placeholders that are no positions of the space."""


@dataclass(frozen=True)
class Argument:
    """An argument of a command.

    Attributes:
        parts: Pairs of a text and the name of the placeholder after it, or None at the end.
        conditional: Those of its placeholders that do not always have a value.
    """

    parts: tuple[tuple[str, str | None], ...]
    conditional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the placeholders."""
        return tuple(name for _, name in self.parts if name is not None)

    def filled(self, texts: Mapping[str, str]) -> str:
        """Return the argument with the texts of its placeholders."""
        return "".join(text + (texts[name] if name is not None else "") for text, name in self.parts)

    def is_left_out(self, texts: Mapping[str, str]) -> bool:
        """Return whether a placeholder has no value, because its position does not count."""
        return any(name not in texts for name in self.conditional)


def read_argument(word: str, positions: Collection[str], conditional: Collection[str], key: str) -> Argument:
    """Return an argument of a command line.

    Args:
        word: The argument as it is written.
        positions: Names of the positions of the space.
        conditional: Those of them that do not always count.
        key: Dotted key of the command, for errors.

    Raises:
        UserError: A placeholder is unknown or has a format, or a brace is alone.
    """
    parts: list[tuple[str, str | None]] = []
    known = ", ".join(dict.fromkeys([*positions, *OWN]))
    try:
        for text, name, form, conversion in Formatter().parse(word):
            if form or conversion:
                raise config_error(
                    f"{key}: {{{name}}} in {word}", form or conversion, "left out, only a name"
                )
            if name is not None and name not in (*positions, *OWN):
                raise config_error(f"{key}: placeholder", f"{{{name}}}", f"one of {known}")
            parts.append((text, name))
    except ValueError as error:
        raise UserError(f"{key}: {word} is no argument ({error}); {{{{ and }}}} are braces") from error
    argument = Argument(tuple(parts))
    uncertain = tuple(name for name in argument.names if name in conditional)
    if uncertain and word == f"{{{uncertain[0]}}}":
        hint = f"--{uncertain[0]}={word}, which is left out where the position does not count"
        raise UserError(f"{key}: {word} does not always have a value; write {hint}")
    return Argument(argument.parts, uncertain)
