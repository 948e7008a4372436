"""Subsets of a space, for a search whose evaluator knows only some architectures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.storage.values import Json


class Subset(EnumerableSpace[A]):
    """The space of the architectures at some indices of another space."""

    def __init__(self, space: EnumerableSpace[A], members: NDArray[np.int64]) -> None:
        """Select members of a space.

        Args:
            space: Whole space.
            members: Distinct indices of the members in ``space``, ``[n]``.
        """
        self._space = space
        self._members = np.sort(np.asarray(members, dtype=np.int64))
        self.name = space.name
        self.num_tokens = space.num_tokens
        self.max_length = space.max_length
        self.is_chain = space.is_chain
        self.ordered_features = space.ordered_features

    @property
    def whole(self) -> EnumerableSpace[A]:
        """The whole space."""
        return self._space

    @property
    def members(self) -> NDArray[np.int64]:
        """Indices of the members in the whole space, ascending, ``[n]``."""
        return self._members

    @property
    def num_vertices(self) -> int:
        """Number of vertices in the graph view."""
        return self._space.num_vertices

    @property
    def num_labels(self) -> int:
        """Number of vertex labels in the graph view."""
        return self._space.num_labels

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self._members)

    def at(self, indices: NDArray[np.int64]) -> list[A]:
        """Return the members at the indices ``[n]``. Indices count members only."""
        return self._space.at(self._members[indices])

    def index(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return the index of each architecture among the members, ``[n]``.

        Raises:
            KeyError: An architecture is not a member.
        """
        indices = self._space.index(architectures)
        row = np.searchsorted(self._members, indices).clip(max=len(self) - 1)
        wrong = np.flatnonzero(self._members[row] != indices)
        if len(wrong):
            raise KeyError(architectures[wrong[0]])
        return row

    def fingerprint(self) -> str:
        """Return the fingerprint of the whole space."""
        return self._space.fingerprint()

    def encode(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return the token sequence of each architecture, ``[n, max_length]``."""
        return self._space.encode(architectures)

    def decode(self, tokens: NDArray[np.int64]) -> list[A | None]:
        """Return the member of each token sequence ``[n, max_length]``, or None if the sequence is no member."""
        decoded = self._space.decode(tokens)
        members = set(self._only_members([a for a in decoded if a is not None]))
        return [a if a in members else None for a in decoded]

    def graphs(self, architectures: Sequence[A]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, V, V]`` and vertex labels ``[n, V]``."""
        return self._space.graphs(architectures)

    def features(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return the feature vectors of the whole space's view, ``[n, F]``."""
        return self._space.features(architectures)

    def kernel_features(self, architectures: Sequence[A]) -> list[NDArray[np.float32]]:
        """Return the groups of features of the whole space's view, each ``[n, F]``."""
        return self._space.kernel_features(architectures)

    def legal_tokens(self, prefix: Tensor) -> Tensor:
        """Return the mask ``[n, num_tokens]`` of the tokens that may follow each prefix ``[n, t]`` in the whole space.

        So a legal sequence may be an architecture outside the subset.
        """
        return self._space.legal_tokens(prefix)

    def key(self, architecture: A) -> str:
        """Return the name of an architecture in files."""
        return self._space.key(architecture)

    def to_json(self, architecture: A) -> Json:
        """Return an architecture as plain lists, dicts, strings and numbers."""
        return self._space.to_json(architecture)

    def from_json(self, value: Json) -> A:
        """Return the architecture that ``to_json`` wrote. It may be no member.

        Raises:
            ValueError: ``value`` is not an architecture of the whole space.
        """
        return self._space.from_json(value)

    def parse(self, text: str) -> A:
        """Return the architecture that a user wrote as ``text``. It may be no member.

        Raises:
            ValueError: ``text`` is not an architecture of the whole space.
        """
        return self._space.parse(text)

    def neighbors(self, architecture: A) -> list[A]:
        """Return the members at edit distance 1."""
        return self._only_members(self._space.neighbors(architecture))

    def vertex_names(self, architecture: A) -> list[str]:
        """Return the text for each vertex in a drawing."""
        return self._space.vertex_names(architecture)

    def _only_members(self, architectures: list[A]) -> list[A]:
        indices = self._space.index(architectures)
        row = np.searchsorted(self._members, indices).clip(max=len(self) - 1)
        return [a for a, kept in zip(architectures, self._members[row] == indices, strict=True) if kept]


def holds(space: SearchSpace[A], architecture: A) -> bool:
    """Return whether an architecture of a whole space is in a space, which may be a part of it."""
    try:
        if isinstance(space, Subset):
            space.index([architecture])
        else:
            space.from_json(space.to_json(architecture))
    except (KeyError, ValueError):
        return False
    return True
