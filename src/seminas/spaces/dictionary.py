"""A space that a dictionary of positions declares. It gives back the values of the dictionary."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from seminas.errors import config_error
from seminas.spaces.positions import Scalar, is_structured, plain, read_positions
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.storage.values import Config, Json


class DictionarySpace(SequenceSpace):
    """A chain of positions, each a list of scalars of JSON, or a mapping (see ``positions.read_positions``).

    The name of a choice is a text itself, or the JSON form of another value. If two choices of a position have the
    same name, or if a text has spaces, all choices of the position have their JSON form as name.
    """

    KEY: ClassVar[str] = "space"

    def __init__(
        self,
        values: Mapping[str, Json],
        forbidden: Sequence[Mapping[str, Json]] = (),
        constraints: Sequence[Mapping[str, Json]] | None = None,
        name: str = "dictionary",
    ) -> None:
        """Declare the space.

        Args:
            values: Mapping from the name of each position, in order, to its choices.
            forbidden, constraints: Rules, see ``SequenceSpace``.
            name: Name of the space in configs and result files.

        Raises:
            UserError: There is no position, or the declaration of a position or a rule is not valid.
        """
        if not values:
            raise config_error("space", dict(values), "the name of each position with its choices")
        declared = read_positions(values, self.KEY)
        self._values = [position.values for position in declared]
        names = {position.name: list(position.names) for position in declared}
        self._declared: Config = plain(values) if is_structured(values) else names
        self._declared_rules: Config = {"forbidden": plain(forbidden)}
        if constraints:
            self._declared_rules["constraints"] = plain(constraints)
        super().__init__(name, self._declared, forbidden, constraints)

    def section(self) -> Config:
        """Return the section of a config that declares this space."""
        target = f"{SequenceSpace.__module__}.{SequenceSpace.__qualname__}"
        return {"_target_": target, "name": self.name, "positions": self._declared, **self._declared_rules}

    def choices(self, architecture: Choices) -> dict[str, Scalar]:
        """Return the value that an architecture has at each position that counts."""
        return dict(self._counting(architecture, self._values))
