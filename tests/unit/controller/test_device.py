"""Test the choice of the controller's device.

The device ``meta`` stands for a GPU. It computes shapes alone, and refuses tensors of another device.
"""

import contextlib
from typing import Any

import numpy as np
import pytest
import torch

from seminas.config.controller import ControllerSettings, TeacherSettings
from seminas.config.strategies import SemiNASSettings
from seminas.controller.device import check_device, chosen_device
from seminas.controller.fit import fit_controller
from seminas.controller.fitted import Controller
from seminas.controller.models.inputs import as_inputs
from seminas.controller.models.make import make_network
from seminas.controller.optimise import optimise
from seminas.errors import UserError
from seminas.predictors.controller import ControllerPredictor
from seminas.spaces.nasbench101 import NASBench101
from seminas.strategies.seminas import SemiNAS

META = torch.device("meta")


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
        *rest, device = arguments if len(arguments) == 6 else (*arguments, keywords.pop("device"))
        moved.append(device)
        original(self, *rest, **keywords)

    monkeypatch.setattr("seminas.controller.fit.optimise", recorded)
    monkeypatch.setattr(Controller, "__init__", built)
    monkeypatch.setattr("seminas.controller.fit.chosen_device", lambda settings, n: META if n == 30 else None)
    monkeypatch.setattr("seminas.controller.fit.quiet", contextlib.nullcontext)
    cells = space.sample(30, np.random.default_rng(0))
    settings = ControllerSettings(teachers=TeacherSettings(members=2, steps=2))
    controller, _ = fit_controller(space, settings, cells[:20], np.linspace(0.8, 0.9, 20), (0, 0), cells[20:])
    assert asked == [META, META] and moved == [META, META]
    assert np.isfinite(controller.predict(cells)).all()
