"""Architectures as tensors, in the two views of a space, and the states that an encoder makes of them.

Shapes: n architectures, S states of the encoder (tokens or vertices), L tokens, V vertices, H hidden, E members.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seminas.controller.models.statistics import graph_statistics
from seminas.spaces.base import A, SearchSpace


class Inputs(NamedTuple):
    """Architectures as tensors, in the two views that a space shows.

    Attributes:
        tokens: Token sequences, 0 is padding, integers ``[n, L]``.
        adjacency: Edge from row to column, bytes ``[n, V, V]``.
        labels: Vertex labels, 0 is padding, integers ``[n, V]``.
        statistics: Of the graphs as wholes, ``[n, F]``, see ``graph_statistics``.
    """

    tokens: Tensor
    adjacency: Tensor
    labels: Tensor
    statistics: Tensor

    def select(self, index: Tensor) -> "Inputs":
        """Return the architectures at ``index``, integers ``[m]``."""
        return Inputs(*(view[index] for view in self))

    def distinct(self, views: Sequence[str]) -> tuple["Inputs", NDArray[np.int64]]:
        """Return those that differ in some of the views, and which of these each architecture is, ``[n]``."""
        columns = [getattr(self, view).flatten(1).numpy() for view in views]
        rows = np.ascontiguousarray(np.concatenate([c.astype(np.int16) for c in columns], axis=1))
        whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
        _, first, row = np.unique(whole, return_index=True, return_inverse=True)
        return self.select(torch.as_tensor(first)), row

    def split(self, size: int) -> Iterator["Inputs"]:
        """Yield consecutive parts of ``size`` architectures."""
        for parts in zip(*(view.split(size) for view in self), strict=True):
            yield Inputs(*parts)


def as_inputs(space: SearchSpace[A], architectures: Sequence[A]) -> Inputs:
    """Return architectures as tensors."""
    adjacency, labels = space.graphs(architectures)
    statistics = graph_statistics(adjacency, labels, space.num_labels)
    views = (space.encode(architectures), adjacency, labels, statistics)
    return Inputs(*(torch.as_tensor(view) for view in views))


class Memory(NamedTuple):
    """What the encoder says of architectures.

    Attributes:
        states: Normalised states, ``[E, n, S, H]``, zero where there is none.
        mask: Which states there are, ``[n, S]``.
        length: That states are normalised to. The authors take 1; ``sqrt(H)``, a root mean square of 1, lets what
            follows start at its usual scale.
    """

    states: Tensor
    mask: Tensor
    length: float

    @property
    def embedding(self) -> Tensor:
        """The mean of the states, normalised again, ``[E, n, H]``."""
        return normalise(self.states.sum(dim=-2) / self.mask.sum(dim=-1, keepdim=True), self.length)

    def part(self, members: int, number: int | None) -> "Memory":
        """Return what the first members say of the first architectures."""
        return self._replace(states=self.states[:members, :number], mask=self.mask[:number])


def memorise(states: Tensor, mask: Tensor, length: float | None = None) -> Memory:
    """Normalise an encoder's states, ``[E, n, S, H]``, to ``sqrt(H)`` by default."""
    length = states.shape[-1] ** 0.5 if length is None else length
    return Memory(normalise(states, length) * mask[..., None], mask, length)


def normalise(x: Tensor, length: float) -> Tensor:
    """Scale the last dimension to a length, zero stays zero."""
    return nn.functional.normalize(x, dim=-1) * length
