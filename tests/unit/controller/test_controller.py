import signal
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from seminas.config.build import read
from seminas.config.controller import (
    ControllerSettings,
    EncoderSettings,
    HeadSettings,
    OptimisationSettings,
    StudentSettings,
    TargetSettings,
    TeacherSettings,
)
from seminas.config.strategies import SemiNASSettings
from seminas.controller import fitted, optimise
from seminas.controller.fit import fit_controller
from seminas.controller.fitted import Controller
from seminas.controller.generate import improve, moved, write
from seminas.controller.models.inputs import Inputs, as_inputs, memorise
from seminas.controller.models.make import make_network
from seminas.controller.models.network import ENCODERS, ControllerNetwork
from seminas.controller.models.parts import StackedLinear
from seminas.controller.module import ControllerModule
from seminas.errors import UserError
from seminas.spaces.base import SearchSpace
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.nasbench101.cell import cell_arrays
from seminas.spaces.subset import Subset
from support import with_sections

SMALL = ControllerSettings(
    teachers=TeacherSettings(members=2, steps=60, gaussian_process=0.0), student=StudentSettings(steps=60)
)


@pytest.fixture(scope="module")
def cells(space: NASBench101) -> list[Cell]:
    return space.sample(400, np.random.default_rng(0))


@pytest.fixture(scope="module")
def accuracies(space: NASBench101, cells: list[Cell]) -> np.ndarray:
    """Return accuracies that grow with the number of 3x3 convolutions."""
    _, labels = space.graphs(cells)
    return 0.8 + 0.03 * (labels == 3).sum(axis=1) + 0.001 * np.arange(len(cells)) / len(cells)


PAPER = ControllerSettings(
    encoder=EncoderSettings(kind="paper", hidden=32, layers=1),
    head=HeadSettings(widths=[16]),
    teachers=TeacherSettings(members=1, epochs=20, gaussian_process=0.0),
    student=StudentSettings(epochs=1),
    targets=TargetSettings(kind="standard"),
    optimisation=OptimisationSettings(
        optimizer="adam",
        schedule="constant",
        learning_rate=3e-3,
        weight_decay=1e-4,
        batch_size=40,
        whole_batches=False,
        decoder_batch_size=40,
    ),
    warm_start=True,
)
SETTINGS = {
    "graph": SMALL,
    "one graph": with_sections(SMALL, teachers={"members": 1}),
    "lstm": with_sections(
        SMALL,
        encoder={"kind": "lstm", "hidden": 32, "layers": 1},
        teachers={"steps": 30},
        student={"steps": 20},
    ),
    "paper": PAPER,
}
STEPS = SemiNASSettings(step_size=0.2, max_steps=5)


def small_network(space: NASBench101, kind: str, members: int = 1, layers: int = 2) -> ControllerNetwork:
    encoder = EncoderSettings(kind, hidden=16, layers=1 if kind == "paper" else layers, dropout=0.0)
    settings = ControllerSettings(encoder, HeadSettings([8]), TeacherSettings(members=members))
    return make_network(space, settings, members).eval()


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.long if kind == "lstm" else ()) for kind in SETTINGS]
)
def test_a_fit_ranks_and_is_reproduced_by_its_seed(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, kind: str
) -> None:
    settings = SETTINGS[kind]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, _ = fit_controller(space, settings, cells[:100], accuracies[:100], (0, 1))
    torch.testing.assert_close(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again, _ = fit_controller(space, settings, cells[:100], accuracies[:100], (0, 1))
    other, _ = fit_controller(space, settings, cells[:100], accuracies[:100], (0, 2))
    predictions = first.predict(cells[100:])
    np.testing.assert_array_equal(predictions, again.predict(cells[100:]))
    assert (predictions != other.predict(cells[100:])).any()
    assert kendalltau(predictions, accuracies[100:]).statistic > 0.5
    # Predictions have the scale of the accuracies.
    assert abs(predictions.mean() - accuracies[100:].mean()) < 0.02
    number = settings.teachers.members
    members = first.scores(cells[100:])
    assert members.shape == (number + (number > 1), 300)
    assert (members.std(axis=0) > 0).all() == (number > 1)


@pytest.mark.parametrize("kind", ["graph", pytest.param("one graph", marks=pytest.mark.long), "paper"])
def test_pseudo_labels_are_the_teachers_and_improve_the_decoder(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, kind: str
) -> None:
    settings = SETTINGS[kind]
    alone, _ = fit_controller(space, settings, cells[:60], accuracies[:60], (0, 1))
    both, pseudo = fit_controller(space, settings, cells[:60], accuracies[:60], (0, 1), cells[60:300])
    teachers = alone.scores(cells[60:300])[: settings.teachers.members].mean(axis=0)
    np.testing.assert_allclose(pseudo, alone.targets.accuracies(teachers), atol=1e-6)

    def nll(controller: Controller[Cell]) -> float:
        inputs = as_inputs(space, cells[300:])
        with torch.inference_mode():
            _, logits = controller.student(inputs)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), inputs.tokens.flatten(), ignore_index=0
        ).item()

    assert nll(both) < nll(alone)


