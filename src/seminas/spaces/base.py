"""What an architecture is: the interface of a search space, which knows nothing of accuracies."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

A = TypeVar("A", bound=Hashable)
"""An architecture: a hashable value of the space's own, equal exactly for equal architectures."""


def one_hot(values: NDArray[np.integer[Any]], num_values: int) -> NDArray[np.float32]:
    """Return integers ``[n, L]`` from 0 to ``num_values`` - 1 as ``[n, L num_values]`` of 0 and 1."""
    return np.eye(num_values, dtype=np.float32)[values].reshape(len(values), -1)


def reachable(adjacency: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether a path of edges, ``[..., V, V]``, leads from vertex u to w, in that shape; u reaches itself."""
    num_vertices = adjacency.shape[-1]
    steps = np.eye(num_vertices, dtype=np.int64) + adjacency
    return np.linalg.matrix_power(steps, num_vertices) > 0


class SearchSpace(ABC, Generic[A]):
    """Architectures, their token sequences and their networks.

    Attributes:
        name: The name in configs and result files.
        num_tokens: Size of the vocabulary; token 0 is padding and the start of a sequence.
        max_length: Length of token sequences, shorter ones are padded at the end.
        csv_columns: Columns that name an architecture in a CSV file, the alternatives in order of preference.
        num_vertices: Vertices of the graph view; ``max_length`` unless overridden.
        num_labels: Vertex labels of the graph view, 0 is padding; ``num_tokens`` unless overridden.
        image: Channels, height and width of the images that what a network costs is stated for.
        num_classes: The same of its classifier.
    """

    name: str
    num_tokens: int
    max_length: int
    csv_columns: tuple[tuple[str, ...], ...] = (("architecture",),)
    image: tuple[int, ...] = (3, 32, 32)
    num_classes: int = 10

    @property
    def num_vertices(self) -> int:
        """Vertices of the graph view."""
        return self.max_length

    @property
    def num_labels(self) -> int:
        """Vertex labels of the graph view, padding included."""
        return self.num_tokens

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of distinct architectures, however large."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator, exclude: Collection[A] = ()) -> list[A]:
        """Return ``n`` distinct architectures, uniform over the space without ``exclude``.

        Fewer are returned where the space has no more.
        """

    @abstractmethod
    def encode(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return token sequences, ``[n, max_length]``."""

    @abstractmethod
    def decode(self, tokens: NDArray[np.int64]) -> list[A | None]:
        """Return the architecture of each token sequence, ``[n, max_length]``; None where there is none."""

    def graphs(self, architectures: Sequence[A]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, V, V]`` and vertex labels ``[n, V]``, padded.

        Edges lead to later vertices, from an input, the first, to an output, the last that is no padding. What has no
        influence on the output may be padding as well. A chain of the tokens by default.
        """
        tokens = self.encode(architectures)
        present = tokens != 0
        adjacency = np.zeros((*tokens.shape, tokens.shape[1]), dtype=np.uint8)
        step = np.arange(tokens.shape[1] - 1)
        adjacency[:, step, step + 1] = present[:, 1:]
        return adjacency, tokens

    def features(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return numbers for models that read vectors, ``[n, F]``: the tokens one-hot, unless overridden."""
        return one_hot(self.encode(architectures), self.num_tokens)

    @abstractmethod
    def legal_tokens(self, prefix: Tensor) -> Tensor:
        """Return which tokens may come next so that the sequence can still become an architecture.

        Args:
            prefix: Token sequences so far, integers ``[n, t]`` with t < max_length.

        Returns:
            Mask ``[n, num_tokens]``; padding alone is legal after the end of a sequence.
        """

    def key(self, architecture: A) -> str:
        """Return the name of an architecture in files, equal exactly for equal architectures."""
        return json.dumps(self.to_json(architecture), separators=(",", ":"), sort_keys=True)

    @abstractmethod
    def to_json(self, architecture: A) -> Any:
        """Return an architecture as plain lists, dicts, strings and numbers."""

    @abstractmethod
    def from_json(self, value: Any) -> A:
        """Inverse of ``to_json``.

        Raises:
            ValueError: ``value`` is no architecture of this space.
        """

    def parse(self, text: str) -> A:
        """Return the architecture that a person or a file writes as ``text``: its JSON, unless overridden.

        Raises:
            ValueError: ``text`` is no architecture of this space, and why.
        """
        return self.from_json(json.loads(text))

    def from_row(self, row: Mapping[str, str]) -> A:
        """Return the architecture of a row of a CSV file that holds all columns of one of ``csv_columns``.

        By default that is one column with what ``parse`` reads.

        Raises:
            ValueError: The row holds no architecture of this space, and why.
        """
        (column,) = next(names for names in self.csv_columns if set(names) <= set(row))
        return self.parse(row[column])

    def from_rows(self, rows: Sequence[Mapping[str, str]]) -> list[A | ValueError]:
        """Return the architecture of each row, or what is wrong with it."""
        found: list[A | ValueError] = []
        for row in rows:
            try:
                found.append(self.from_row(row))
            except ValueError as error:
                found.append(error)
        return found

    def neighbors(self, architecture: A) -> list[A]:
        """Return the distinct architectures at edit distance 1."""
        raise NotImplementedError(f"space {self.name} has no neighbours")

    def mutate(self, architecture: A, rng: np.random.Generator) -> A:
        """Return a neighbour, drawn uniformly."""
        neighbors = self.neighbors(architecture)
        return neighbors[rng.integers(len(neighbors))]

    def build_network(
        self, architecture: A, num_classes: int, in_channels: int, **skeleton: Any
    ) -> nn.Module:
        """Return the classifier of an architecture, images ``[n, in_channels, height, width]`` to logits."""
        raise NotImplementedError(f"space {self.name} builds no networks")

    def build_supernet(self, num_classes: int, in_channels: int, dropout: float = 0.0) -> nn.Module:
        """Return a network that holds all architectures' and shares their weights, see ``networks.mobilenet``."""
        raise NotImplementedError(f"space {self.name} has no supernet")

    def path(self, architecture: A) -> list[str]:
        """Return an architecture's operations in the supernet."""
        raise NotImplementedError(f"space {self.name} has no supernet")

    def extremes(self) -> tuple[A, A]:
        """Return the largest and the smallest network of the supernet."""
        raise NotImplementedError(f"space {self.name} has no supernet")

    def num_unique(self) -> int:
        """Return the number of architectures that compute different things; ``size`` unless overridden."""
        return self.size

    def vertex_names(self, architecture: A) -> list[str]:
        """Return what to write on each vertex of the graph view, padding apart, when it is drawn."""
        return [str(token) for token in self.encode([architecture])[0] if token]


class EnumerableSpace(SearchSpace[A]):
    """A space whose architectures are numbered, so that tables, subsets and uniform samples are easy."""

    def __len__(self) -> int:
        return self.size

    @abstractmethod
    def at(self, indices: NDArray[np.int64]) -> list[A]:
        """Return the architectures at indices from 0 to ``len(self) - 1``, ``[n]``."""

    @abstractmethod
    def index(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return the index of each architecture, ``[n]``.

        Raises:
            KeyError: It is no architecture of this space.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of the order of the architectures, for files that store indices."""

    def sample(self, n: int, rng: np.random.Generator, exclude: Collection[A] = ()) -> list[A]:
        """Draw uniformly over the architectures without ``exclude``."""
        excluded = np.sort(self.index(list(exclude)))
        n = min(n, len(self) - len(excluded))
        rank = rng.choice(len(self) - len(excluded), size=n, replace=False)
        # The rank-th architecture that is not excluded: step over each excluded one at or before it.
        gaps = excluded - np.arange(len(excluded))
        return self.at(rank + np.searchsorted(gaps, rank, side="right"))
