"""Parameters and MACs of the networks of NAS-Bench-201, computed from the operations."""

import numpy as np
from numpy.typing import NDArray

from seminas.config.networks import NASBench201Network
from seminas.spaces.exact import NetworkShape
from seminas.spaces.nasbench201.cell import EDGES, OPERATIONS

KERNEL_AREA = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
"""Number of weights of an operation for each pair of an input and an output channel. The others have no weights."""


def network_costs(choices: NDArray[np.int64], shape: NetworkShape) -> dict[str, NDArray[np.int64]]:
    """Return the trainable parameters and the MACs for one image of the networks of cells, each ``[n]``.

    The numbers are those of ``network.build_network`` (Dong and Yang, ICLR 2020, section 2.1). A convolution whose
    input is zero, because only ``none`` leads to it, has parameters and no MACs.

    Args:
        choices: Index of the operation on each edge, ``[n, 6]``.
        shape: Image, classes and skeleton of the networks.
    """
    settings = NASBench201Network(**shape.skeleton)
    width, (in_channels, height, breadth) = settings.channels, shape.image
    area = np.array([KERNEL_AREA.get(name, 0) for name in OPERATIONS])[choices]
    exists = {0: np.ones(len(choices), dtype=bool)}
    for v in (1, 2, 3):
        edges = [(e, u) for e, (u, w) in enumerate(EDGES) if w == v]
        exists[v] = np.any([exists[u] & (choices[:, e] != 0) for e, u in edges], axis=0)
    computed = area * np.stack([exists[u] for u, _ in EDGES], axis=1)
    convolutions, computed = (area > 0).sum(axis=1), computed.sum(axis=1)
    area = area.sum(axis=1)
    stem = 9 * in_channels * width
    parameters = np.full(len(choices), stem + 2 * width, dtype=np.int64)
    macs = np.full(len(choices), stem * height * breadth, dtype=np.int64)
    for stage in range(settings.num_stages):
        if stage:
            height, breadth = -(-height // 2), -(-breadth // 2)
            # The reduction block: 3x3 to twice the channels, 3x3 among these, and the 1x1 of the shortcut.
            weights = (9 * 2 + 9 * 4 + 2) * width**2
            parameters += weights + 2 * 2 * (2 * width)
            macs += weights * height * breadth
            width *= 2
        parameters += settings.cells_per_stage * (area * width**2 + 2 * width * convolutions)
        macs += settings.cells_per_stage * computed * width**2 * (height * breadth)
    classifier = width * shape.num_classes
    parameters += 2 * width + classifier + shape.num_classes
    return {"parameters": parameters, "macs": macs + classifier}
