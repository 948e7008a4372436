"""Cells of NAS-Bench-101 as values and as arrays, and two hashes that are equal for isomorphic cells."""

import hashlib
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""Operations in the benchmark's order. The benchmark's module hash depends on this order."""
MAX_VERTICES = 7
MAX_EDGES = 9
INPUT, OUTPUT, PADDING = -1, -2, -3
"""Labels of vertices without an operation. The benchmark's hash also uses the first two values."""

_TAIL, _HEAD = np.triu_indices(MAX_VERTICES, k=1)
_EDGE_BIT = (_HEAD * (_HEAD - 1) // 2 + _TAIL).astype(np.uint32)


class Cell(NamedTuple):
    """A cell as three small integers, so that an array can hold hundreds of thousands of cells.

    Attributes:
        num_vertices: Number of vertices, from 2 to 7. The input is the first vertex, the output is the last.
        edges: Bits of the edges. Bit ``v (v - 1) / 2 + u`` is the edge from vertex u to vertex v > u. The position of
            a bit does not depend on the number of vertices.
        operations: Two bits for each interior vertex v, starting at bit ``2 (v - 1)``: its index in ``OPERATIONS``.
    """

    num_vertices: int
    edges: int
    operations: int

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Upper triangular adjacency matrix, ``[V, V]``."""
        matrix, _ = cell_arrays([self])
        return matrix[0, : self.num_vertices, : self.num_vertices].astype(np.int64)

    @property
    def labels(self) -> list[str]:
        """Names of the V vertices: ``input``, the operations, ``output``."""
        interior = [OPERATIONS[self.operations >> 2 * v & 3] for v in range(self.num_vertices - 2)]
        return ["input", *interior, "output"]


def cell_arrays(cells: Sequence[Cell] | NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Return the padded graphs of cells.

    Args:
        cells: Cells, or an array of their three integers, ``[n, 3]``.

    Returns:
        Adjacency matrices ``[n, 7, 7]`` and labels ``[n, 7]``. A label is an index of ``OPERATIONS``, ``INPUT``,
        ``OUTPUT`` or ``PADDING``. The output is vertex V - 1. Padding follows the output.
    """
    packed = np.asarray(cells, dtype=np.int64).reshape(-1, 3)
    num_vertices, edges, operations = packed.T
    matrix = np.zeros((len(packed), MAX_VERTICES, MAX_VERTICES), dtype=np.uint8)
    matrix[:, _TAIL, _HEAD] = edges[:, None] >> _EDGE_BIT & 1
    vertex = np.arange(MAX_VERTICES)
    labels = (operations[:, None] >> np.maximum(2 * (vertex - 1), 0) & 3).astype(np.int8)
    labels[:, 0] = INPUT
    labels[vertex >= num_vertices[:, None]] = PADDING
    labels[np.arange(len(packed)), num_vertices - 1] = OUTPUT
    return matrix, labels


NUM_SEQUENCES = sum(len(OPERATIONS) ** k for k in range(MAX_VERTICES - 1))
"""Number of sequences of at most 5 operations: 364."""
_MANY_PATHS = 8
"""Divisor that scales numbers of paths to about 1."""


def path_features(matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return path features of cells (White et al., "BANANAS", AAAI 2021), and a few statistics of each cell.

    Isomorphic cells have the same features.

    Args:
        matrix: Upper triangular adjacency matrices, ``[n, 7, 7]``.
        labels: Vertex labels in the form of ``cell_arrays``, ``[n, 7]``.

    Returns:
        Features ``[n, 364 + 12]``. Each of the first 364 features belongs to a sequence of operations. It is 1 if a
        path from the input to the output has this sequence, and 0 otherwise. The other 12 features are counts, scaled
        to a range from 0 to about 1: paths of each length, all paths, each operation, edges, vertices.
    """
    n = np.arange(len(matrix))
    to_output = matrix[n, :, (labels == OUTPUT).argmax(axis=1)] > 0
    sequences = np.zeros((len(matrix), NUM_SEQUENCES), dtype=np.float32)
    lengths = np.zeros((len(matrix), MAX_VERTICES - 1), dtype=np.float32)
    interior = range(1, MAX_VERTICES - 1)
    for vertices in (v for k in range(len(interior) + 1) for v in combinations(interior, k)):
        # 3 code + operation + 1 numbers the sequences from 0. Shorter sequences have smaller numbers.
        code, exists, last = np.zeros(len(matrix), dtype=np.int64), np.ones(len(matrix), dtype=bool), 0
        for v in vertices:
            exists &= (matrix[:, last, v] > 0) & (labels[:, v] >= 0)
            code, last = len(OPERATIONS) * code + labels[:, v] + 1, v
        exists &= to_output[:, last]
        sequences[n[exists], code[exists]] = 1
        lengths[exists, len(vertices)] += 1
    operations = (labels[:, :, None] == np.arange(len(OPERATIONS))).sum(axis=1) / len(interior)
    size = np.stack(
        [matrix.sum(axis=(1, 2)) / MAX_EDGES, (labels != PADDING).sum(axis=1) / MAX_VERTICES], axis=1
    )
    number = lengths.sum(axis=1, keepdims=True) / _MANY_PATHS
    return np.concatenate(
        [sequences, lengths / _MANY_PATHS, number, operations, size], axis=1, dtype=np.float32
    )


def module_hash(matrix: NDArray[np.int64], labels: Sequence[int]) -> str:
    """Return the benchmark's key of a pruned cell. Isomorphic cells have the same key.

    The hash of a vertex starts as the MD5 of its degrees and its label. Then, V times, the hash of each vertex is
    combined with the hashes of its neighbors (Ying et al., "NAS-Bench-101", ICML 2019; ``graph_util.hash_module`` of
    the authors' code).

    Args:
        matrix: Adjacency matrix, ``[V, V]``.
        labels: V labels: ``-1``, indices of ``OPERATIONS``, ``-2``.
    """
    rows = np.asarray(matrix).tolist()
    vertices = range(len(rows))
    ins = [[u for u in vertices if rows[u][v]] for v in vertices]
    outs = [[w for w in vertices if rows[v][w]] for v in vertices]
    hashes = [_md5(str((len(outs[v]), len(ins[v]), int(labels[v])))) for v in vertices]
    for _ in vertices:
        hashes = [
            _md5(
                "".join(sorted(hashes[u] for u in ins[v]))
                + "|"
                + "".join(sorted(hashes[w] for w in outs[v]))
                + "|"
                + hashes[v]
            )
            for v in vertices
        ]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def graph_codes(matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> NDArray[np.uint64]:
    """Return a 64-bit code of each graph, ``[n]``. Isomorphic graphs have the same code.

    This is a vectorized variant of ``module_hash``. It mixes integers instead of computing MD5, and sums hashes instead
    of sorting them. The vertices may be in any order. ``enumerate_cells`` checks that no two cells of the space have
    the same code.

    Args:
        matrix: Adjacency matrices, ``[n, 7, 7]``.
        labels: Vertex labels in the form of ``cell_arrays``, ``[n, 7]``.
    """
    present = labels != PADDING
    forward = matrix.astype(np.uint64)
    backward = np.ascontiguousarray(forward.transpose(0, 2, 1))
    code = _mix(labels.astype(np.int64).astype(np.uint64) + np.uint64(11))
    for _ in range(MAX_VERTICES - 1):
        ahead = (forward * _mix(code ^ _KEYS[0])[:, None, :]).sum(axis=2, dtype=np.uint64)
        behind = (backward * _mix(code ^ _KEYS[1])[:, None, :]).sum(axis=2, dtype=np.uint64)
        code = _mix(code * _KEYS[2] + _mix(ahead) + _mix(behind ^ _KEYS[3]) * _KEYS[1])
    return _mix(np.where(present, _mix(code), np.uint64(0)).sum(axis=1, dtype=np.uint64))


_KEYS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64
)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the finalizer of SplitMix64. Every input bit changes about half of the output bits."""
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)
