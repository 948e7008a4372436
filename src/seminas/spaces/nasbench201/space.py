"""The search space of NAS-Bench-201 (Dong and Yang, ICLR 2020)."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from seminas.spaces.nasbench201.cell import EDGES, OPERATIONS
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.spaces.views import reachable
from seminas.storage.values import Json

_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""Edges of each path from node 0 to node 3."""
_NUM_PATHS = 1 + 3 + 9 + 27
_STRING = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
_INPUT_LABEL, _OUTPUT_LABEL = 1, 2


class NASBench201(SequenceSpace):
    """15,625 cells: one of 5 operations on each of 6 edges.

    Two cells are equal where their strings are, as in the benchmark, although some compute the same function.
    """

    def __init__(self) -> None:
        super().__init__("nasbench201", {f"{u}->{v}": OPERATIONS for u, v in EDGES})
        self.csv_columns = (("arch",), ("architecture",))
        # The graph view has a vertex for each edge of the cell, between an input and an output.
        ends = [(-1, 0), *EDGES, (3, 4)]
        self._adjacency = np.array(
            [[u < v and a[1] == b[0] for v, b in enumerate(ends)] for u, a in enumerate(ends)]
        )

    @property
    def num_vertices(self) -> int:
        """Input, six operations, output."""
        return len(EDGES) + 2

    @property
    def num_labels(self) -> int:
        """Padding, input, output, operations."""
        return 3 + len(OPERATIONS)

    def graphs(self, architectures: Sequence[Choices]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, 8, 8]`` and labels ``[n, 8]`` of what the cells compute.

        An operation follows those that its origin sums. ``skip_connect`` is an edge from what it follows to what
        follows it, and an operation that the output does not depend on, or that does not depend on the input, is
        padding in its place. So cells that compute the same often have the same graph.
        """
        rows = self._array(architectures)
        labels = np.full((len(rows), self.num_vertices), _INPUT_LABEL, dtype=np.int64)
        labels[:, -1] = _OUTPUT_LABEL
        labels[:, 1:-1] = rows + 3
        edges = np.broadcast_to(self._adjacency, (len(rows), *self._adjacency.shape)).copy()
        operates = np.ones(labels.shape, dtype=bool)
        operates[:, 1:-1] = rows > OPERATIONS.index("skip_connect")
        skips = labels == 3 + OPERATIONS.index("skip_connect")
        for v in range(1, self.num_vertices - 1):
            edges |= (edges[:, :, v] & skips[:, v, None])[:, :, None] & edges[:, v, None, :]
            edges[:, :, v] &= operates[:, v, None]
            edges[:, v, :] &= operates[:, v, None]
        paths = reachable(edges)
        used = paths[:, 0, :] & paths[:, :, -1]
        used[:, [0, -1]] = True
        edges &= used[:, :, None] & used[:, None, :]
        return edges.astype(np.uint8), np.where(used, labels, 0)

    def features(self, architectures: Sequence[Choices]) -> NDArray[np.float32]:
        """Return the operations one-hot, and which paths there are from the input to the output, ``[n, 70]``.

        A path is the sequence of its convolutions and poolings: ``skip_connect`` passes on, ``none`` cuts.
        """
        rows = self._array(architectures)
        paths = np.zeros((len(rows), _NUM_PATHS), dtype=np.float32)
        for edges in _PATHS:
            code, whole = np.zeros(len(rows), dtype=np.int64), np.ones(len(rows), dtype=bool)
            for edge in edges:
                operation = rows[:, edge]
                whole &= operation != 0
                code = np.where(operation >= 2, 3 * code + operation - 1, code)
            paths[np.flatnonzero(whole), code[whole]] = 1
        return np.concatenate([super().features(architectures), paths], axis=1)

    def key(self, architecture: Choices) -> str:
        """Return the benchmark's string, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
        names = iter(self._written(architecture))
        nodes = ("|".join(f"{next(names)}~{u}" for u in range(v)) for v in (1, 2, 3))
        return "+".join(f"|{node}|" for node in nodes)

    def parse(self, text: str) -> Choices:
        """Return the cell of the benchmark's string.

        Raises:
            ValueError: It is none.
        """
        match = _STRING.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no string of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return self._read(dict(zip(self.positions, match.groups(), strict=True)))

    def to_json(self, architecture: Choices) -> Json:
        """Return the benchmark's string."""
        return self.key(architecture)

    def from_json(self, value: Json) -> Choices:
        """Inverse of ``to_json``; raises ValueError for what is no cell."""
        return self.parse(str(value))

    def num_unique(self) -> int:
        """Return the number of unique topologies, counted as the benchmark does: 6,466.

        ``skip_connect`` passes its input on, what follows a ``none`` is zero, and the terms of a sum are sorted.
        (That leaves zeros and nested sums standing, in the benchmark's notation: fewer functions are different.)
        """
        return len({self._function(row) for row in self.at(np.arange(self.size))})

    def _function(self, architecture: Choices) -> str:
        nodes = {0: "0"}
        operation = dict(zip(EDGES, self._written(architecture), strict=True))
        for v in (1, 2, 3):
            terms = []
            for u in range(v):
                name = operation[u, v]
                if name == "none" or nodes[u] == "#":
                    terms.append("#")
                else:
                    terms.append(nodes[u] if name == "skip_connect" else f"({nodes[u]})@{name}")
            nodes[v] = "+".join(sorted(terms))
        return nodes[3]

    def vertex_names(self, architecture: Choices) -> list[str]:
        """Return ``input``, the operations in use with the nodes that they lead from and to, ``output``."""
        _, (labels,) = self.graphs([architecture])
        operations = zip(self._written(architecture), EDGES, labels[1:-1], strict=True)
        return ["input", *(f"{name}\n{u} → {v}" for name, (u, v), used in operations if used), "output"]

    def build_network(
        self, architecture: Choices, num_classes: int, in_channels: int, **skeleton: Any
    ) -> nn.Module:
        """Return the benchmark's network of stacked cells, see ``network.py``."""
        from seminas.spaces.nasbench201.network import build_network

        return build_network(self._written(architecture), num_classes, in_channels, **skeleton)
