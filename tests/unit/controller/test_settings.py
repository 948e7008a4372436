"""Test that the settings of the controller reach its networks and its fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seminas.config.build import read
from seminas.config.controller import ControllerSettings, StudentSettings, TeacherSettings
from seminas.controller.fit import fit_controller
from seminas.controller.models.make import make_network
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.models.parts import StackedLinear
from seminas.spaces.nasbench101 import NASBench101

Networks = Callable[..., ControllerNetwork]


@pytest.fixture
def made(configure: Callable[..., dict[str, Any]], space: NASBench101) -> Networks:
    """Return a function that makes the networks of overrides such as ``"encoder.hidden=8"``."""

    def networks(overrides: str, group: str = "fast", members: int = 1) -> ControllerNetwork:
        written = [f"controller={group}", *(f"controller.{override}" for override in overrides.split())]
        config = configure("search", *written, f"controller.teachers.members={members}")
        settings = read(config["controller"], "controller", ControllerSettings)
        return make_network(space, settings, settings.teachers.members)

    return networks


def stacked(module: nn.Module) -> list[list[int]]:
    return [list(part.weight.shape) for part in module.modules() if isinstance(part, StackedLinear)]


def dropouts(network: ControllerNetwork) -> set[float]:
    return {part.p for part in network.modules() if isinstance(part, nn.Dropout)}


def test_widths_layers_and_members_are_those_of_the_config(made: Networks) -> None:
    network = made("encoder.hidden=24 encoder.layers=3 encoder.dropout=0.25 head.widths=[12,6]", members=4)
    assert stacked(network.head) == [[4, 24, 12], [4, 12, 6], [4, 6, 1]]
    assert stacked(network.encoder.messages) == [[4, 72, 24]] * 3
    assert network.decoder.lstm.hidden_size == 24 and dropouts(network) == {0.25}


def test_so_are_the_kind_of_the_encoder_and_a_head_without_hidden_layers(made: Networks) -> None:
    network = made("encoder.kind=lstm encoder.hidden=8 encoder.layers=3 head.widths=[]", members=2)
    assert [(lstm.hidden_size, lstm.num_layers) for lstm in network.encoder.lstms] == [(8, 3)] * 2
    assert stacked(network.head) == [[2, 8, 1]]


@pytest.mark.parametrize("sigmoid", [True, False])
def test_the_papers_model_has_its_own_head(made: Networks, sigmoid: bool) -> None:
    network = made(f"encoder.hidden=8 encoder.layers=2 head.widths=[5] head.sigmoid={sigmoid}", "paper")
    assert (network.encoder.lstm.hidden_size, network.encoder.lstm.num_layers) == (8, 2)
    shapes = [list(part.weight.shape) for part in network.head.modules() if isinstance(part, nn.Linear)]
    assert shapes == [[5, 8], [8, 5], [1, 8]]
    predictions = network.eval().head(100 * torch.randn(1, 200, 8))
    assert bool(((predictions >= 0) & (predictions <= 1)).all()) is sigmoid


def test_a_fit_has_as_many_teachers_as_members_and_one_student(space: NASBench101) -> None:
    settings = ControllerSettings(teachers=TeacherSettings(members=3, steps=1), student=StudentSettings(1))
    cells = space.sample(20, np.random.default_rng(0))
    controller, _ = fit_controller(space, settings, cells, np.linspace(0.8, 0.9, 20), (0, 0))
    assert controller.teachers is not None
    assert [len(n.encoder.embedding) for n in (controller.teachers, controller.student)] == [3, 1]
    assert controller.scores(cells).shape == (4, 20)


@pytest.mark.parametrize("steps", [1, 9, 10, 11])
def test_a_fit_may_be_of_any_length(space: NASBench101, steps: int) -> None:
    """Check that the rise of the learning rate never has zero steps."""
    settings = ControllerSettings(
        teachers=TeacherSettings(members=2, steps=steps), student=StudentSettings(steps=steps)
    )
    cells = space.sample(60, np.random.default_rng(0))
    accuracies = np.linspace(0.8, 0.9, 30)
    controller, pseudo = fit_controller(space, settings, cells[:30], accuracies, (0, 0), cells[30:])
    assert np.isfinite(pseudo).all() and np.isfinite(controller.predict(cells)).all()
