"""The search space of NAS-Bench-201 (Dong and Yang, ICLR 2020)."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from seminas.spaces.exact import NetworkShape
from seminas.spaces.nasbench201 import costs
from seminas.spaces.nasbench201.cell import EDGES, OPERATIONS
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.spaces.views import reachable
from seminas.storage.values import Json

_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""Edges of each path from node 0 to node 3, as indices of ``EDGES``."""
_NUM_PATHS = 1 + 3 + 9 + 27
"""Number of sequences of at most 3 convolutions or poolings."""
_STRING = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
_INPUT_LABEL, _OUTPUT_LABEL = 1, 2


class NASBench201(SequenceSpace):
    """The 15,625 cells with one of 5 operations on each of 6 edges.

    As in the benchmark, two cells are equal if their strings are equal. Some unequal cells compute the same function.
    """

    is_chain = False

    def __init__(self) -> None:
        super().__init__("nasbench201", {f"{u}->{v}": OPERATIONS for u, v in EDGES})
        self.csv_columns = (("arch",), ("architecture",))
        # A vertex of the graph view is the input, the operation on an edge of the cell, or the output.
        ends = [(-1, 0), *EDGES, (3, 4)]
        self._adjacency = np.array(
            [[u < v and a[1] == b[0] for v, b in enumerate(ends)] for u, a in enumerate(ends)]
        )

    @property
    def num_vertices(self) -> int:
        """Number of vertices of the graph view: input, six operations, output."""
        return len(EDGES) + 2

    @property
    def num_labels(self) -> int:
        """Number of vertex labels of the graph view: padding, input, output, operations."""
        return 3 + len(OPERATIONS)

    def graphs(self, architectures: Sequence[Choices]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return adjacency matrices ``[n, 8, 8]`` and vertex labels ``[n, 8]`` of graphs of operations.

        An edge leads from each operation to the operations that use its output. Direct edges replace
        ``skip_connect``. Padding replaces ``none``, ``skip_connect`` and each operation that lies on no path from the
        input to the output. So cells that compute the same function often have the same graph.
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
        """Return the one-hot operations and the path features of each cell, ``[n, 30 + 40]``.

        Each path feature belongs to a sequence of convolutions and poolings. It is 1 if a path from the input to the
        output has this sequence, and 0 otherwise. ``skip_connect`` adds nothing to a sequence. ``none`` interrupts a
        path.
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
        """Return the benchmark's string of a cell, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
        names = iter(self._written(architecture))
        nodes = ("|".join(f"{next(names)}~{u}" for u in range(v)) for v in (1, 2, 3))
        return "+".join(f"|{node}|" for node in nodes)

    def parse(self, text: str) -> Choices:
        """Return the cell of a string in the benchmark's form.

        Raises:
            ValueError: The string has another form or an unknown operation.
        """
        match = _STRING.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no string of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return self._read(dict(zip(self.positions, match.groups(), strict=True)))

    def to_json(self, architecture: Choices) -> Json:
        """Return the benchmark's string of a cell."""
        return self.key(architecture)

    def from_json(self, value: Json) -> Choices:
        """Return the cell of the benchmark's string.

        Raises:
            ValueError: ``value`` is not a cell.
        """
        return self.parse(str(value))

    def num_unique(self) -> int:
        """Return the number of unique topologies as the benchmark counts them: 6,466.

        The benchmark replaces ``skip_connect`` by its input and ``none`` by zero, and sorts the terms of each sum. It
        does not simplify zeros and nested sums. So the number of different functions is smaller.
        """
        return len({self._function(row) for row in self.at(np.arange(self.size))})

    def _function(self, architecture: Choices) -> str:
        """Return the notation of node 3, in which ``#`` is zero."""
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
        """Return ``input``, each operation of the graph view with its edge, such as ``0 → 1``, and ``output``."""
        _, (labels,) = self.graphs([architecture])
        operations = zip(self._written(architecture), EDGES, labels[1:-1], strict=True)
        return ["input", *(f"{name}\n{u} → {v}" for name, (u, v), used in operations if used), "output"]

    def build_network(
        self, architecture: Choices, num_classes: int, in_channels: int, **skeleton: Any
    ) -> nn.Module:
        """Return the benchmark's network of stacked cells, see ``network.build_network``."""
        from seminas.spaces.nasbench201.network import build_network

        return build_network(self._written(architecture), num_classes, in_channels, **skeleton)

    def network_costs(
        self, architectures: Sequence[Choices], shape: NetworkShape
    ) -> dict[str, NDArray[np.int64]]:
        """Return the parameters and the MACs of the networks of cells, see ``costs.network_costs``."""
        return costs.network_costs(self._array(architectures), shape)