@pytest.mark.long
def test_a_forest_is_an_opinion_of_its_weight(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    """Check that the forest changes pseudo-labels and predictions by its weight, and leaves the teachers unchanged."""
    few = cells[:60], accuracies[:60], (0, 1), cells[60:100]
    alone, labels_alone = fit_controller(space, SMALL, *few)
    half, labels_half = fit_controller(space, with_sections(SMALL, teachers={"forest": 0.5}), *few)
    whole, _ = fit_controller(space, with_sections(SMALL, teachers={"forest": 1.0}), *few)
    assert half.forest is not None and alone.forest is None
    trees = half.forest.regressor.predict(space.features(cells[100:]))
    networks = half.scores(cells[100:])
    np.testing.assert_allclose(half.mean_scores(cells[100:]), (networks.mean(axis=0) + trees) / 2)
    np.testing.assert_allclose(whole.mean_scores(cells[100:]), trees)
    np.testing.assert_array_equal(networks[:-1], alone.scores(cells[100:])[:-1])
    assert kendalltau(trees, accuracies[100:]).statistic > 0.4
    told = half.targets.accuracies(
        (
            alone.scores(cells[60:100])[:-1].mean(axis=0)
            + half.forest.regressor.predict(space.features(cells[60:100]))
        )
        / 2
    )
    np.testing.assert_allclose(labels_half, told, atol=1e-6)
    assert (labels_half != labels_alone).any()


def test_a_gaussian_process_is_an_opinion_of_its_weight(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    (alone, _), (half, labels), (whole, of_process) = (
        fit_controller(
            space,
            with_sections(SMALL, teachers={"gaussian_process": weight}),
            cells[:60],
            accuracies[:60],
            (0, 1),
            cells[60:100],
        )
        for weight in (0.0, 0.5, 1.0)
    )
    assert half.process is not None and whole.process is not None and alone.process is None
    assert half.teachers is not None and whole.teachers is None  # The process alone teaches the student.
    means = whole.process.predict(cells[100:])
    networks = half.scores(cells[100:])
    np.testing.assert_allclose(half.mean_scores(cells[100:]), (networks.mean(axis=0) + means) / 2)
    np.testing.assert_allclose(whole.mean_scores(cells[100:]), means)
    np.testing.assert_array_equal(networks[:-1], alone.scores(cells[100:])[:-1])
    assert kendalltau(means, accuracies[100:]).statistic > 0.6
    new = cells[60:100]
    teachers = alone.scores(new)[:-1].mean(axis=0)
    mixed = half.targets.accuracies((teachers + whole.process.predict(new)) / 2)
    np.testing.assert_allclose(labels, mixed, atol=1e-6)
    np.testing.assert_allclose(of_process, whole.targets.accuracies(whole.process.predict(new)), atol=1e-6)
    student = whole.student
    assert student.decoder is not None and kendalltau(whole.scores(new)[0], of_process).statistic > 0.5


def test_a_student_learns_what_its_teachers_say(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    """Check on unseen cells that pseudo-labels bring the student closer to the teachers' mean."""
    correlations = []
    for unlabeled in ([], space.sample(2_000, np.random.default_rng(3), exclude=cells)):
        controller, _ = fit_controller(space, SMALL, cells[:40], accuracies[:40], (0, 1), unlabeled)
        *teachers, student = controller.scores(cells[40:])
        correlations.append(np.corrcoef(np.mean(teachers, axis=0), student)[0, 1])
    assert correlations[1] > correlations[0]


def test_members_compute_as_each_would_alone(space: NASBench101) -> None:
    torch.manual_seed(0)
    stacked = StackedLinear(3, 4, 2)
    x = torch.randn(3, 5, 6, 4)
    for member, weight, bias, inputs in zip(stacked(x), stacked.weight, stacked.bias, x, strict=True):
        torch.testing.assert_close(member, torch.nn.functional.linear(inputs, weight.T, bias[0]))
    for kind in ENCODERS:
        network = small_network(space, kind, 3)
        inputs = as_inputs(space, space.sample(20, np.random.default_rng(0)))
        before = network.predict(inputs)
        with torch.no_grad():
            for parameter in network.head.parameters():
                parameter[1] += 1.0
        changed = (network.predict(inputs) != before).any(dim=1)
        assert changed.tolist() == [False, True, False]


def test_inputs_are_split_and_selected_alike(space: NASBench101) -> None:
    inputs = as_inputs(space, space.sample(7, np.random.default_rng(0)))
    parts = list(inputs.split(3))
    assert [len(part.tokens) for part in parts] == [3, 3, 1]
    for ours, theirs in zip(parts[1], inputs.select(torch.arange(3, 6)), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert isinstance(parts[0], Inputs)


def test_the_graph_encoder_does_not_see_the_order_of_vertices(space: NASBench101) -> None:
    torch.manual_seed(0)
    network = small_network(space, "graph", members=2, layers=3)
    cell = space.sample(1, np.random.default_rng(3))[0]
    inputs = as_inputs(space, [cell])
    order = torch.tensor([0, 3, 1, 2, 4, 5, 6])
    shuffled = inputs._replace(
        adjacency=inputs.adjacency[:, order][:, :, order], labels=inputs.labels[:, order]
    )
    torch.testing.assert_close(network.predict(inputs), network.predict(shuffled))


def test_a_fit_does_not_depend_on_the_number_of_threads(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            controller, _ = fit_controller(
                space, SMALL, cells[:100], accuracies[:100], (0, 0), cells[100:200]
            )
            improved = improve(controller, cells[:50], 10, set(cells), STEPS)
            results.append((controller.predict(cells[200:]).tolist(), improved))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


def test_ctrl_c_in_a_fit_is_raised_and_later_ones_are_heard(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning itself would exit with status 1, and the process would ignore each later Ctrl-C."""

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(ControllerModule, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_controller(space, SMALL, cells[:100], accuracies[:100], (0, 0))
    assert signal.getsignal(signal.SIGINT) == handler


@pytest.mark.parametrize("encoder", [*ENCODERS, "paper"])
def test_an_architecture_is_predicted_alone_as_among_others(space: NASBench101, encoder: str) -> None:
    torch.manual_seed(0)
    network = small_network(space, encoder, 1)
    small = space.from_matrix(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), ["maxpool3x3"])
    cells = [small, *space.sample(5, np.random.default_rng(3))]
    together = network.predict(as_inputs(space, cells))
    alone = torch.cat([network.predict(as_inputs(space, [cell])) for cell in cells], dim=1)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("encoder", [*ENCODERS, "paper"])
def test_an_untrained_decoder_writes_cells_only_of_every_size(space: NASBench101, encoder: str) -> None:
    sizes = set()
    for seed in range(8):
        torch.manual_seed(seed)
        network = small_network(space, encoder)
        with torch.no_grad():
            memory = network.encoder(as_inputs(space, space.sample(50, np.random.default_rng(seed))))
            noise = memorise(torch.randn_like(memory.states), memory.mask, memory.length)
            decoded = space.decode(write(space, network, noise).numpy())
        assert all(cell is not None for cell in decoded)
        sizes |= {cell.num_vertices for cell in decoded if cell is not None}
    assert min(sizes) < 7


@pytest.mark.parametrize(("kind", "raw", "size"), [("graph", False, 0.1), ("paper", True, 1.0)])
def test_steps_up_the_gradient_raise_the_prediction(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, kind: str, raw: bool, size: float
) -> None:
    controller, _ = fit_controller(space, SETTINGS[kind], cells[:100], accuracies[:100], (0, 0))
    network = controller.student
    settings = SemiNASSettings(step_size=size, max_steps=3, raw_gradient=raw)
    with torch.no_grad():
        memory = network.encoder(as_inputs(space, cells[:100]))
        before = network.head(memory.embedding)
        for step in moved(network, memory, settings):
            lengths = step.states.norm(dim=-1)[:, memory.mask]
            torch.testing.assert_close(lengths, torch.full_like(lengths, memory.length))
            after = network.head(step.embedding)
            assert (after > before).float().mean() > 0.95
            before = after


def test_a_whole_space_is_scored_in_its_order(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Subset(space, np.arange(0, 2_532, 5))
    controller, _ = fit_controller(part, SMALL, cells[:50], accuracies[:50], (0, 0))
    whole = controller.score_space()
    assert whole.shape == (3, len(part))
    monkeypatch.setattr(fitted, "BLOCK", 100)
    np.testing.assert_allclose(controller.score_space(), whole, atol=1e-6)
    np.testing.assert_allclose(controller.scores(part.at(np.arange(90, 110))), whole[:, 90:110], atol=1e-6)
    other = Mock(spec=SearchSpace)
    other.name = "chains"
    with pytest.raises(TypeError, match="space chains does not number"):
        Controller(other, controller.student, None, controller.targets).score_space()


def test_improved_architectures_are_new_distinct_and_better(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    settings = with_sections(SMALL, teachers={"steps": 100}, student={"steps": 100})
    unlabeled = space.sample(1_000, np.random.default_rng(9), exclude=cells)
    controller, _ = fit_controller(space, settings, cells, accuracies, (0, 0), unlabeled)
    improved = improve(controller, cells[:100], 20, set(cells), replace(STEPS, max_steps=20))
    assert len(improved) >= 20 and len(set(improved)) == len(improved) and not set(improved) & set(cells)
    _, labels = cell_arrays(improved)
    _, start = cell_arrays(cells[:100])
    assert (labels == 0).sum(axis=1).mean() > (start == 0).sum(axis=1).mean() + 0.5


def test_a_held_out_part_stops_the_first_stage_early(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fit = optimise.pl.Trainer.fit

    def counted(trainer: optimise.pl.Trainer, *args: object) -> None:
        fit(trainer, *args)
        steps.append(trainer.global_step)

    monkeypatch.setattr(optimise.pl.Trainer, "fit", counted)
    settings = with_sections(
        SMALL, teachers={"steps": 1_000, "held_out": 0.2, "patience": 2}, student={"steps": 1}
    )
    controller, _ = fit_controller(space, settings, cells[:200], accuracies[:200], (0, 0))
    assert len(steps) == 2 and 50 <= steps[0] < 1_000
    assert kendalltau(controller.predict(cells[200:]), accuracies[200:]).statistic > 0.4


def test_epochs_are_passes_over_all_rows(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    step = ControllerModule.training_step

    def counted(module, batch, index):  # type: ignore[no-untyped-def]
        seen.append(len(batch.targets))
        return step(module, batch, index)

    monkeypatch.setattr(ControllerModule, "training_step", counted)
    settings = with_sections(PAPER, teachers={"epochs": 2}, student={"epochs": 1, "upsampling": 3})
    fit_controller(space, settings, cells[:50], accuracies[:50], (0, 0), cells[50:65])
    assert seen == [40, 10, 40, 10, 40, 40, 40, 40, 5]
    seen.clear()
    whole = with_sections(settings, optimisation={"whole_batches": True})
    fit_controller(space, whole, cells[:50], accuracies[:50], (0, 0))
    assert seen == [40, 40]


@pytest.mark.long
def test_a_warm_start_goes_on_from_the_last_controller(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    for settings in (replace(SMALL, warm_start=True), with_sections(PAPER, teachers={"epochs": 10})):
        first, _ = fit_controller(space, settings, cells[:100], accuracies[:100], (0, 0))
        before = first.scores(cells[100:200])
        still = with_sections(settings, optimisation={"learning_rate": 1e-9})
        again, _ = fit_controller(space, still, cells[:100], accuracies[:100], (0, 1), (), start=first)
        np.testing.assert_allclose(again.scores(cells[100:200]), before, atol=1e-4)
        np.testing.assert_array_equal(first.scores(cells[100:200]), before)
        cold, _ = fit_controller(space, still, cells[:100], accuracies[:100], (0, 1))
        assert np.abs(cold.scores(cells[100:200]) - before).mean() > 0.1


def test_equal_accuracies_can_be_fitted(space: NASBench101, cells: list[Cell]) -> None:
    controller, _ = fit_controller(space, SMALL, cells[:2], np.array([0.9, 0.9]), (0, 0))
    assert np.isfinite(controller.predict(cells)).all() and len(controller.predict([])) == 0


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"encoder": {"kind": "cnn"}}, "encoder.kind"),
        ({"targets": {"kind": "log"}}, "targets.kind"),
        ({"teachers": {"members": 0}}, "teachers.members"),
        ({"teachers": {"members": 2}, "encoder": {"kind": "paper"}}, "teachers.members"),
        (
            {"head": {"widths": [8, 8]}, "encoder": {"kind": "paper"}, "teachers": {"members": 1}},
            "head.widths",
        ),
        ({"teachers": {"epochs": 0}}, "teachers.epochs"),
        ({"encoder": {"hidden": 0}}, "encoder.hidden"),
        ({"targets": {"tradeoff": 1.5}}, "targets.tradeoff"),
        ({"optimisation": {"learning_rate": 0.0}}, "optimisation.learning_rate"),
        ({"encoder": {"dropout": -0.1}}, "encoder.dropout"),
        ({"teachers": {"forest": 2.0}}, "teachers.forest"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_key(
    sections: dict[str, dict[str, Any]], key: str
) -> None:
    with pytest.raises(UserError, match=f"^controller.{key}="):
        with_sections(SMALL, **sections)
    with pytest.raises(UserError, match=f"^controller.{key}="):
        read(sections, "controller", ControllerSettings)


@pytest.mark.parametrize(("labels", "ratio", "least"), [(100, 80, 0.7)])
def test_real_accuracies_are_ranked(
    space: NASBench101, nasbench101_sample: object, labels: int, ratio: int, least: float
) -> None:
    from seminas.tables.csv_import import import_csv

    table = import_csv(nasbench101_sample, space, ["val_acc_108ep"])  # type: ignore[arg-type]
    accuracies = table.columns["val"].at()[:, 0]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(table))
    labeled, rest = order[:labels], order[-3_000:]
    controller, _ = fit_controller(
        space,
        ControllerSettings(),
        space.at(table.index[labeled]),
        accuracies[labeled],
        (0, 0),
        space.sample(ratio * labels, rng),
    )
    predictions = controller.predict(space.at(table.index[rest]))
    assert kendalltau(predictions, accuracies[rest]).statistic > least
