"""Test the export of networks whose modules have two names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench201 import NASBench201
from seminas.training.export import export


@pytest.mark.parametrize("make", [NASBench101, NASBench201])
def test_networks_of_random_cells_are_exported_and_loaded(tmp_path: Path, make: Any) -> None:
    space = make()
    cells = space.sample(5, np.random.default_rng(0))
    num_shared = 0
    for i, cell in enumerate(cells):
        torch.manual_seed(i)
        before = space.build_network(cell, 10, 1)
        export(tmp_path, before, (1, 8, 8), {}, ["safetensors"])
        names = before.state_dict()
        num_shared += len({value.data_ptr() for value in names.values() if value.numel()}) < len(names)
        after = space.build_network(cell, 10, 1)
        after.load_state_dict(load_file(tmp_path / "network.safetensors"))
        images = torch.rand(2, 1, 8, 8)
        with torch.inference_mode():
            assert torch.equal(before.eval()(images), after.eval()(images))
    # In a cell of NAS-Bench-101 whose input leads to the output, one projection has two names.
    assert (num_shared > 0) is (make is NASBench101)
