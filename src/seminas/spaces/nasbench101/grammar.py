"""Token sequences of NAS-Bench-101 cells, and the grammar of these sequences.

A sequence describes the vertices in order, starting with the second. For each vertex it has one token for each earlier
vertex (edge or no edge), and then a token for the operation. The token of the output ends the sequence. So cells of
every size have a sequence: a cell of 2 vertices has 2 tokens, a cell of 7 vertices has 27. The layout is that of Luo
et al. (NeurIPS 2020), whose decoder writes cells of 7 vertices only.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seminas.spaces.nasbench101.cell import MAX_EDGES, MAX_VERTICES, OPERATIONS, OUTPUT, PADDING

PAD, NO_EDGE, EDGE = 0, 1, 2
FIRST_OPERATION = 3
END = FIRST_OPERATION + len(OPERATIONS)
NUM_TOKENS = END + 1
MAX_LENGTH = sum(v + 1 for v in range(1, MAX_VERTICES))

_POSITIONS = [(v, u) for v in range(1, MAX_VERTICES) for u in range(v + 1)]
"""Meaning of each token position: the edge from vertex u to vertex v, or the operation of vertex v if u = v."""
_EDGE_POSITIONS = [t for t, (v, u) in enumerate(_POSITIONS) if u < v]
_OPERATION_POSITIONS = [t for t, (v, u) in enumerate(_POSITIONS) if u == v]


def write_tokens(matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the token sequences ``[n, 27]`` of padded graphs in the form of ``cell_arrays``."""
    tokens = np.zeros((len(matrix), MAX_LENGTH), dtype=np.int64)
    for t, (v, u) in enumerate(_POSITIONS):
        token = NO_EDGE + matrix[:, u, v] if u < v else FIRST_OPERATION + labels[:, v]
        if u == v:
            token = np.where(labels[:, v] == OUTPUT, END, token)
        tokens[:, t] = np.where(labels[:, v] == PADDING, PAD, token)
    return tokens


def read_tokens(tokens: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.bool_]]:
    """Return the padded graphs of token sequences ``[n, 27]``, and whether each sequence obeys the grammar.

    Returns:
        Adjacency matrices ``[n, 7, 7]`` and labels ``[n, 7]`` in the form of ``cell_arrays``, and booleans ``[n]``.
    """
    sequence = torch.as_tensor(np.ascontiguousarray(tokens, dtype=np.int64))
    legal = torch.ones(len(sequence), dtype=torch.bool)
    in_range = (sequence >= 0) & (sequence < NUM_TOKENS)
    for t in range(MAX_LENGTH):
        allowed = legal_tokens(sequence[:, :t])
        token = sequence[:, t].clamp(0, NUM_TOKENS - 1)
        legal &= in_range[:, t] & allowed.gather(1, token[:, None])[:, 0]
    matrix = np.zeros((len(tokens), MAX_VERTICES, MAX_VERTICES), dtype=np.uint8)
    labels = np.full((len(tokens), MAX_VERTICES), PADDING, dtype=np.int8)
    labels[:, 0] = -1
    for t, (v, u) in enumerate(_POSITIONS):
        if u < v:
            matrix[:, u, v] = tokens[:, t] == EDGE
        else:
            operation = (tokens[:, t] - FIRST_OPERATION).astype(np.int8)
            operation = np.where(tokens[:, t] == END, OUTPUT, operation)
            labels[:, v] = np.where(tokens[:, t] == PAD, PADDING, operation)
    return matrix, labels, legal.numpy()


def legal_tokens(prefix: Tensor) -> Tensor:
    """Return the mask ``[n, 7]`` of the tokens after which a prefix ``[n, t]`` can still become a cell.

    A cell has at most 9 edges, and each of its vertices lies on a path from the input to the output. A vertex without
    an edge to a later vertex is *open*. Each open vertex needs at least one more edge. So the number of edges so far
    plus the number of open vertices must not exceed 9. The current vertex can become the output or an operation:

    - Output: an earlier vertex must be closed if its edge to the current vertex is already decided.
    - Operation: the vertex is open itself, needs an edge into it, and must not be the seventh vertex.
    """
    n, t = prefix.shape
    v, u = _POSITIONS[t]
    edge = prefix == EDGE
    edges = edge[:, [p for p in _EDGE_POSITIONS if p < t]].sum(dim=1)
    closed = torch.zeros((n, v), dtype=torch.bool, device=prefix.device)
    for p in _EDGE_POSITIONS[: sum(p < t for p in _EDGE_POSITIONS)]:
        closed[:, _POSITIONS[p][1]] |= edge[:, p]
    ended = (prefix[:, [p for p in _OPERATION_POSITIONS if p < t]] == END).any(dim=1)
    mask = torch.zeros((n, NUM_TOKENS), dtype=torch.bool, device=prefix.device)
    if u == v:
        open_vertices = (~closed).sum(dim=1)
        if v < MAX_VERTICES - 1:
            fits = edges + open_vertices + 1 <= MAX_EDGES
            mask[:, FIRST_OPERATION:END] = fits[:, None]
        mask[:, END] = open_vertices == 0
    else:
        has_input = edge[:, t - u : t].any(dim=1)
        mask[:, NO_EDGE] = _completable(closed, edges, has_input, v, u + 1)
        closed_with_edge = closed.clone()
        closed_with_edge[:, u] = True
        mask[:, EDGE] = _completable(closed_with_edge, edges + 1, torch.ones_like(has_input), v, u + 1)
    mask[ended] = False
    mask[:, PAD] = ended
    return mask


def _completable(closed: Tensor, edges: Tensor, has_input: Tensor, v: int, decided: int) -> Tensor:
    """Return whether each prefix can still become a cell, ``[n]``.

    Args:
        closed: Whether each earlier vertex has an edge to a later vertex, ``[n, v]``.
        edges: Number of edges so far, ``[n]``.
        has_input: Whether vertex v has an edge into it, ``[n]``.
        v: Current vertex.
        decided: Number of earlier vertices whose edge to vertex v is decided.
    """
    open_vertices = (~closed).sum(dim=1)
    open_ahead = (~closed[:, decided:]).any(dim=1)
    as_output = closed[:, :decided].all(dim=1) & (edges + open_vertices <= MAX_EDGES)
    as_output &= has_input | open_ahead
    if v == MAX_VERTICES - 1:
        return as_output
    extra = torch.where(has_input | open_ahead, 0, 1)
    as_operation = edges + open_vertices + 1 + extra <= MAX_EDGES
    if decided == v:
        as_operation &= has_input
    return as_output | as_operation
