"""Encoder that reads the graph of an architecture."""

import numpy as np
import torch
from torch import Tensor, nn

from seminas.controller.models.inputs import Inputs, Memory, as_inputs, memorise
from seminas.controller.models.parts import StackedLinear
from seminas.spaces.base import SearchSpace

NUM_REFERENCE, MIN_SCALE = 500, 1e-2
"""Number of random architectures for standardising statistics, and smallest standard deviation of a statistic."""


class GraphEncoder(nn.Module):
    """Message passing along and against the edges. The encoder returns one state for each vertex.

    A vertex's state does not depend on the order of the vertices. In each layer a vertex receives the mean state of its
    predecessors and the mean state of its successors. At the end the encoder maps the statistics of the graph to a
    vector and adds the vector to every state.
    """

    reads: tuple[str, ...] = ("adjacency", "labels")
    center: Tensor
    scale: Tensor

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float, members: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(members, space.num_labels, hidden))
        self.dropout = nn.Dropout(dropout)
        self.messages = nn.ModuleList(StackedLinear(members, 3 * hidden, hidden) for _ in range(layers))
        self.gains = nn.Parameter(torch.ones(layers, members, 1, 1, hidden))
        self.shifts = nn.Parameter(torch.zeros(layers, members, 1, 1, hidden))
        reference = as_inputs(space, space.sample(NUM_REFERENCE, np.random.default_rng(0))).statistics
        self.register_buffer("center", reference.mean(dim=0))
        self.register_buffer("scale", reference.std(dim=0, correction=0).clamp(min=MIN_SCALE))
        if space.is_described:  # Equal graphs may have different descriptors.
            self.reads = ("adjacency", "labels", "statistics")
        self.whole = StackedLinear(members, reference.shape[1], hidden)

    def forward(self, inputs: Inputs) -> Memory:
        """Return the states of the vertices, ``[E, n, V, H]``."""
        mask = inputs.labels != 0
        present = mask[..., None].to(self.embedding.dtype)
        edges = inputs.adjacency.to(self.embedding.dtype)
        forward, backward = (nn.functional.normalize(e, p=1, dim=2) for e in (edges, edges.transpose(1, 2)))
        states = self.embedding[:, inputs.labels] * present
        for linear, gain, shift in zip(self.messages, self.gains, self.shifts, strict=True):
            around = torch.cat([states, forward @ states, backward @ states], dim=-1)
            news = nn.functional.layer_norm(linear(around), states.shape[-1:]) * gain + shift
            states = torch.addcmul(states, self.dropout(torch.relu(news)), present)
        statistics = (inputs.statistics - self.center) / self.scale
        whole = self.whole(statistics.expand(len(self.embedding), -1, -1))
        return memorise(states + whole[:, :, None], mask)
