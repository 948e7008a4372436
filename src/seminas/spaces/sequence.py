"""Spaces of choices at a chain of positions. A user can declare such a space in YAML alone."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, config_error
from seminas.spaces import coordinates
from seminas.spaces.base import EnumerableSpace
from seminas.spaces.exact import Limit
from seminas.spaces.latency import read_latency
from seminas.spaces.limited import LimitedChain
from seminas.spaces.positions import Scalar, is_structured, plain, read_categories, read_positions
from seminas.spaces.ruled_chain import RuledChain
from seminas.spaces.rules import nothing_left, read_rules
from seminas.spaces.steps import Steps
from seminas.spaces.vocabulary import Vocabulary
from seminas.storage.values import Json

if TYPE_CHECKING:
    from torch import Tensor

Choices = tuple[int, ...]
"""An architecture: the index of the choice at each position. The last choice of a position with a condition means that
the position does not count."""


class SequenceSpace(LimitedChain, EnumerableSpace[Choices]):
    """A space with one choice at each position of a chain, which obeys rules.

    A position has categories, ordered values or an interval of numbers. A position with a condition counts only if
    earlier positions have certain values. Two architectures that differ only in what does not count are one
    architecture. A space is counted exactly, and samples are uniform.

    A token is the name of a choice. So choices with the same name at two positions have the same token. The graph view
    is the chain of the positions that count. A vertex label identifies a position and a choice.

    If all positions are lists of categories, an architecture in files is shown by the names of its choices, which are
    texts. Otherwise it is shown by its values.
    """

    is_chain = True
    KEY: ClassVar[str] = "space.positions"
    """Dotted key of the positions in errors."""

    def __init__(
        self,
        name: str,
        positions: Mapping[str, Json],
        forbidden: Sequence[Mapping[str, Json]] = (),
        constraints: Sequence[Mapping[str, Json]] | None = None,
        latency: str | None = None,
        max_latency_ms: float | None = None,
    ) -> None:
        """Declare the space.

        Args:
            name: Name of the space in configs and result files.
            positions: Mapping from the name of each position, in order, to its categories or to a mapping (see
                ``positions.read_positions``).
            forbidden: Combinations that no architecture may contain. Each maps some positions to a value, a list of
                values, or bounds (see ``rules.selected``).
            constraints: Limits of sums of costs, each ``{sum: {position: costs}, at_most: limit}`` (see
                ``rules.read_rules``).
            latency: File with the time of each choice (see ``latency.read_latency``).
            max_latency_ms: Largest sum of these times.

        Raises:
            UserError: A declaration is not valid, or fewer than two architectures are left.
        """
        if not isinstance(positions, Mapping) or not positions:
            raise config_error(self.KEY, positions, "at least one position with its choices")
        self.name = name
        self._shows_values = is_structured(positions)
        read = read_positions if self._shows_values else read_categories
        self._positions = read(positions, self.KEY)
        self.positions = {position.name: list(position.names) for position in self._positions}
        self.conditional = tuple(position.name for position in self._positions if position.when is not None)
        self._names = list(self.positions)
        self._choices = [position.choices for position in self._positions]
        self._rules = read_rules(self._positions, forbidden, constraints, self.KEY)
        self._definition: list[Json] = [name, self.positions, plain(forbidden)]
        if self._shows_values or constraints:
            kinds = {p.name: [p.ordered, plain(p.when)] for p in self._positions}
            self._definition += [kinds, plain(constraints)]
        self.num_choices = [len(c) for c in self._choices]
        self._chain = RuledChain(self.num_choices, self._rules)
        if not self._chain.size:
            raise nothing_left(self.num_choices, self._rules, constraints or ())
        if latency is not None:
            self._costs = {"latency_ms": read_latency(latency, self.positions, conditional=self.conditional)}
        if max_latency_ms is not None:
            self._limits = {"latency_ms": Limit(max_latency_ms, "space.max_latency_ms")}
            self._limit(self._limits)
        if self._chain.size == 1:
            raise UserError(f"{self.KEY}: the space has one architecture only; declare two or more")
        self._steps = Steps(self._positions, self._rules)
        self._vocabulary = Vocabulary(self._choices)
        self.num_tokens = self._vocabulary.num_tokens
        self.max_length = len(self._names)
        self.csv_columns = (tuple(self._names), ("arch",), ("architecture",))
        is_short = not self._shows_values and all(len(name) == 1 for name in self._vocabulary.names)
        self._separator = "" if is_short else " "
        self._first_label = np.cumsum([1, *self.num_choices])

    @property
    def num_labels(self) -> int:
        """Number of vertex labels of the graph view: one for each choice of each position, and one for padding."""
        return int(self._first_label[-1])

    def sample(self, n: int, rng: np.random.Generator, exclude: Collection[Choices] = ()) -> list[Choices]:
        """Draw ``n`` distinct architectures uniformly from the space without ``exclude``."""
        if self._chain.numbered:
            return super().sample(n, rng, exclude)
        drawn, excluded = dict[Choices, None](), set(exclude)
        n = min(n, self.size - len(excluded))
        while len(drawn) < n:  # So large a space hardly ever repeats a draw.
            for row in self._chain.draw(n - len(drawn), rng).tolist():
                if tuple(row) not in excluded:
                    drawn[tuple(row)] = None
        return list(drawn)

    def at(self, indices: NDArray[np.int64]) -> list[Choices]:
        """Return the architectures at the indices ``[n]``. Indices follow lexicographic order.

        Raises:
            UserError: The space is too large for 64-bit indices.
        """
        self._need_numbers()
        return [tuple(row) for row in self._chain.at(np.asarray(indices)).tolist()]

    def index(self, architectures: Sequence[Choices]) -> NDArray[np.int64]:
        """Return the index of each architecture, ``[n]``.

        Raises:
            KeyError: A value is not an architecture of this space.
            UserError: The space is too large for 64-bit indices.
        """
        self._need_numbers()
        rows = self._array(architectures)
        indices = self._chain.index(rows)
        wrong = np.flatnonzero(indices < 0)
        if len(wrong):
            raise KeyError(architectures[wrong[0]])
        return indices

    def _array(self, architectures: Sequence[Choices]) -> NDArray[np.int64]:
        return np.asarray(architectures, dtype=np.int64).reshape(-1, self.max_length)

    def encode(self, architectures: Sequence[Choices]) -> NDArray[np.int64]:
        """Return the token sequence of each architecture, ``[n, P]``."""
        return self._vocabulary.encode(self._array(architectures))

    def decode(self, tokens: NDArray[np.int64]) -> list[Choices | None]:
        """Return the architecture of each token sequence ``[n, P]``, or None for an invalid sequence."""
        rows = self._vocabulary.decode(np.asarray(tokens))
        legal = self._chain.holds(rows)
        return [tuple(row) if ok else None for row, ok in zip(rows.tolist(), legal, strict=True)]

    def graphs(self, architectures: Sequence[Choices]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, P, P]`` of chains, and vertex labels ``[n, P]``. Positions share no label.

        Padding replaces a position that does not count.
        """
        rows = self._array(architectures)
        counts = rows < np.array([len(position.values) for position in self._positions])
        before = np.cumsum(counts, axis=1)
        follows: NDArray[np.bool_] = before[:, None, :] - before[:, :, None] == 1
        adjacency = (follows & counts[:, :, None] & counts[:, None, :]).astype(np.uint8)
        return adjacency, np.where(counts, rows + self._first_label[:-1], 0)

    def features(self, architectures: Sequence[Choices]) -> NDArray[np.float32]:
        """Return one-hot categories and the coordinates of ordered values, ``[n, F]`` (see ``coordinates``)."""
        return coordinates.features(self._array(architectures), self._positions)

    def kernel_features(self, architectures: Sequence[Choices]) -> list[NDArray[np.float32]]:
        """Return the features and, for a chain, a group of features of pairs of positions (see ``coordinates``)."""
        if not self.is_chain:
            return [self.features(architectures)]
        return coordinates.kernel_features(self._array(architectures), self._positions)

    def legal_tokens(self, prefix: "Tensor") -> "Tensor":
        """Return the mask ``[n, num_tokens]`` of the tokens that may follow each prefix ``[n, t]``."""
        import torch

        position = prefix.shape[1]
        allowed = self._chain.allowed(self._vocabulary.decode(prefix.cpu().numpy()))
        mask = np.zeros((len(prefix), self.num_tokens), dtype=bool)
        mask[:, self._vocabulary.of_position[position]] = allowed
        return torch.as_tensor(mask, device=prefix.device)

    def key(self, architecture: Choices) -> str:
        """Return the names of the choices in order, separated by spaces unless all names are single characters.

        In a space with conditions, return ``position=choice`` for each position that counts.
        """
        if self._rules.conditions:
            return " ".join(
                f"{name}={choice}" for name, choice in self._counting(architecture, self._choices)
            )
        return self._separator.join(self._written(architecture))

    def parse(self, text: str) -> Choices:
        """Return the architecture of a key, or of a JSON object in the form of ``to_json``.

        Raises:
            ValueError: The text has another number of choices, an unknown choice, or a forbidden combination.
        """
        if text.lstrip().startswith("{"):
            return self.from_json(json.loads(text))
        if self._rules.conditions:
            pairs = [word.partition("=")[::2] for word in text.split()]
            if len(dict(pairs)) < len(pairs):
                raise ValueError(f"{text!r} names a position twice")
            return self.from_json(dict(pairs))
        names = text.split() if self._separator or " " in text.strip() else list(text.strip())
        if len(names) != self.max_length:
            raise ValueError(
                f"{text!r} has {len(names)} choices, space {self.name} has {self.max_length} positions"
            )
        return self._read(dict(zip(self._names, names, strict=True)))

    def from_row(self, row: Mapping[str, str]) -> Choices:
        """Return the architecture of a row.

        The row has either a column for each position, or a column ``arch`` or ``architecture`` with the key. The cell
        of a position that does not count may have any content.
        """
        if set(self._names) <= set(row):
            return self._read({name: row[name] for name in self._names})
        return super().from_row(row)

    def to_json(self, architecture: Choices) -> Json:
        """Return a mapping from the name of each position that counts to its value, or to the name of its choice.

        It has values if a position is more than a list of categories.
        """
        if self._shows_values:
            return dict(SequenceSpace.choices(self, architecture))
        return dict(zip(self._names, self._written(architecture), strict=True))

    def choices(self, architecture: Choices) -> dict[str, Scalar]:
        """Return the value at each position that counts, as the user declared it."""
        return dict(self._counting(architecture, [position.values for position in self._positions]))

    def from_json(self, value: Json) -> Choices:
        """Return the architecture that ``to_json`` wrote. Values at positions that do not count are left out.

        Raises:
            ValueError: A position is missing, a choice is unknown, or the combination is forbidden.
        """
        if not isinstance(value, Mapping) or not set(value) <= set(self._names):
            raise ValueError(f"{value!r} must name a choice for each of {', '.join(self._names)}")
        return self._read(value)

    def _written(self, architecture: Choices) -> list[str]:
        return [choices[i] for choices, i in zip(self._choices, architecture, strict=True)]

    def _counting(self, architecture: Choices, values: Sequence[Sequence[Any]]) -> list[tuple[str, Any]]:
        """Return the name and the value of each position that counts, given the values of all positions."""
        of_each = zip(self._positions, values, architecture, strict=True)
        return [(p.name, v[i]) for p, v, i in of_each if i < len(p.values)]

    def _read(self, value: Mapping[str, Json]) -> Choices:
        indices: list[int] = []
        for p, position in enumerate(self._positions):
            if not self._rules.counts(p, indices):
                indices.append(len(position.values))
                continue
            if position.name not in value:
                raise ValueError(f"{dict(value)!r} must name a choice for each of {', '.join(self._names)}")
            index = position.index(value[position.name])
            if index is None:
                raise ValueError(f"{position.name}={value[position.name]}: must be {position.allowed()}")
            indices.append(index)
        if not self._chain.holds(self._array([tuple(indices)]))[0]:
            raise ValueError(self._refusal(value))
        return tuple(indices)

    def _refusal(self, value: Mapping[str, Json]) -> str:
        """Return the error message for a forbidden combination of choices."""
        return f"{json.dumps(dict(value))} is forbidden in space {self.name}"

    def neighbors(self, architecture: Choices) -> list[Choices]:
        """Return the architectures in which exactly one position has another choice (see ``steps.Steps``)."""
        changed = self._steps.of(architecture)
        if not changed:
            return []
        legal = self._chain.holds(self._array(changed))
        return [row for row, ok in zip(changed, legal, strict=True) if ok]

    def vertex_names(self, architecture: Choices) -> list[str]:
        """Return the name of the choice at each position that counts."""
        return [choice for _, choice in self._counting(architecture, self._choices)]
