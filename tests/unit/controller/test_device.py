"""Test the choice of the controller's device.

The device ``meta`` stands for a GPU. It computes shapes alone, and refuses tensors of another device. It has no values
to copy to the CPU, so the fixture ``copied`` makes such copies zeros.
"""

import contextlib
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from seminas.config.controller import ControllerSettings, TeacherSettings
from seminas.config.search import SearchSettings
from seminas.config.strategies import SemiNASSettings
from seminas.controller.device import check_device, chosen_device
from seminas.controller.fit import fit_controller
from seminas.controller.fitted import Controller
from seminas.controller.generate import improve
from seminas.controller.models.inputs import Inputs, as_inputs
from seminas.controller.models.make import make_network
from seminas.controller.module import ControllerModule, Labeled
from seminas.controller.optimise import Schedule, optimise
from seminas.controller.targets import Targets
from seminas.errors import UserError
from seminas.loop.plan import make_plan
from seminas.predictors.controller import ControllerPredictor
from seminas.spaces.nasbench101 import NASBench101
from seminas.strategies.controlled import ROUND_SIZES
from seminas.strategies.seminas import SemiNAS

META = torch.device("meta")
CPU = torch.device("cpu")
SMALL = ControllerSettings(teachers=TeacherSettings(members=2, steps=2), warm_start=True)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make zeros of a copy from ``meta`` to the CPU."""
    original = torch.Tensor.cpu

    def cpu(tensor: torch.Tensor) -> torch.Tensor:
        return torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor.is_meta else original(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)


def devices_of(network: torch.nn.Module) -> set[torch.device]:
    """Return the devices of the weights and buffers of a network."""
    return {tensor.device for tensor in (*network.parameters(), *network.buffers())}


@pytest.mark.parametrize(
    ("device", "num_labels", "has_gpu", "expected"),
    [
        ("auto", 1_000, True, "cpu"),
        ("auto", 1_001, True, "cuda"),
        ("auto", 1_001, False, "cpu"),
        ("cpu", 1_001, True, "cpu"),
        ("cuda", 1, True, "cuda"),
    ],
)
def test_the_device_follows_from_the_number_of_labels(
    device: str, num_labels: int, has_gpu: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    settings = ControllerSettings(device=device, gpu_from=1_000)
    check_device(settings)
    assert chosen_device(settings, num_labels).type == expected


def test_a_missing_gpu_is_one_line(space: NASBench101, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = ControllerSettings(device="cuda")
    line = "controller.device=cuda: must be auto or cpu on a machine without a GPU"
    arguments: dict[str, Any] = {"controller": settings, "pseudo_label_ratio": 1.0}
    with pytest.raises(UserError, match=line):
        SemiNAS(space, 0, settings=SemiNASSettings(), **arguments)
    with pytest.raises(UserError, match=line):
        ControllerPredictor(**arguments)


def test_a_network_computes_on_one_device_alone(space: NASBench101) -> None:
    """The encoders of LSTMs read the lengths of sequences on the CPU, so that ``meta`` cannot stand for a GPU there."""
    settings = ControllerSettings()
    network = make_network(space, settings, settings.teachers.members).to(META).eval()
    inputs = as_inputs(space, space.sample(6, np.random.default_rng(0))).to(META)
    predictions, logits = network(inputs)
    assert predictions.device == logits.device == META
    assert predictions.shape == (settings.teachers.members, 6)
    memory = network.encoder(inputs).part(1, None)
    last = torch.zeros((6, 1), dtype=torch.long, device=META)
    logits, _ = network.decoder(last, memory, network.decoder.start(memory))
    assert logits.device == META


def test_fits_and_scores_are_on_the_chosen_device(
    space: NASBench101, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Follow the device through a fit. The optimizer runs on the CPU here, as no GPU is there."""
    asked: list[Any] = []

    def recorded(*arguments: Any, device: torch.device, **keywords: Any) -> None:
        asked.append(device)
        optimise(*arguments, device=torch.device("cpu"), **keywords)

    moved: list[Any] = []
    original = Controller.__init__

    def built(self: Any, *arguments: Any, **keywords: Any) -> None:
        moved.append(keywords.pop("device"))
        original(self, *arguments, **keywords)

    monkeypatch.setattr("seminas.controller.fit.optimise", recorded)
    monkeypatch.setattr(Controller, "__init__", built)
    monkeypatch.setattr("seminas.controller.fit.chosen_device", lambda settings, n: META if n == 30 else None)
    monkeypatch.setattr("seminas.controller.fit.only_errors", contextlib.nullcontext)
    cells = space.sample(30, np.random.default_rng(0))
    settings = ControllerSettings(teachers=TeacherSettings(members=2, steps=2))
    controller, _ = fit_controller(space, settings, cells[:20], np.linspace(0.8, 0.9, 20), (0, 0), cells[20:])
    assert asked == [META, META] and moved == [META, META]
    assert np.isfinite(controller.predict(cells)).all()


