"""The search space of NAS-Bench-101 (Ying et al., ICML 2019)."""

import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from seminas.spaces.base import EnumerableSpace
from seminas.spaces.nasbench101 import costs, grammar
from seminas.spaces.nasbench101.cell import (
    INPUT,
    MAX_EDGES,
    MAX_VERTICES,
    OPERATIONS,
    OUTPUT,
    PADDING,
    Cell,
    cell_arrays,
    module_hash,
    path_features,
)
from seminas.spaces.nasbench101.enumeration import Enumeration, load_cells, pack
from seminas.spaces.views import one_hot, reachable
from seminas.storage.values import Json

Graph = tuple[NDArray[np.uint8], NDArray[np.int8]]


class NASBench101(EnumerableSpace[Cell]):
    """The 423,624 classes of isomorphic cells of at most 7 vertices and 9 edges.

    Each class has one representative. All methods return representatives, so equal values mean isomorphic cells.
    """

    name = "nasbench101"
    num_tokens = grammar.NUM_TOKENS
    max_length = grammar.MAX_LENGTH
    num_vertices = MAX_VERTICES
    num_labels = len(OPERATIONS) - PADDING
    csv_columns = (("adjacency", "ops"), ("architecture",))
    network_costs = staticmethod(costs.network_costs)

    @cached_property
    def _all(self) -> Enumeration:
        return load_cells()

    def __getstate__(self) -> dict[str, Any]:
        """Return a state without the enumeration. Another process loads the enumeration from the cache."""
        return {}

    @property
    def size(self) -> int:
        """Number of unique cells, 423,624."""
        return len(self._all.packed)

    def at(self, indices: NDArray[np.int64]) -> list[Cell]:
        """Return the cells at the indices ``[n]`` of the enumeration."""
        return [Cell(*row) for row in self._all.cells(indices).tolist()]

    def index(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """Return the index of each cell in the enumeration, ``[n]``.

        Raises:
            KeyError: A cell is not in the space, or is not the representative of its class.
        """
        packed = pack(np.asarray(cells, dtype=np.int64).reshape(-1, 3))
        row = np.searchsorted(self._all.packed, packed).clip(max=len(self) - 1)
        wrong = np.flatnonzero(self._all.packed[row] != packed)
        if len(wrong):
            raise KeyError(cells[wrong[0]])
        return row

    def find(self, graphs: Sequence[Graph]) -> NDArray[np.int64]:
        """Return the index ``[n]`` of the cell that is isomorphic to each padded graph, or -1 if no cell is.

        A graph is a matrix ``[7, 7]`` and labels ``[7]`` in the form of ``cell_arrays``. In the graph of a cell, each
        vertex lies on a path from the input to the output.
        """
        if not graphs:
            return np.empty(0, dtype=np.int64)
        return self.find_graphs(np.stack([g[0] for g in graphs]), np.stack([g[1] for g in graphs]))

    def find_graphs(self, matrices: NDArray[np.uint8], labels: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the same as ``find`` for graphs in two arrays, ``[n, 7, 7]`` and ``[n, 7]``."""
        return self._all.find(matrices, labels)

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the enumeration."""
        return self._all.fingerprint()

    def encode(self, architectures: Sequence[Cell]) -> NDArray[np.int64]:
        """Return the token sequence of each cell, ``[n, 27]``, see ``grammar``."""
        return grammar.write_tokens(*cell_arrays(architectures))

    def graphs(self, architectures: Sequence[Cell]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return matrices ``[n, 7, 7]`` and labels ``[n, 7]``: 0 padding, 1 output, 2 input, 3 to 5 operations."""
        matrix, labels = cell_arrays(architectures)
        return matrix, labels.astype(np.int64) - PADDING

    def features(self, architectures: Sequence[Cell]) -> NDArray[np.float32]:
        """Return edges, one-hot operations and ``cell.path_features``, ``[n, 21 + 15 + 376]``."""
        matrix, labels = cell_arrays(architectures)
        edges = matrix[:, *np.triu_indices(MAX_VERTICES, k=1)].astype(np.float32)
        operations = one_hot(np.maximum(labels[:, 1:-1], -1) + 1, 1 + len(OPERATIONS))
        kept = np.arange(operations.shape[1]) % (1 + len(OPERATIONS)) > 0
        return np.concatenate([edges, operations[:, kept], path_features(matrix, labels)], axis=1)

    def decode(self, tokens: NDArray[np.int64]) -> list[Cell | None]:
        """Return the cell of each token sequence ``[n, 27]``, or None if the sequence breaks the grammar."""
        matrix, labels, legal = grammar.read_tokens(tokens)
        indices = np.full(len(tokens), -1)
        indices[legal] = self._all.find(matrix[legal], labels[legal])
        return [cell if i >= 0 else None for cell, i in zip(self.at(indices), indices, strict=True)]

    def legal_tokens(self, prefix: Tensor) -> Tensor:
        """Return the mask ``[n, 7]`` of the tokens that may follow each prefix ``[n, t]``, see ``grammar``."""
        return grammar.legal_tokens(prefix)

    def key(self, architecture: Cell) -> str:
        """Return the benchmark's module hash of a cell."""
        _, labels = cell_arrays([architecture])
        return module_hash(architecture.matrix, labels[0, : architecture.num_vertices].tolist())

    def to_json(self, architecture: Cell) -> Json:
        """Return a cell in the form ``{"matrix": [[0, 1], [0, 0]], "operations": ["input", "output"]}``."""
        return {"matrix": architecture.matrix.tolist(), "operations": architecture.labels}

    def from_json(self, value: Json) -> Cell:
        """Return the cell of a value in ``to_json``'s form. Vertices on no path from input to output are pruned.

        Raises:
            ValueError: The value is not a cell of this space. The message says why.
        """
        cell: Any = value
        try:
            matrix, names = np.asarray(cell["matrix"], dtype=np.float64), list(cell["operations"])
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ValueError(f"a cell needs 'matrix' and 'operations', not {value!r}") from error
        return self.from_matrix(matrix, names[1:-1])

    def from_matrix(self, matrix: NDArray[np.int64] | NDArray[np.float64], operations: Sequence[str]) -> Cell:
        """Return the cell of an upper triangular matrix, ``[V, V]``, and its V - 2 operations, pruned.

        Raises:
            ValueError: The graph is not a cell of this space. The message says why.
        """
        v = matrix.shape[0] if matrix.ndim == 2 else 0
        if matrix.shape != (v, v) or not 2 <= v <= MAX_VERTICES:
            raise ValueError(f"matrix must be V x V with V from 2 to {MAX_VERTICES}, not {matrix.shape}")
        if not np.isin(matrix, (0, 1)).all() or np.tril(matrix).any():
            raise ValueError("matrix must be upper triangular, of 0 and 1")
        graph = _prune(*pad_graph(matrix.astype(np.int64), operations))
        if graph is None:
            raise ValueError("no path leads from the input to the output")
        if graph[0].sum() > MAX_EDGES:
            raise ValueError(f"{graph[0].sum()} edges, at most {MAX_EDGES} are allowed")
        return self._cells([graph])[0]

    def from_row(self, row: Mapping[str, str]) -> Cell:
        """Return the pruned cell of a row. ``adjacency`` holds its upper triangle, ``ops`` its operations."""
        return self.from_matrix(*_row_graph(row)) if "adjacency" in row else super().from_row(row)

    def from_rows(self, rows: Sequence[Mapping[str, str]]) -> list[Cell | ValueError]:
        """Return the cell of each row, or its error. Cells that need no pruning are looked up together, for speed."""
        proper: dict[int, Graph] = {}
        for i, row in enumerate(rows):
            with contextlib.suppress(ValueError, KeyError):
                proper[i] = pad_graph(*_row_graph(row))
        indices = self.find(list(proper.values()))
        cells = {i: cell for i, k, cell in zip(proper, indices, self.at(indices), strict=True) if k >= 0}
        rest = iter(super().from_rows([row for i, row in enumerate(rows) if i not in cells]))
        return [cells[i] if i in cells else next(rest) for i in range(len(rows))]

    def neighbors(self, architecture: Cell) -> list[Cell]:
        """Return the cells at edit distance 1. The inverse of each edit is an edit too.

        An edit changes the operation of a vertex, adds or removes an edge, or adds or removes a vertex with one edge
        in and one edge out. The two neighbors of such a vertex may also be connected directly.
        """
        (matrix,), (labels,) = cell_arrays([architecture])
        v = architecture.num_vertices
        graphs = list(_relabeled(matrix, labels, v))
        reach = reachable(matrix)
        for u, w in product(range(v), repeat=2):
            if u == w or w == 0 or u == v - 1 or reach[w, u]:
                continue
            graphs.append((_with_edge(matrix, u, w, 1 - matrix[u, w]), labels))
            if v < MAX_VERTICES:
                graphs.extend(_with_vertex(matrix, labels, v, u, w))
        for x in range(1, v - 1):
            if matrix[x].sum() == matrix[:, x].sum() == 1:
                graphs.extend(_without_vertex(matrix, labels, x))
        kept = [g for g in graphs if g[0].sum() <= MAX_EDGES and _is_full(*g)]
        return [cell for cell in dict.fromkeys(self._cells(kept)) if cell != architecture]

    def vertex_names(self, architecture: Cell) -> list[str]:
        """Return ``input``, the operations without their suffix ``-bn-relu``, ``output``."""
        return [name.removesuffix("-bn-relu") for name in architecture.labels]

    def build_network(
        self, architecture: Cell, num_classes: int, in_channels: int, **skeleton: Any
    ) -> nn.Module:
        """Return the benchmark's network of stacked cells, see ``network.build_network``."""
        from seminas.spaces.nasbench101.network import build_network

        return build_network(architecture.matrix, architecture.labels, num_classes, in_channels, **skeleton)

    def _cells(self, graphs: Sequence[Graph]) -> list[Cell]:
        """Return the cell of each padded graph. The vertices of a graph may be in any order."""
        indices = self.find(graphs)
        assert (indices >= 0).all(), "a full graph of at most 9 edges is a cell"
        return self.at(indices)


_VERTICES = {v * (v - 1) // 2: v for v in range(2, MAX_VERTICES + 1)}


def _row_graph(row: Mapping[str, str]) -> tuple[NDArray[np.int64], list[str]]:
    bits = row["adjacency"]
    if len(bits) not in _VERTICES or set(bits) - {"0", "1"}:
        raise ValueError(f"adjacency {bits!r} must be V(V-1)/2 digits 0 or 1, V from 2 to {MAX_VERTICES}")
    v = _VERTICES[len(bits)]
    matrix = np.zeros((v, v), dtype=np.int64)
    matrix[np.triu_indices(v, k=1)] = [int(bit) for bit in bits]
    return matrix, [name for name in row["ops"].split("|") if name]


def pad_graph(matrix: NDArray[np.int64], operations: Sequence[str]) -> Graph:
    """Return the padded graph of a matrix ``[V, V]`` and V - 2 operations, or raise ValueError for wrong operations."""
    v = len(matrix)
    if len(operations) != v - 2 or set(operations) - set(OPERATIONS):
        raise ValueError(f"operations must be {v - 2} of {', '.join(OPERATIONS)}, not {list(operations)}")
    padded = np.zeros((MAX_VERTICES, MAX_VERTICES), dtype=np.uint8)
    padded[:v, :v] = matrix
    labels = np.full(MAX_VERTICES, PADDING, dtype=np.int8)
    labels[:v] = [INPUT, *(OPERATIONS.index(name) for name in operations), OUTPUT]
    return padded, labels


def _is_full(matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> bool:
    """Return whether every vertex lies on a path from the input to the output."""
    reach, present = reachable(matrix), labels != PADDING
    output = np.flatnonzero(labels == OUTPUT)[0]
    return bool((reach[0] & reach[:, output])[present].all())


def _prune(matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> Graph | None:
    """Remove the vertices on no path from the input to the output. Return None if no such path exists."""
    reach = reachable(matrix)
    output = np.flatnonzero(labels == OUTPUT)[0]
    if not reach[0, output]:
        return None
    return _subgraph(matrix, labels, np.flatnonzero(reach[0] & reach[:, output]))


def _subgraph(matrix: NDArray[np.uint8], labels: NDArray[np.int8], kept: NDArray[np.int64]) -> Graph:
    smaller, names = np.zeros_like(matrix), np.full_like(labels, PADDING)
    smaller[: len(kept), : len(kept)] = matrix[np.ix_(kept, kept)]
    names[: len(kept)] = labels[kept]
    return smaller, names


def _with_edge(matrix: NDArray[np.uint8], u: int, w: int, value: int) -> NDArray[np.uint8]:
    changed = matrix.copy()
    changed[u, w] = value
    return changed


def _relabeled(matrix: NDArray[np.uint8], labels: NDArray[np.int8], v: int) -> list[Graph]:
    graphs = []
    for x, operation in product(range(1, v - 1), range(len(OPERATIONS))):
        names = labels.copy()
        names[x] = operation
        graphs.append((matrix, names))
    return graphs


def _with_vertex(matrix: NDArray[np.uint8], labels: NDArray[np.int8], v: int, u: int, w: int) -> list[Graph]:
    """Return the graphs with a new vertex v between u and w. An edge from u to w may stay or be removed."""
    graphs = []
    for operation, direct in product(range(len(OPERATIONS)), {0, int(matrix[u, w])}):
        larger, names = _with_edge(matrix, u, w, direct), labels.copy()
        larger[u, v] = larger[v, w] = 1
        names[v] = operation
        graphs.append((larger, names))
    return graphs


def _without_vertex(matrix: NDArray[np.uint8], labels: NDArray[np.int8], x: int) -> list[Graph]:
    """Return the graphs without vertex x, which has one edge in and one out. An edge may replace x."""
    u, w = np.flatnonzero(matrix[:, x])[0], np.flatnonzero(matrix[x])[0]
    kept = np.flatnonzero((labels != PADDING) & (np.arange(len(labels)) != x))
    values = {1} if matrix[u, w] else {0, 1}
    return [_subgraph(_with_edge(matrix, u, w, value), labels, kept) for value in values]
