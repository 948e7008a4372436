"""Test failed trainings, and worker processes that die during a training."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from learning import chain, digits_accuracy, digits_evaluator, digits_recipe
from seminas.spaces.nasbench101 import Cell, NASBench101

RECIPE = digits_recipe(epochs=1)


class Brittle(NASBench101):
    """A space that fails for networks of five vertices. The first network of four vertices kills its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder}

    def build_network(self, architecture: Cell, *args: object, **kwargs: object) -> torch.nn.Module:
        if architecture.num_vertices == 5:
            raise MemoryError("too large\nby far")
        if architecture.num_vertices == 4:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().build_network(architecture, *args, **kwargs)  # type: ignore[arg-type]


@pytest.mark.long
def test_a_failure_is_recorded_and_a_dead_worker_replaced(tmp_path: Path) -> None:
    space = Brittle(tmp_path)
    cells = [chain(space, n) for n in (1, 2, 3)]
    evaluator = digits_evaluator(space, RECIPE, num_workers=1)
    done = dict(evaluator.evaluate(cells))
    evaluator.close()
    assert (tmp_path / "killed").exists()
    assert done[0].val_accuracy is not None and done[1].val_accuracy is not None
    assert done[2].val_accuracy is None and done[2].error == "MemoryError: too large"


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
def test_ray_replaces_a_worker_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # The worker imports this module.
    space = Brittle(tmp_path)
    cells = [chain(space, n) for n in (1, 2, 3, 1)]
    on_ray = digits_evaluator(space, RECIPE, engine="ray")
    try:
        done = dict(on_ray.evaluate(cells))
        assert (tmp_path / "killed").exists()
        assert done[2].val_accuracy is None and done[2].error == "MemoryError: too large"
        for i in (0, 1, 3):
            assert done[i].val_accuracy == digits_accuracy(space, cells[i], RECIPE)
        assert done[0].val_accuracy == done[3].val_accuracy != done[1].val_accuracy
    finally:
        on_ray.close()