def on_meta(space: NASBench101) -> Controller[Any]:
    """Return a controller with random weights on ``meta``."""
    student, teachers = make_network(space, SMALL, 1), make_network(space, SMALL, 2)
    return Controller(space, student, teachers, Targets("tail", np.linspace(0.8, 0.9, 20)), device=META)


@pytest.mark.usefixtures("copied")
def test_a_controller_moves_its_inputs_and_returns_arrays(space: NASBench101) -> None:
    controller = on_meta(space)
    assert controller.teachers is not None
    assert devices_of(controller.student) == devices_of(controller.teachers) == {META}
    cells = space.sample(30, np.random.default_rng(0))
    assert controller.scores(cells).shape == (3, 30)
    assert np.isfinite(controller.predict(cells)).all()


@pytest.mark.usefixtures("copied")
def test_architectures_are_written_on_the_device_of_the_controller(space: NASBench101) -> None:
    """All logits are copied as zeros, so each token is the first legal one.

    An embedding on ``meta`` accepts tokens of the CPU, so the test looks at the tokens.
    """
    seeds = space.sample(5, np.random.default_rng(0))
    settings = replace(SemiNASSettings(), better=False, max_steps=1)
    controller = on_meta(space)
    devices: list[torch.device] = []
    controller.student.decoder.register_forward_pre_hook(lambda module, args: devices.append(args[0].device))
    (cell,) = improve(controller, seeds, 1, set(seeds), settings)
    assert space.decode(space.encode([cell])) == [cell]
    assert devices == [META] * space.max_length


def labeled(space: NASBench101, n: int) -> Labeled:
    return Labeled(as_inputs(space, space.sample(n, np.random.default_rng(0))), torch.linspace(0, 1, n))


def test_lightning_moves_batches_to_the_device(space: NASBench101) -> None:
    module = ControllerModule(make_network(space, SMALL, 2), SMALL)
    moved = module.transfer_batch_to_device(labeled(space, 4), META, 0)
    assert isinstance(moved, Labeled) and isinstance(moved.inputs, Inputs)
    assert {tensor.device for tensor in (*moved.inputs, moved.targets)} == {META}


@pytest.mark.parametrize(("device", "accelerator"), [("cuda", "gpu"), ("cpu", "cpu")])
def test_lightning_gets_one_device(
    device: str, accelerator: str, space: NASBench101, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Mock()
    monkeypatch.setattr("seminas.controller.optimise.pl.Trainer", trainer)
    optimise(
        make_network(space, SMALL, 2),
        SMALL,
        Schedule(2, 2),
        labeled(space, 4),
        torch.arange(4),
        torch.Generator(),
        decode=False,
        device=torch.device(device),
    )
    assert trainer.call_args.kwargs["accelerator"] == accelerator
    assert trainer.call_args.kwargs["devices"] == 1
    assert trainer.return_value.fit.call_count == 1


@pytest.mark.parametrize(("device", "protected"), [("cuda", [0]), ("cpu", [])])
def test_a_fit_protects_the_random_numbers_of_its_device(
    device: str, protected: list[int], space: NASBench101, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fit ends at the protection, because no GPU is there to compute on."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    fork = Mock(side_effect=InterruptedError)
    monkeypatch.setattr(torch.random, "fork_rng", fork)
    cells = space.sample(4, np.random.default_rng(0))
    with pytest.raises(InterruptedError):
        fit_controller(space, replace(SMALL, device=device), cells, np.linspace(0.8, 0.9, 4), (0, 0))
    fork.assert_called_once_with(devices=protected)


@pytest.mark.usefixtures("copied")
def test_a_warm_start_moves_a_copy_of_the_controller(
    space: NASBench101, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second fit is on ``meta``. ``meta`` cannot optimize, so only the first fit does."""
    cells = space.sample(30, np.random.default_rng(0))
    arguments: Any = (cells[:20], np.linspace(0.8, 0.9, 20), (0, 0), cells[20:])
    first, _ = fit_controller(space, SMALL, *arguments)
    scores = first.scores(cells)
    monkeypatch.setattr("seminas.controller.fit.chosen_device", lambda settings, n: META)
    monkeypatch.setattr("seminas.controller.fit.optimise", Mock())
    second, pseudo = fit_controller(space, SMALL, *arguments, start=first)
    assert devices_of(second.student) == {META} and pseudo.shape == (10,)
    assert devices_of(first.student) == {CPU}
    np.testing.assert_array_equal(first.scores(cells), scores)


@pytest.mark.parametrize("max_queries", [None, 2_000])
def test_a_default_search_stays_on_the_cpu(
    max_queries: int | None, space: NASBench101, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SemiNAS has 100 pseudo-labels for each architecture of the first round."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    sizes = make_plan(SearchSettings(max_queries=max_queries), space.size, ROUND_SIZES).sizes()
    num_pseudo = round(SemiNASSettings.PSEUDO_LABEL_RATIO * sizes[0])
    assert chosen_device(ControllerSettings(), sum(sizes) + num_pseudo) == CPU
