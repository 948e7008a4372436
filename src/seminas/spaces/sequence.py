"""Spaces of categorical choices at a chain of positions. A user can declare such a space in YAML alone."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, config_error
from seminas.spaces.base import EnumerableSpace
from seminas.spaces.chain import Chain, ForbiddenChain
from seminas.spaces.views import one_hot
from seminas.storage.values import Json

if TYPE_CHECKING:
    from torch import Tensor

MOST_PAIRS = 10_000
"""Largest number of pairs of choices at neighboring positions that are features."""
Choice = str | int | float | bool
"""A choice as a YAML value. The name of the choice is this value as text."""
Choices = tuple[int, ...]
"""An architecture: the index of the choice at each position."""


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _names(key: str, choices: Sequence[Choice]) -> list[str]:
    """Return the names of a position's choices.

    Raises:
        UserError: They are no list of distinct numbers, texts or truth values.
    """
    if not _is_list(choices) or not all(isinstance(c, str | int | float) for c in choices):
        raise config_error(key, choices, "a list of choices, each a number or a text")
    names = [str(c) for c in choices]
    if not names or len(set(names)) < len(names):
        raise config_error(key, choices, "one or more distinct choices")
    return names


class SequenceSpace(EnumerableSpace[Choices]):
    """A space with one choice at each position of a chain, without forbidden combinations.

    A token is the name of a choice. So choices with the same name at two positions have the same token. The graph view
    is the chain. A vertex label identifies a position and a choice.
    """

    is_chain = True

    def __init__(
        self,
        name: str,
        positions: Mapping[str, Sequence[Choice]],
        forbidden: Sequence[Mapping[str, Choice]] = (),
    ) -> None:
        """Declare the space.

        Args:
            name: Name of the space in configs and result files.
            positions: Mapping from the name of each position, in order, to its choices.
            forbidden: Combinations that no architecture may contain. Each maps some positions to choices.

        Raises:
            UserError: A position has no choices or repeated choices, a forbidden combination names an unknown position
                or choice, or no architecture is left.
        """
        if not isinstance(positions, Mapping) or not positions:
            raise config_error("space.positions", positions, "at least one position with its choices")
        self.name = name
        self.positions = {str(p): _names(f"space.positions.{p}", c) for p, c in positions.items()}
        if not _is_list(forbidden) or not all(isinstance(c, Mapping) for c in forbidden):
            raise config_error("space.forbidden", forbidden, "a list of mappings from positions to choices")
        self._names = list(self.positions)
        self._choices = list(self.positions.values())
        self._definition: list[Json] = [
            name,
            self.positions,
            [dict(combination) for combination in forbidden],
        ]
        self.num_choices = [len(c) for c in self._choices]
        self._chain: Chain = ForbiddenChain(self.num_choices, [self._combination(c) for c in forbidden])
        if not self._chain.size:
            raise UserError("space.forbidden: nothing is left of the space; forbid less")
        vocabulary = list(dict.fromkeys(c for choices in self._choices for c in choices))
        self.num_tokens = 1 + len(vocabulary)
        self.max_length = len(self._names)
        self.csv_columns = (tuple(self._names), ("arch",), ("architecture",))
        self._separator = "" if all(len(c) == 1 for c in vocabulary) else " "
        # Token of each choice at each position, and choice of each token at each position (-1: not a choice there).
        self._token = [np.array([1 + vocabulary.index(c) for c in choices]) for choices in self._choices]
        self._choice = np.full((self.max_length, self.num_tokens), -1)
        for p, tokens in enumerate(self._token):
            self._choice[p, tokens] = np.arange(len(tokens))
        self._first_label = np.cumsum([1, *(len(c) for c in self._choices)])

    def _combination(self, combination: Mapping[str, Choice]) -> dict[int, int]:
        choices: dict[int, int] = {}
        for position, choice in combination.items():
            if position not in self.positions:
                raise config_error(
                    "space.forbidden", position, f"one of the positions {', '.join(self._names)}"
                )
            names = self.positions[position]
            if str(choice) not in names:
                raise config_error(f"space.forbidden.{position}", choice, f"one of {', '.join(names)}")
            choices[self._names.index(position)] = names.index(str(choice))
        if not choices:
            raise config_error("space.forbidden", dict(combination), "choices by position, at least one")
        return choices

    @property
    def size(self) -> int:
        """Number of architectures without forbidden combinations."""
        return self._chain.size

    @property
    def num_labels(self) -> int:
        """Number of vertex labels of the graph view: one for each choice of each position, and one for padding."""
        return int(self._first_label[-1])

    def sample(self, n: int, rng: np.random.Generator, exclude: Collection[Choices] = ()) -> list[Choices]:
        """Draw ``n`` distinct architectures uniformly from the space without ``exclude``."""
        if self._chain.numbered:
            return super().sample(n, rng, exclude)
        drawn: dict[Choices, None] = {}
        excluded = set(exclude)
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

    def _need_numbers(self) -> None:
        if not self._chain.numbered:
            raise UserError(f"space={self.name}: {self.size} architectures are too many for a table")

    def _array(self, architectures: Sequence[Choices]) -> NDArray[np.int64]:
        return np.asarray(architectures, dtype=np.int64).reshape(-1, self.max_length)

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the definition of the space."""
        return hashlib.sha256(json.dumps(self._definition).encode()).hexdigest()

    def encode(self, architectures: Sequence[Choices]) -> NDArray[np.int64]:
        """Return the token sequence of each architecture, ``[n, P]``."""
        rows = self._array(architectures)
        columns = [tokens[rows[:, p]] for p, tokens in enumerate(self._token)]
        return np.stack(columns, axis=1).astype(np.int64)

    def decode(self, tokens: NDArray[np.int64]) -> list[Choices | None]:
        """Return the architecture of each token sequence ``[n, P]``, or None for an invalid sequence."""
        tokens = np.asarray(tokens)
        known = ((tokens >= 0) & (tokens < self.num_tokens)).all(axis=1)
        rows = self._choice[np.arange(self.max_length), tokens.clip(0, self.num_tokens - 1)]
        legal = known & self._chain.holds(rows)
        return [tuple(row) if ok else None for row, ok in zip(rows.tolist(), legal, strict=True)]

    def graphs(self, architectures: Sequence[Choices]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, P, P]`` of chains, and vertex labels ``[n, P]``. Positions share no label."""
        rows = self._array(architectures)
        chain = np.eye(self.max_length, k=1, dtype=np.uint8)
        adjacency = np.broadcast_to(chain, (len(rows), *chain.shape)).copy()
        return adjacency, rows + self._first_label[:-1]

    def features(self, architectures: Sequence[Choices]) -> NDArray[np.float32]:
        """Return the one-hot encoded choice at each position, ``[n, C]`` for C choices at all positions together."""
        rows = self._array(architectures)
        return np.concatenate([one_hot(rows[:, [p]], len(c)) for p, c in enumerate(self._choices)], axis=1)

    def kernel_features(self, architectures: Sequence[Choices]) -> list[NDArray[np.float32]]:
        """Return the features and, for a chain, the one-hot encoded pairs of choices at neighboring positions."""
        first = self.features(architectures)
        sizes = [len(a) * len(b) for a, b in pairwise(self._choices)]
        if not self.is_chain or not 0 < sum(sizes) <= MOST_PAIRS:
            return [first]
        rows = self._array(architectures)
        pairs = [rows[:, p] * len(c) + rows[:, p + 1] for p, c in enumerate(self._choices[1:])]
        codes = [one_hot(pair[:, None], size) for pair, size in zip(pairs, sizes, strict=True)]
        return [first, np.concatenate(codes, axis=1)]

    def legal_tokens(self, prefix: "Tensor") -> "Tensor":
        """Return the mask ``[n, num_tokens]`` of the tokens that may follow each prefix ``[n, t]``."""
        import torch

        position = prefix.shape[1]
        done = prefix.cpu().numpy()
        rows = self._choice[np.arange(position), done.clip(0, self.num_tokens - 1)]
        allowed = self._chain.allowed(rows)
        mask = np.zeros((len(prefix), self.num_tokens), dtype=bool)
        mask[:, self._token[position]] = allowed
        return torch.as_tensor(mask, device=prefix.device)

    def key(self, architecture: Choices) -> str:
        """Return the names of the choices in order, separated by spaces unless all names are single characters."""
        return self._separator.join(self._written(architecture))

    def parse(self, text: str) -> Choices:
        """Return the architecture of a key, or of a JSON object in the form of ``to_json``.

        Raises:
            ValueError: The text has another number of choices, an unknown choice, or a forbidden combination.
        """
        if text.lstrip().startswith("{"):
            return self.from_json(json.loads(text))
        names = text.split() if self._separator or " " in text.strip() else list(text.strip())
        if len(names) != self.max_length:
            raise ValueError(
                f"{text!r} has {len(names)} choices, space {self.name} has {self.max_length} positions"
            )
        return self._read(dict(zip(self._names, names, strict=True)))

    def from_row(self, row: Mapping[str, str]) -> Choices:
        """Return the architecture of a row.

        The row has either a column for each position, or a column ``arch`` or ``architecture`` with the key.
        """
        if set(self._names) <= set(row):
            return self._read({name: row[name] for name in self._names})
        return super().from_row(row)

    def to_json(self, architecture: Choices) -> Json:
        """Return a mapping from the name of each position to the name of its choice."""
        return dict(zip(self._names, self._written(architecture), strict=True))

    def from_json(self, value: Json) -> Choices:
        """Return the architecture that ``to_json`` wrote.

        Raises:
            ValueError: A position is missing, a choice is unknown, or the combination is forbidden.
        """
        if not isinstance(value, Mapping) or set(value) != set(self._names):
            raise ValueError(f"{value!r} must name a choice for each of {', '.join(self._names)}")
        return self._read(value)

    def _written(self, architecture: Choices) -> list[str]:
        return [choices[i] for choices, i in zip(self._choices, architecture, strict=True)]

    def _read(self, value: Mapping[str, Json]) -> Choices:
        indices = []
        for name, choices in self.positions.items():
            if str(value[name]) not in choices:
                raise ValueError(f"{name}={value[name]}: must be one of {', '.join(choices)}")
            indices.append(choices.index(str(value[name])))
        if not self._chain.holds(self._array([tuple(indices)]))[0]:
            raise ValueError(self._refusal(value))
        return tuple(indices)

    def _refusal(self, value: Mapping[str, Json]) -> str:
        """Return the error message for a forbidden combination of choices."""
        return f"{json.dumps(dict(value))} is forbidden in space {self.name}"

    def neighbors(self, architecture: Choices) -> list[Choices]:
        """Return the architectures that differ from this one in the choice at exactly one position."""
        changed = [
            (*architecture[:p], i, *architecture[p + 1 :])
            for p, choices in enumerate(self._choices)
            for i in range(len(choices))
            if i != architecture[p]
        ]
        if not changed:
            return []
        legal = self._chain.holds(self._array(changed))
        return [row for row, ok in zip(changed, legal, strict=True) if ok]

    def vertex_names(self, architecture: Choices) -> list[str]:
        """Return the name of the choice at each position."""
        return self._written(architecture)
