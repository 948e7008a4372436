"""What an architecture is: the interface of a search space, which knows nothing of accuracies."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

A = TypeVar("A", bound=Hashable)
"""An architecture: a hashable value of the space's own, equal exactly for equal architectures."""


class SearchSpace(ABC, Generic[A]):
    """Architectures, their token sequences and their networks.

    Attributes:
        name: The name in configs and result files.
        num_tokens: Size of the vocabulary; token 0 is padding and the start of a sequence.
        max_length: Length of token sequences, shorter ones are padded at the end.
    """

    name: str
    num_tokens: int
    max_length: int

    @abstractmethod
    def __len__(self) -> int:
        """Number of distinct architectures."""

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

    @abstractmethod
    def legal_tokens(self, prefix: Tensor) -> Tensor:
        """Return which tokens may come next so that the sequence can still become an architecture.

        Args:
            prefix: Token sequences so far, integers ``[n, t]`` with t < max_length.

        Returns:
            Mask ``[n, num_tokens]``; padding alone is legal after the end of a sequence.
        """

    @abstractmethod
    def key(self, architecture: A) -> str:
        """Return the name of an architecture in files, equal exactly for equal architectures."""

    @abstractmethod
    def to_json(self, architecture: A) -> Any:
        """Return an architecture as plain lists, dicts, strings and numbers."""

    @abstractmethod
    def from_json(self, value: Any) -> A:
        """Inverse of ``to_json``.

        Raises:
            ValueError: ``value`` is no architecture of this space.
        """

    @abstractmethod
    def neighbors(self, architecture: A) -> list[A]:
        """Return the distinct architectures at edit distance 1."""

    def mutate(self, architecture: A, rng: np.random.Generator) -> A:
        """Return a neighbour, drawn uniformly."""
        neighbors = self.neighbors(architecture)
        return neighbors[rng.integers(len(neighbors))]

    @abstractmethod
    def build_network(
        self, architecture: A, num_classes: int, in_channels: int, **skeleton: Any
    ) -> nn.Module:
        """Return the classifier of an architecture, images ``[n, in_channels, height, width]`` to logits."""
