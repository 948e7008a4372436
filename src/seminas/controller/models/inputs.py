"""Architectures as tensors, and the states that an encoder computes from these tensors.

Shapes: n architectures, S states of the encoder (tokens or vertices), L tokens, V vertices, H hidden, E members.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seminas.spaces.base import A, SearchSpace
from seminas.spaces.statistics import graph_statistics


class Inputs(NamedTuple):
    """Architectures as tensors. A space gives two views of them: token sequences and graphs.

    Attributes:
        tokens: Token sequences, integers ``[n, L]``. 0 is padding.
        adjacency: Adjacency matrices, bytes ``[n, V, V]``. Edges lead from the row's vertex to the column's vertex.
        labels: Labels of the vertices, integers ``[n, V]``. 0 is padding.
        statistics: Statistics of the whole graphs, ``[n, F]``. See ``graph_statistics``. The descriptors of the space
            follow, if it has any.
    """

    tokens: Tensor
    adjacency: Tensor
    labels: Tensor
    statistics: Tensor

    def select(self, index: Tensor) -> "Inputs":
        """Return the architectures at ``index``, integers ``[m]``."""
        return Inputs(*(view[index] for view in self))

    def to(self, device: torch.device) -> "Inputs":
        """Return the architectures on a device."""
        return Inputs(*(view.to(device) for view in self))

    def distinct(self, views: Sequence[str]) -> tuple["Inputs", NDArray[np.int64]]:
        """Return the distinct architectures and the index of each architecture among them, ``[n]``.

        Architectures are distinct if they differ in one of the given views.
        """
        columns = [getattr(self, view).flatten(1).numpy() for view in views]
        # The bits of floats, and numbers that fit into 16 bits.
        parts = [c.view(np.int16) if c.dtype == np.float32 else c.astype(np.int16) for c in columns]
        rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
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
    if space.is_described:
        statistics = np.concatenate([statistics, space.descriptors(architectures)], axis=1)
    views = (space.encode(architectures), adjacency, labels, statistics)
    return Inputs(*(torch.as_tensor(view) for view in views))


class Memory(NamedTuple):
    """States that an encoder computes for architectures.

    Attributes:
        states: Normalised states, ``[E, n, S, H]``. Padding has the state 0.
        mask: Mask of the states, ``[n, S]``. It is false for padding.
        length: Length of a normalised state. The authors use 1. With ``sqrt(H)``, each state has the root mean square
            1, so the next layers get inputs at their usual scale.
    """

    states: Tensor
    mask: Tensor
    length: float

    @property
    def embedding(self) -> Tensor:
        """The normalised mean of the states, ``[E, n, H]``."""
        return normalise(self.states.sum(dim=-2) / self.mask.sum(dim=-1, keepdim=True), self.length)

    def part(self, members: int, number: int | None) -> "Memory":
        """Return the states of the first members for the first architectures. None means all architectures."""
        return self._replace(states=self.states[:members, :number], mask=self.mask[:number])


def memorise(states: Tensor, mask: Tensor, length: float | None = None) -> Memory:
    """Normalise an encoder's states, ``[E, n, S, H]``, to a length. The default length is ``sqrt(H)``."""
    length = states.shape[-1] ** 0.5 if length is None else length
    return Memory(normalise(states, length) * mask[..., None], mask, length)


def normalise(x: Tensor, length: float) -> Tensor:
    """Scale the vectors in the last dimension to a length. A zero vector stays zero."""
    return nn.functional.normalize(x, dim=-1) * length
