"""Base classes of search spaces. A space defines its architectures and knows no accuracies.

A space that numbers its architectures derives from ``EnumerableSpace``. It implements three methods: ``size``, ``at``
and ``encode``. Any other space derives from ``SearchSpace``. It implements five methods: ``size``, ``sample``,
``encode``, ``decode`` and ``legal_tokens``. All other methods have a default. ``capabilities.py`` defines optional
abilities of a space, such as building networks.
"""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.spaces.views import A as A
from seminas.spaces.views import Descriptor, FeatureView, GraphView, RowView
from seminas.storage.values import Json

if TYPE_CHECKING:  # PyTorch takes a second to import.
    from torch import Tensor

MOST_LISTED = 1_000_000
"""Largest space, in architectures, that the default methods list in memory."""


class SearchSpace(GraphView[A], FeatureView[A], RowView[A]):
    """A set of architectures and their token sequences. ``views.TokenView`` lists the attributes of a space."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of distinct architectures. It may exceed 64 bits."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator, exclude: Collection[A] = ()) -> list[A]:
        """Draw ``n`` distinct architectures uniformly from the space without ``exclude``.

        If fewer than ``n`` architectures are left, return all of them.
        """

    @abstractmethod
    def encode(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return the token sequence of each architecture, ``[n, max_length]``."""

    @abstractmethod
    def decode(self, tokens: NDArray[np.int64]) -> list[A | None]:
        """Return the architecture of each token sequence, ``[n, max_length]``, or None for an invalid sequence."""

    @abstractmethod
    def legal_tokens(self, prefix: "Tensor") -> "Tensor":
        """Return the tokens that may come next. After each of them the sequence can still become an architecture.

        Args:
            prefix: Token sequences so far, integers ``[n, t]`` with t < max_length.

        Returns:
            Mask ``[n, num_tokens]``. After the end of a sequence only padding is legal.
        """

    def key(self, architecture: A) -> str:
        """Return the name of an architecture in files. Two architectures are equal exactly if their keys are equal."""
        return json.dumps(self.to_json(architecture), separators=(",", ":"), sort_keys=True)

    def to_json(self, architecture: A) -> Json:
        """Return an architecture as plain lists, dicts, strings and numbers. The default returns the value itself."""
        return architecture  # type: ignore[return-value]

    def from_json(self, value: Json) -> A:
        """Return the architecture that ``to_json`` wrote.

        The default turns lists into tuples, and checks the result by encoding and decoding it.

        Raises:
            ValueError: ``value`` is not an architecture of this space.
        """
        architecture: A = _as_tuples(value)
        try:
            known = self.decode(self.encode([architecture]))[0] == architecture
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{value!r} is no architecture of space {self.name}") from error
        if not known:
            raise ValueError(f"{value!r} is no architecture of space {self.name}")
        return architecture

    def neighbors(self, architecture: A) -> list[A]:
        """Return the distinct architectures at edit distance 1.

        The default changes the token at one position.
        """
        (tokens,) = self.encode([architecture])
        length = int((tokens != 0).sum())
        changed = np.repeat(tokens[None], length * self.num_tokens, axis=0)
        position, token = np.divmod(np.arange(len(changed)), self.num_tokens)
        changed[np.arange(len(changed)), position] = token
        changed = changed[(changed[:, :length] != 0).all(axis=1) & (changed != tokens).any(axis=1)]
        return list(dict.fromkeys(a for a in self.decode(changed) if a is not None))

    def mutate(self, architecture: A, rng: np.random.Generator) -> A:
        """Draw a neighbor uniformly."""
        neighbors = self.neighbors(architecture)
        return neighbors[rng.integers(len(neighbors))]

    def described(self, descriptor: Descriptor) -> Self:
        """Return a copy of the space whose architectures have descriptors. It shares all else with this space."""
        copied = object.__new__(type(self))
        copied.__dict__ |= self.__dict__
        copied.descriptor = descriptor
        return copied

    def num_unique(self) -> int:
        """Return the number of architectures that compute different functions. The default is ``size``."""
        return self.size


class EnumerableSpace(SearchSpace[A]):
    """A space whose architectures are numbered from 0, so that it can have tables and subsets.

    The defaults of ``index``, ``decode``, ``legal_tokens`` and ``fingerprint`` list all architectures once. A space of
    more than a million architectures must override these four methods.
    """

    def __len__(self) -> int:
        return self.size

    @abstractmethod
    def at(self, indices: NDArray[np.int64]) -> list[A]:
        """Return the architectures at the indices ``[n]``, each from 0 to ``len(self) - 1``."""

    @cached_property
    def _listed(self) -> tuple[NDArray[np.int64], dict[bytes, int]]:
        """Token sequences of all architectures, ``[size, max_length]``, and the index of each sequence by its bytes.

        Raises:
            UserError: The space has more than ``MOST_LISTED`` architectures.
        """
        if self.size > MOST_LISTED:
            raise UserError(f"space={self.name}: {self.size} architectures are too many to list")
        tokens = np.ascontiguousarray(self.encode(self.at(np.arange(self.size))), dtype=np.int64)
        return tokens, {row.tobytes(): i for i, row in enumerate(tokens)}

    def index(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return the index of each architecture, ``[n]``.

        Raises:
            KeyError: An architecture is not in this space.
        """
        if not len(architectures):
            return np.empty(0, dtype=np.int64)
        _, index_of = self._listed
        rows = np.ascontiguousarray(self.encode(architectures), dtype=np.int64)
        return np.array([index_of[row.tobytes()] for row in rows], dtype=np.int64)

    def decode(self, tokens: NDArray[np.int64]) -> list[A | None]:
        """Return the architecture of each token sequence, ``[n, max_length]``, or None for an invalid sequence."""
        _, index_of = self._listed
        rows = np.ascontiguousarray(tokens, dtype=np.int64)
        indices = [index_of.get(row.tobytes(), -1) for row in rows]
        known = iter(self.at(np.array([i for i in indices if i >= 0], dtype=np.int64)))
        return [next(known) if i >= 0 else None for i in indices]

    def legal_tokens(self, prefix: "Tensor") -> "Tensor":
        """Return the tokens that follow each prefix ``[n, t]`` in some architecture, mask ``[n, num_tokens]``."""
        import torch

        tokens, _ = self._listed
        length = prefix.shape[1]
        mask = np.zeros((len(prefix), self.num_tokens), dtype=bool)
        for row, start in enumerate(prefix.cpu().numpy()):
            mask[row, tokens[(tokens[:, :length] == start).all(axis=1), length]] = True
        return torch.as_tensor(mask, device=prefix.device)

    def fingerprint(self) -> str:
        """Return a SHA-256 digest of the order of the architectures. Files that store indices also store the digest."""
        tokens, _ = self._listed
        return hashlib.sha256(tokens.tobytes()).hexdigest()

    def sample(self, n: int, rng: np.random.Generator, exclude: Collection[A] = ()) -> list[A]:
        """Draw ``n`` distinct architectures uniformly from the space without ``exclude``, or all that are left."""
        excluded = np.sort(self.index(list(exclude)))
        n = min(n, len(self) - len(excluded))
        rank = rng.choice(len(self) - len(excluded), size=n, replace=False)
        # Turn a rank among the allowed architectures into an index: add the excluded architectures before it.
        gaps = excluded - np.arange(len(excluded))
        return self.at(rank + np.searchsorted(gaps, rank, side="right"))


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value
