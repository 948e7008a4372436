"""Parameters and MACs of the networks of NAS-Bench-101, computed from the channels of each vertex."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.config.networks import NASBench101Network
from seminas.spaces.exact import NetworkShape
from seminas.spaces.nasbench101.cell import MAX_VERTICES, OPERATIONS, OUTPUT, Cell, cell_arrays

KERNEL_AREA = {"conv3x3-bn-relu": 9, "conv1x1-bn-relu": 1, "maxpool3x3": 0}
"""Number of weights of an operation for each pair of an input and an output channel."""


def network_costs(cells: Sequence[Cell], shape: NetworkShape) -> dict[str, NDArray[np.int64]]:
    """Return the trainable parameters and the MACs for one image of the networks of cells, each ``[n]``.

    The numbers are those of ``network.build_network`` (Ying et al., ICML 2019, section 2.3).
    """
    settings = NASBench101Network(**shape.skeleton)
    channels, (in_channels, height, width) = settings.stem_channels, shape.image
    matrix, labels = cell_arrays(cells)
    stem = 9 * in_channels * channels
    parameters = np.full(len(cells), stem + 2 * channels, dtype=np.int64)
    macs = np.full(len(cells), stem * height * width, dtype=np.int64)
    before = channels
    for stack in range(settings.num_stacks):
        if stack:
            height, width, channels = height // 2, width // 2, 2 * channels
        for _ in range(settings.cells_per_stack):
            weights, normalized = _cell_weights(matrix, labels, before, channels)
            parameters += weights + 2 * normalized
            macs += weights * (height * width)
            before = channels
    classifier = channels * shape.num_classes
    return {"parameters": parameters + classifier + shape.num_classes, "macs": macs + classifier}


def _cell_weights(
    matrix: NDArray[np.uint8], labels: NDArray[np.int8], in_channels: int, out_channels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of convolution weights and of BatchNorm channels of each cell, both ``[n]``."""
    of_vertex = vertex_channels(matrix, labels, out_channels)
    area = np.zeros(labels.shape, dtype=np.int64)
    for i, name in enumerate(OPERATIONS):
        area[labels == i] = KERNEL_AREA[name]
    # The cell's input is projected to the channels of each vertex that reads it, also of the output.
    projected = matrix[:, 0].astype(np.int64) * (of_vertex + out_channels * (labels == OUTPUT))
    weights = (area * of_vertex**2 + in_channels * projected).sum(axis=1)
    normalized = ((area > 0) * of_vertex + projected).sum(axis=1)
    return weights, normalized


def vertex_channels(
    matrix: NDArray[np.uint8], labels: NDArray[np.int8], out_channels: int
) -> NDArray[np.int64]:
    """Return the channels of the interior vertices of cells, ``[n, 7]``, and 0 for the other vertices.

    The vertices before the output share its channels. The first of them have one more channel if the division leaves
    a remainder. Any other vertex has the most channels of the vertices that it leads to (``compute_vertex_channels``
    of the authors' code).
    """
    rows = np.arange(len(labels))
    is_last = matrix[rows, :, (labels == OUTPUT).argmax(axis=1)] > 0
    is_last[:, 0] = False
    number = is_last.sum(axis=1, keepdims=True).clip(1)
    rank = np.cumsum(is_last, axis=1) - 1
    channels = np.where(is_last, out_channels // number + (rank < out_channels % number), 0).astype(np.int64)
    for v in range(MAX_VERTICES - 2, 0, -1):
        most = (matrix[:, v] * channels).max(axis=1)
        channels[:, v] = np.where(is_last[:, v], channels[:, v], most)
    return channels
