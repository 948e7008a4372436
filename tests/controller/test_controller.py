from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from seminas.controller import Controller, ControllerSettings, fit_controller
from seminas.controller import fit as fit_module
from seminas.controller.generate import improve, moved, write
from seminas.controller.model import ENCODERS, ControllerModel, Memory, as_inputs
from seminas.errors import UserError
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.nasbench101.cell import cell_arrays

SMALL = ControllerSettings(hidden=32, layers=2, labeled_steps=60, pseudo_steps=60, batch_size=64)


@pytest.fixture(scope="module")
def cells(space: NASBench101) -> list[Cell]:
    return space.sample(400, np.random.default_rng(0))


@pytest.fixture(scope="module")
def accuracies(space: NASBench101, cells: list[Cell]) -> np.ndarray:
    """Cells with more 3x3 convolutions are better."""
    _, labels = space.graphs(cells)
    return 0.8 + 0.03 * (labels == 3).sum(axis=1) + 0.001 * np.arange(len(cells)) / len(cells)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_a_fit_ranks_and_is_reproduced_by_its_seed(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, encoder: str
) -> None:
    settings = replace(SMALL, encoder=encoder, labeled_steps=100)
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
    # On the accuracies' own scale.
    assert abs(predictions.mean() - accuracies[100:].mean()) < 0.02


def test_pseudo_labels_are_the_first_stage_and_improve_the_decoder(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    alone, _ = fit_controller(space, SMALL, cells[:60], accuracies[:60], (0, 1))
    both, pseudo = fit_controller(space, SMALL, cells[:60], accuracies[:60], (0, 1), cells[60:300])
    np.testing.assert_allclose(pseudo, alone.predict(cells[60:300]), atol=1e-6)

    def nll(controller: Controller[Cell]) -> float:
        inputs = as_inputs(space, cells[300:])
        with torch.inference_mode():
            _, logits = controller.model(inputs)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), inputs.tokens.flatten(), ignore_index=0
        ).item()

    assert nll(both) < nll(alone)


def test_the_graph_encoder_does_not_see_the_order_of_vertices(space: NASBench101) -> None:
    torch.manual_seed(0)
    model = ControllerModel(space, "graph", 16, 3, [8], 0.0).eval()
    cell = space.sample(1, np.random.default_rng(3))[0]
    inputs = as_inputs(space, [cell])
    order = torch.tensor([0, 3, 1, 2, 4, 5, 6])
    shuffled = inputs._replace(
        adjacency=inputs.adjacency[:, order][:, :, order], labels=inputs.labels[:, order]
    )
    torch.testing.assert_close(model.predict(inputs), model.predict(shuffled))


def test_a_fit_does_not_depend_on_the_number_of_threads(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            controller, _ = fit_controller(
                space, SMALL, cells[:100], accuracies[:100], (0, 0), cells[100:200]
            )
            made = improve(controller, cells[:50], 10, set(cells), step_size=0.2, max_steps=5)
            found.append((controller.predict(cells[200:]).tolist(), made))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_an_architecture_is_predicted_alone_as_among_others(space: NASBench101, encoder: str) -> None:
    torch.manual_seed(0)
    model = ControllerModel(space, encoder, 16, 2, [8], 0.0).eval()
    small = space.from_matrix(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), ["maxpool3x3"])
    cells = [small, *space.sample(5, np.random.default_rng(3))]
    together = model.predict(as_inputs(space, cells))
    alone = torch.cat([model.predict(as_inputs(space, [cell])) for cell in cells])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_an_untrained_decoder_writes_cells_only_of_every_size(space: NASBench101, encoder: str) -> None:
    sizes = set()
    for seed in range(8):
        torch.manual_seed(seed)
        model = ControllerModel(space, encoder, 16, 1, [8], 0.0).eval()
        with torch.no_grad():
            memory = model.encoder(as_inputs(space, space.sample(50, np.random.default_rng(seed))))
            noise = torch.randn_like(memory.states) * memory.mask[..., None]
            decoded = space.decode(write(space, model, Memory(noise, memory.mask)).numpy())
        assert all(cell is not None for cell in decoded)
        sizes |= {cell.num_vertices for cell in decoded if cell is not None}
    assert min(sizes) < 7


def test_steps_up_the_gradient_raise_the_prediction(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    controller, _ = fit_controller(space, SMALL, cells[:100], accuracies[:100], (0, 0))
    with torch.no_grad():
        memory = controller.model.encoder(as_inputs(space, cells[:100]))
        before = controller.model.predictor(memory.embedding)
        for step in moved(controller.model, memory, 0.1, 3):
            after = controller.model.predictor(step.embedding)
            assert (after > before).float().mean() > 0.95
            before = after


def test_improved_architectures_are_new_distinct_and_better(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray
) -> None:
    settings = replace(SMALL, labeled_steps=150, pseudo_steps=150)
    unlabeled = space.sample(3_000, np.random.default_rng(9), exclude=cells)
    controller, _ = fit_controller(space, settings, cells, accuracies, (0, 0), unlabeled)
    made = improve(controller, cells[:100], 20, set(cells), step_size=0.2, max_steps=20)
    assert len(made) >= 20 and len(set(made)) == len(made) and not set(made) & set(cells)
    _, labels = cell_arrays(made)
    _, start = cell_arrays(cells[:100])
    assert (labels == 0).sum(axis=1).mean() > (start == 0).sum(axis=1).mean() + 0.5


def test_a_held_out_part_stops_the_first_stage_early(
    space: NASBench101, cells: list[Cell], accuracies: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fit = fit_module.pl.Trainer.fit

    def counted(trainer: fit_module.pl.Trainer, *args: object) -> None:
        fit(trainer, *args)
        steps.append(trainer.global_step)

    monkeypatch.setattr(fit_module.pl.Trainer, "fit", counted)
    settings = replace(SMALL, labeled_steps=1_000, held_out=0.2, patience=2)
    controller, _ = fit_controller(space, settings, cells[:200], accuracies[:200], (0, 0))
    assert len(steps) == 1 and 50 <= steps[0] < 1_000
    assert kendalltau(controller.predict(cells[200:]), accuracies[200:]).statistic > 0.4


def test_equal_accuracies_can_be_fitted(space: NASBench101, cells: list[Cell]) -> None:
    controller, _ = fit_controller(space, SMALL, cells[:2], np.array([0.9, 0.9]), (0, 0))
    assert np.isfinite(controller.predict(cells)).all() and len(controller.predict([])) == 0


@pytest.mark.parametrize(
    "change",
    [{"encoder": "cnn"}, {"hidden": 0}, {"tradeoff": 1.5}, {"learning_rate": 0.0}, {"dropout": -0.1}],
)
def test_settings_that_cannot_be_are_refused_by_their_key(change: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"controller.{next(iter(change))}="):
        replace(SMALL, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("labels", "ratio", "least"), [(100, 80, 0.6)])
def test_real_accuracies_are_ranked(
    space: NASBench101, nasbench101_sample: object, labels: int, ratio: int, least: float
) -> None:
    from seminas.benchmarks.csv_import import import_csv

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
