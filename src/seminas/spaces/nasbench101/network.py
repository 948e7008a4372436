"""Networks of NAS-Bench-101 from ``nasbench-pytorch``, with what is wrong in its 1.3.1 put right."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from nasbench_pytorch.model import ModelSpec, Network
from nasbench_pytorch.model.model import Cell as CellModule
from nasbench_pytorch.model.model import Placeholder
from numpy.typing import NDArray
from torch import nn

from seminas.config.networks import NASBench101Network
from seminas.spaces.nasbench101.cell import OPERATIONS, module_hash


class CellSpec(ModelSpec):  # type: ignore[misc]
    """A ``ModelSpec`` whose ``valid_spec`` is False for an invalid cell, and whose hash can be computed.

    The library's constructor raises ``RuntimeError`` for a cell without a path from input to output,
    and its ``hash_spec`` fails on the tensor that it keeps the matrix in.
    """

    def __init__(self, matrix: NDArray[np.int64], ops: Sequence[str]) -> None:
        try:
            super().__init__(np.asarray(matrix), list(ops))
        except RuntimeError:
            if self.valid_spec:
                raise

    def hash_spec(self, canonical_ops: Sequence[str] = OPERATIONS) -> str:
        """Return the benchmark's module hash.

        Raises:
            ValueError: The cell is invalid.
        """
        if not self.valid_spec:
            raise ValueError("an invalid cell has no hash: no path leads from the input to the output")
        labels = [-1, *(list(canonical_ops).index(op) for op in self.ops[1:-1]), -2]
        return module_hash(np.asarray(self.matrix), labels)


def build_network(
    matrix: NDArray[np.int64],
    operations: Sequence[str],
    num_classes: int = 10,
    in_channels: int = 3,
    **skeleton: Any,
) -> nn.Module:
    """Return the network of a cell, images ``[n, in_channels, height, width]`` to logits ``[n, num_classes]``.

    Args:
        matrix: Upper triangular adjacency matrix, ``[V, V]``.
        operations: ``input``, V - 2 of ``OPERATIONS``, ``output``.
        num_classes: Logits.
        in_channels: Of the images.
        skeleton: Fields of ``NASBench101Network``.

    Raises:
        ValueError: No path leads from the input to the output.
    """
    settings = NASBench101Network(**skeleton)
    spec = CellSpec(matrix, operations)
    if not spec.valid_spec:
        raise ValueError("the cell is invalid: no path leads from the input to the output")
    network: nn.Module = Network(
        spec,
        num_classes,
        in_channels,
        settings.stem_channels,
        settings.num_stacks,
        settings.cells_per_stack,
        momentum=settings.batch_norm_momentum,
    )
    for module in list(network.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = settings.batch_norm_momentum
        elif isinstance(module, CellModule):
            # Its forward pass branches on this, which exporters can follow only where it is no tensor.
            module.matrix = np.asarray(module.matrix)
            _remove_stray_parameters(module)
    return network


def _remove_stray_parameters(cell: Any) -> None:
    """Take out the parameters that no gradient ever reaches, which stop DistributedDataParallel."""
    for name, module in list(cell.named_modules(remove_duplicate=False)):
        if isinstance(module, Placeholder):
            cell.set_submodule(name, nn.Identity())
    # The forward pass asks this one for the device; a buffer moves with the module as well.
    del cell.dev_param
    cell.register_buffer("dev_param", torch.empty(0), persistent=False)
