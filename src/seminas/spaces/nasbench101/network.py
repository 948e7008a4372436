"""Networks of NAS-Bench-101 from ``nasbench-pytorch``, with corrections to version 1.3.1."""

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
    """A ``ModelSpec`` that accepts invalid cells and computes the benchmark's hash.

    For an invalid cell, ``valid_spec`` is False. The library's constructor raises ``RuntimeError`` for a cell without a
    path from input to output. The library stores the matrix as a tensor, and its ``hash_spec`` fails on tensors.
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
            ValueError: The cell has no path from the input to the output.
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
    """Return the network of stacked cells (Ying et al., ICML 2019, section 2.3).

    It maps images ``[n, in_channels, height, width]`` to logits ``[n, num_classes]``.

    Args:
        matrix: Upper triangular adjacency matrix, ``[V, V]``.
        operations: V names: ``input``, V - 2 of ``OPERATIONS``, ``output``.
        num_classes: Number of classes.
        in_channels: Number of image channels.
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
            # The forward pass branches on the matrix. Exporters cannot trace a branch on a tensor.
            module.matrix = np.asarray(module.matrix)
            _remove_stray_parameters(module)
    return network


def _remove_stray_parameters(cell: Any) -> None:
    """Remove the parameters that never get a gradient. DistributedDataParallel fails if such parameters exist."""
    for name, module in list(cell.named_modules(remove_duplicate=False)):
        if isinstance(module, Placeholder):
            cell.set_submodule(name, nn.Identity())
    # The forward pass reads the device of ``dev_param``. A buffer moves to the device of the module too.
    del cell.dev_param
    cell.register_buffer("dev_param", torch.empty(0), persistent=False)
