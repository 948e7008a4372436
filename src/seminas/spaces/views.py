"""Views of an architecture: tokens, graph, features, rows of a CSV file. All follow from the tokens by default."""

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from seminas.storage.values import Json

A = TypeVar("A", bound=Hashable)
"""An architecture: a hashable value of the space's own. Equal values are the same architecture, and no others are."""


def one_hot(values: NDArray[np.int64], num_values: int) -> NDArray[np.float32]:
    """Return integers ``[n, L]`` from 0 to ``num_values`` - 1 as ``[n, L num_values]`` of 0 and 1."""
    return np.eye(num_values, dtype=np.float32)[values].reshape(len(values), -1)


def reachable(adjacency: NDArray[np.uint8] | NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether a path of edges, ``[..., V, V]``, leads from vertex u to w, in that shape; u reaches itself."""
    num_vertices = adjacency.shape[-1]
    steps = np.eye(num_vertices, dtype=np.int64) + adjacency
    return np.linalg.matrix_power(steps, num_vertices) > 0


class TokenView(ABC, Generic[A]):
    """An architecture as a token sequence: what the other views follow from.

    Attributes:
        name: The space's name in configs and result files.
        num_tokens: Size of the vocabulary. Token 0 is padding and the start of a sequence.
        max_length: Length of token sequences. Shorter ones are padded at the end.
    """

    name: str
    num_tokens: int
    max_length: int

    @abstractmethod
    def encode(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return token sequences, ``[n, max_length]``."""


class GraphView(TokenView[A]):
    """An architecture as a padded graph: what a graph encoder reads, and what is drawn.

    By default the graph is a chain of the tokens.
    """

    @property
    def num_vertices(self) -> int:
        """Vertices of the graph."""
        return self.max_length

    @property
    def num_labels(self) -> int:
        """Vertex labels, padding included."""
        return self.num_tokens

    def graphs(self, architectures: Sequence[A]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, V, V]`` and vertex labels ``[n, V]``, 0 is padding.

        Edges lead to later vertices, from the input, the first vertex, to the output, the last one that is no
        padding. A vertex without influence on the output may be padding as well.
        """
        tokens = self.encode(architectures)
        present = tokens != 0
        adjacency = np.zeros((*tokens.shape, tokens.shape[1]), dtype=np.uint8)
        step = np.arange(tokens.shape[1] - 1)
        adjacency[:, step, step + 1] = present[:, 1:]
        return adjacency, tokens

    def vertex_names(self, architecture: A) -> list[str]:
        """Return the text on each vertex that is no padding, when the graph is drawn."""
        return [str(token) for token in self.encode([architecture])[0] if token]


class FeatureView(TokenView[A]):
    """An architecture as a vector of numbers, for models that read vectors. By default the tokens one-hot."""

    def features(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return numbers, ``[n, F]``."""
        return one_hot(self.encode(architectures), self.num_tokens)


class RowView(ABC, Generic[A]):
    """An architecture as columns of a CSV file, for ``seminas data import``. By default one column, ``architecture``.

    Attributes:
        csv_columns: The columns that name an architecture; alternatives in order of preference.
    """

    csv_columns: tuple[tuple[str, ...], ...] = (("architecture",),)

    @abstractmethod
    def from_json(self, value: Json) -> A:
        """Return the architecture that a file holds as ``value``; raises ValueError for another value."""

    def parse(self, text: str) -> A:
        """Return the architecture that a person or a file writes as ``text``: its JSON, unless overridden.

        Raises:
            ValueError: ``text`` is no architecture of this space, and why.
        """
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no JSON of an architecture") from error
        return self.from_json(value)

    def from_row(self, row: Mapping[str, str]) -> A:
        """Return the architecture of a row that has all columns of one of ``csv_columns``.

        By default that is one column, which ``parse`` reads.

        Raises:
            ValueError: The row holds no architecture of this space, and why.
        """
        (column,) = next(names for names in self.csv_columns if set(names) <= set(row))
        return self.parse(row[column])

    def from_rows(self, rows: Sequence[Mapping[str, str]]) -> list[A | ValueError]:
        """Return the architecture of each row, or the error of the row."""
        architectures: list[A | ValueError] = []
        for row in rows:
            try:
                architectures.append(self.from_row(row))
            except ValueError as error:
                architectures.append(error)
        return architectures
