"""Views of an architecture: tokens, graph, features, and rows of a CSV file.

By default a space derives the graph and the features from the tokens, and reads rows as JSON.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Generic, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from seminas.storage.values import Json

A = TypeVar("A", bound=Hashable, default=Any)
"""Type of a space's architectures: hashable values. Two values are equal exactly if they are the same architecture."""

DESCRIPTOR_SCALE = 0.3
"""Scale of descriptors among the features of a kernel. NAS-Bench-201 decided it."""


def one_hot(values: NDArray[np.int64], num_values: int) -> NDArray[np.float32]:
    """Return the one-hot encoding ``[n, L * num_values]`` of integers ``[n, L]`` from 0 to ``num_values - 1``."""
    return np.eye(num_values, dtype=np.float32)[values].reshape(len(values), -1)


def reachable(adjacency: NDArray[np.uint8] | NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether a path leads from vertex u to vertex w, for all pairs ``[..., u, w]``.

    Every vertex reaches itself.

    Args:
        adjacency: Adjacency matrices, ``[..., V, V]``.
    """
    num_vertices = adjacency.shape[-1]
    steps = np.eye(num_vertices, dtype=np.int64) + adjacency
    return np.linalg.matrix_power(steps, num_vertices) > 0


class TokenView(ABC, Generic[A]):
    """View of an architecture as a token sequence. The other views use it by default.

    Attributes:
        name: Name of the space in configs and result files.
        num_tokens: Size of the vocabulary. Token 0 marks padding, and the start of a sequence for a decoder.
        max_length: Length L of token sequences. Shorter sequences are padded at the end.
        is_chain: Whether an architecture is one choice at each position of a chain, without further structure.
    """

    name: str
    num_tokens: int
    max_length: int
    is_chain: bool = False

    @abstractmethod
    def encode(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        """Return the token sequence of each architecture, ``[n, max_length]``."""


class GraphView(TokenView[A]):
    """View of an architecture as a padded graph, for graph encoders and drawings.

    By default the graph is a chain with one vertex for each token.
    """

    @property
    def num_vertices(self) -> int:
        """V, the number of vertices of the padded graph."""
        return self.max_length

    @property
    def num_labels(self) -> int:
        """Number of vertex labels, including the label 0 of padding."""
        return self.num_tokens

    def graphs(self, architectures: Sequence[A]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, V, V]`` and vertex labels ``[n, V]``. Label 0 is padding.

        Every edge leads to a later vertex. The first vertex is the input. The last vertex that is not padding is the
        output. A space may also replace a vertex without influence on the output by padding.
        """
        tokens = self.encode(architectures)
        present = tokens != 0
        adjacency = np.zeros((*tokens.shape, tokens.shape[1]), dtype=np.uint8)
        step = np.arange(tokens.shape[1] - 1)
        adjacency[:, step, step + 1] = present[:, 1:]
        return adjacency, tokens

    def vertex_names(self, architecture: A) -> list[str]:
        """Return the text for each vertex of a drawing, without padding."""
        return [str(token) for token in self.encode([architecture])[0] if token]


class Descriptor(Protocol):
    """Function from architectures to further numbers, such as zero-cost proxies. Its result must not change.

    Attributes:
        gives_features: Whether models read the numbers.
    """

    gives_features: bool

    @property
    def seconds(self) -> float:
        """Duration of all computations so far, in seconds."""
        ...

    def __call__(self, architectures: Sequence[Any]) -> NDArray[np.float32]:
        """Return the descriptors of architectures, ``[n, D]``, of mean about 0 and standard deviation about 1."""
        ...

    def prior(self, architectures: Sequence[Any]) -> NDArray[np.float64]:
        """Return what a model without labels expects of architectures, ``[n]``, in units of standardised accuracies."""
        ...

    def expected(self, architectures: Sequence[Any]) -> NDArray[np.float64]:
        """Return what each other task expects of architectures, ``[n, S]``. A model learns how far it trusts each."""
        ...

    def seconds_of(self, architectures: Sequence[Any]) -> float:
        """Return the seconds of a search that evaluated architectures, also of its earlier processes."""
        ...

    def first_round(
        self, n: int, space: Any, rng: np.random.Generator, exclude: Collection[Any]
    ) -> dict[Any, str]:
        """Return ``n`` architectures of ``space`` for the first round of a search, and the origin of each."""
        ...


class FeatureView(TokenView[A]):
    """View of an architecture as a feature vector. By default the features are the one-hot encoded tokens.

    Attributes:
        ordered_features: Number of the ordered position of each feature of the kernel's first group, from 1, and 0 for
            the others, ``[F]``. None without ordered positions.
        descriptor: Function that gives models further numbers of architectures. None means no further numbers.
    """

    ordered_features: NDArray[np.int64] | None = None
    descriptor: Descriptor | None = None

    def features(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return the feature vector of each architecture, ``[n, F]``."""
        return one_hot(self.encode(architectures), self.num_tokens)

    def kernel_features(self, architectures: Sequence[A]) -> list[NDArray[np.float32]]:
        """Return groups of features for the kernel of a Gaussian process, each ``[n, F]``. The default is one group.

        The first group defines the distance of two architectures. Further groups are interactions of features.
        """
        return [self.features(architectures)]

    @property
    def is_described(self) -> bool:
        """Whether models read descriptors of architectures."""
        return self.descriptor is not None and self.descriptor.gives_features

    def descriptors(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return the descriptors of architectures, ``[n, D]``. D is 0 if models read none."""
        if self.descriptor is None or not self.descriptor.gives_features:
            return np.empty((len(architectures), 0), dtype=np.float32)
        return self.descriptor(architectures)

    def described_features(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return the features and the descriptors of architectures, ``[n, F + D]``."""
        features = self.features(architectures)
        if not self.is_described:
            return features
        return np.concatenate([features, self.descriptors(architectures)], axis=1)

    def described_groups(self, architectures: Sequence[A]) -> list[NDArray[np.float32]]:
        """Return the groups of features for a kernel, with the descriptors in the first group, if there are any."""
        groups = self.kernel_features(architectures)
        if not self.is_described:
            return groups
        scaled = np.float32(DESCRIPTOR_SCALE) * self.descriptors(architectures)
        return [np.concatenate([groups[0], scaled], axis=1), *groups[1:]]

    def prior(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the predictions of a model without labels, ``[n]``, see ``Descriptor``. They are 0 without one."""
        if self.descriptor is None or not self.descriptor.gives_features:
            return np.zeros(len(architectures))
        return self.descriptor.prior(architectures)

    def expected(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return what each other task expects of architectures, ``[n, S]``. S is 0 without other tasks."""
        if self.descriptor is None:
            return np.empty((len(architectures), 0))
        return self.descriptor.expected(architectures)


class RowView(ABC, Generic[A]):
    """View of an architecture as columns of a CSV file, for ``seminas data import``.

    By default one column, ``architecture``, holds the architecture as JSON.

    Attributes:
        csv_columns: Alternative sets of columns that identify an architecture, in order of preference.
    """

    csv_columns: tuple[tuple[str, ...], ...] = (("architecture",),)

    @abstractmethod
    def from_json(self, value: Json) -> A:
        """Return the architecture that a file stores as ``value``.

        Raises:
            ValueError: ``value`` is not an architecture of this space.
        """

    def parse(self, text: str) -> A:
        """Return the architecture that a user or a file wrote as ``text``. The default reads JSON.

        Raises:
            ValueError: ``text`` is not an architecture of this space. The message says why.
        """
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no JSON of an architecture") from error
        return self.from_json(value)

    def from_row(self, row: Mapping[str, str]) -> A:
        """Return the architecture of a row. The row has all columns of at least one entry of ``csv_columns``.

        By default an entry is a single column, and ``parse`` reads its text.

        Raises:
            ValueError: The row is not an architecture of this space. The message says why.
        """
        (column,) = next(names for names in self.csv_columns if set(names) <= set(row))
        return self.parse(row[column])

    def from_rows(self, rows: Sequence[Mapping[str, str]]) -> list[A | ValueError]:
        """Return for each row its architecture, or the error that ``from_row`` raised."""
        architectures: list[A | ValueError] = []
        for row in rows:
            try:
                architectures.append(self.from_row(row))
            except ValueError as error:
                architectures.append(error)
        return architectures
