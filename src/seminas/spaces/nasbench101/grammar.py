"""Token sequences of NAS-Bench-101 cells, and which tokens can follow which.

Vertex by vertex from the second: a token for each earlier vertex (an edge from it or none), then the
operation. ``output`` ends the sequence, so that cells of every size have one: 2 tokens for 2 vertices,
27 for 7 (the layout of Luo et al., NeurIPS 2020, whose decoder writes 7 vertices only).
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

_PLACE = [(v, u) for v in range(1, MAX_VERTICES) for u in range(v + 1)]
"""What stands at each position: vertex v and the edge from vertex u, or its operation where u = v."""
_EDGE_PLACES = [t for t, (v, u) in enumerate(_PLACE) if u < v]
_OPERATION_PLACES = [t for t, (v, u) in enumerate(_PLACE) if u == v]


def write_tokens(matrix: NDArray[np.uint8], labels: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the token sequences, ``[n, 27]``, of padded graphs as of ``cell_arrays``."""
    tokens = np.zeros((len(matrix), MAX_LENGTH), dtype=np.int64)
    for t, (v, u) in enumerate(_PLACE):
        token = NO_EDGE + matrix[:, u, v] if u < v else FIRST_OPERATION + labels[:, v]
        if u == v:
            token = np.where(labels[:, v] == OUTPUT, END, token)
        tokens[:, t] = np.where(labels[:, v] == PADDING, PAD, token)
    return tokens


def read_tokens(tokens: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.bool_]]:
    """Return the padded graphs of token sequences, ``[n, 27]``, and which of them are grammatical, ``[n]``."""
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
    for t, (v, u) in enumerate(_PLACE):
        if u < v:
            matrix[:, u, v] = tokens[:, t] == EDGE
        else:
            operation = (tokens[:, t] - FIRST_OPERATION).astype(np.int8)
            operation = np.where(tokens[:, t] == END, OUTPUT, operation)
            labels[:, v] = np.where(tokens[:, t] == PAD, PADDING, operation)
    return matrix, labels, legal.numpy()


def legal_tokens(prefix: Tensor) -> Tensor:
    """Return the mask ``[n, 7]`` of the tokens that keep a prefix, ``[n, t]``, completable to a cell.

    A cell has every vertex on a path from input to output and at most 9 edges. The cheapest end of a
    sequence gives each *open* vertex (one without an edge out of it) one edge, so edges so far plus
    open vertices must not exceed 9, in the branch where the vertex at hand is the output (then all
    vertices already passed over must be closed) or in the one where it is an operation (then it is
    open itself, needs an edge into it, and must not be the last).
    """
    n, t = prefix.shape
    v, u = _PLACE[t]
    edge = prefix == EDGE
    edges = edge[:, [p for p in _EDGE_PLACES if p < t]].sum(dim=1)
    closed = torch.zeros((n, v), dtype=torch.bool, device=prefix.device)
    for p in _EDGE_PLACES[: sum(p < t for p in _EDGE_PLACES)]:
        closed[:, _PLACE[p][1]] |= edge[:, p]
    ended = (prefix[:, [p for p in _OPERATION_PLACES if p < t]] == END).any(dim=1)
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
        closed_by_it = closed.clone()
        closed_by_it[:, u] = True
        mask[:, EDGE] = _completable(closed_by_it, edges + 1, torch.ones_like(has_input), v, u + 1)
    mask[ended] = False
    mask[:, PAD] = ended
    return mask


def _completable(closed: Tensor, edges: Tensor, has_input: Tensor, v: int, decided: int) -> Tensor:
    """Whether edges into vertex v from ``decided`` on can still be set so that a cell results, ``[n]``."""
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
