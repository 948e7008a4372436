"""Enumeration of the unique cells of NAS-Bench-101, computed once and stored in the cache folder."""

import hashlib
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seminas.spaces.nasbench101.cell import (
    MAX_EDGES,
    MAX_VERTICES,
    OPERATIONS,
    cell_arrays,
    graph_codes,
)
from seminas.storage.files import atomic_write, cache_dir

log = logging.getLogger(__name__)

NUM_CELLS = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}
"""Number of unique cells by number of vertices. Their sum is 423,624, as in the benchmark."""
_CACHE_FILE = "nasbench101-cells-v1.npz"


@dataclass(frozen=True)
class Enumeration:
    """The unique cells in ascending order of (vertices, edges, operations).

    Attributes:
        packed: One representative of each class of isomorphic cells, packed by ``pack``, ascending, ``[423624]``.
        codes: Codes of the cells (``graph_codes``), ascending, ``[423624]``.
        by_code: Index in ``packed`` of the cell with each code of ``codes``, ``[423624]``.
    """

    packed: NDArray[np.int64]
    codes: NDArray[np.uint64]
    by_code: NDArray[np.int64]

    def cells(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the three integers (see ``Cell``) of the cells at the indices ``[n]``, ``[n, 3]``."""
        packed = self.packed[indices]
        return np.stack([packed >> 31, packed >> 10 & (1 << 21) - 1, packed & 0x3FF], axis=1)

    def find(self, matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the index ``[n]`` of the cell that is isomorphic to each padded graph, or -1 if no cell is."""
        codes = graph_codes(matrix, labels)
        row = np.searchsorted(self.codes, codes).clip(max=len(self.codes) - 1)
        return np.where(self.codes[row] == codes, self.by_code[row], -1)

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the order of the cells. Files that store indices depend on this order."""
        return hashlib.sha256(self.packed.tobytes()).hexdigest()


def pack(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pack the three integers of each cell ``[n, 3]`` into one integer ``[n]``. The order of cells stays the same."""
    return cells[:, 0] << 31 | cells[:, 1] << 10 | cells[:, 2]


@lru_cache(maxsize=1)
def load_cells() -> Enumeration:
    """Return all unique cells.

    Read the cells from the cache file. If the file is missing or damaged, enumerate the cells and write the file.
    """
    path = cache_dir() / _CACHE_FILE
    packed, codes = _read_cache(path) or (None, None)
    if packed is None or codes is None:
        cells = enumerate_cells()
        packed, codes = pack(cells), graph_codes(*cell_arrays(cells))
        _write_cache(path, packed, codes)
    by_code = np.argsort(codes)
    return Enumeration(packed, codes[by_code], by_code)


def enumerate_cells() -> NDArray[np.int64]:
    """Return one representative of every class of isomorphic cells, ``[423624, 3]``.

    First find one representative of each class of isomorphic graphs without operations. Then assign operations to the
    vertices of each representative in every way. Each cell is isomorphic to one of these labeled graphs.

    Raises:
        RuntimeError: The number of cells differs from the benchmark's, because two cells have the same code.
    """
    cells_by_size = []
    for num_vertices, expected in NUM_CELLS.items():
        graphs = _unique(_full_graphs(num_vertices))
        labelings = _labelings(num_vertices - 2)
        cells = np.repeat(graphs, len(labelings), axis=0)
        cells[:, 2] = np.tile(labelings, len(graphs))
        unique = _unique(cells)
        if len(unique) != expected:
            raise RuntimeError(f"{len(unique)} cells of {num_vertices} vertices instead of {expected}")
        cells_by_size.append(unique)
    return np.concatenate(cells_by_size)


def _full_graphs(num_vertices: int) -> NDArray[np.int64]:
    """Return the upper triangular graphs of at most 9 edges without operations, ``[n, 3]``.

    In each graph every vertex lies on a path from the input to the output.
    """
    edges = np.arange(1 << num_vertices * (num_vertices - 1) // 2, dtype=np.int64)
    edges = edges[np.bitwise_count(edges) <= MAX_EDGES]
    for v in range(1, num_vertices):
        incoming = ((1 << v) - 1) << v * (v - 1) // 2
        edges = edges[edges & incoming != 0]
    for u in range(num_vertices - 1):
        outgoing = sum(1 << v * (v - 1) // 2 + u for v in range(u + 1, num_vertices))
        edges = edges[edges & outgoing != 0]
    return np.stack([np.full_like(edges, num_vertices), edges, np.zeros_like(edges)], axis=1)


def _labelings(num_interior: int) -> NDArray[np.int64]:
    """Return all assignments of operations to the interior vertices, as ``Cell.operations``, ascending."""
    labelings = np.zeros(1, dtype=np.int64)
    for v in range(num_interior):
        labelings = np.add.outer(np.arange(len(OPERATIONS)) << 2 * v, labelings).ravel()
    return labelings


def _unique(cells: NDArray[np.int64], chunk: int = 1 << 16) -> NDArray[np.int64]:
    """Return the first cell of each class of isomorphic cells, in the order of ``cells``."""
    parts = [graph_codes(*cell_arrays(cells[i : i + chunk])) for i in range(0, len(cells), chunk)]
    _, first = np.unique(np.concatenate(parts), return_index=True)
    return cells[np.sort(first)]


def _digest(packed: NDArray[np.int64], codes: NDArray[np.uint64]) -> bytes:
    return hashlib.sha256(packed.tobytes() + codes.tobytes()).digest()


def _read_cache(path: Path) -> tuple[NDArray[np.int64], NDArray[np.uint64]] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            packed, codes, digest = file["packed"], file["codes"], file["sha256"]
        if digest.tobytes() == _digest(packed, codes):
            return packed, codes
        reason = "its contents do not match their checksum"
    except FileNotFoundError:
        return None
    except Exception as error:  # A damaged archive makes zipfile and zlib raise almost anything.
        reason = str(error)
    log.warning("%s is damaged (%s): enumerating the cells again", path, reason)
    return None


def _write_cache(path: Path, packed: NDArray[np.int64], codes: NDArray[np.uint64]) -> None:
    try:
        with atomic_write(path) as file:
            digest = np.frombuffer(_digest(packed, codes), dtype=np.uint8)
            np.savez(file, packed=packed, codes=codes, sha256=digest)
    except OSError as error:
        log.warning("%s cannot be written (%s): the cells are enumerated at every start", path, error)


assert max(NUM_CELLS) == MAX_VERTICES
