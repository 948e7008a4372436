"""Short trainings that go on: exactness, kills, costs, and the checkpoints that stay on the disk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pictures import write_pictures

from learning import DIGITS, SMALL, SPACE, chain, digits_recipe, images_config
from seminas.config.evaluators import SlurmSettings
from seminas.config.recipe import STABLE, Recipe
from seminas.config.training_evaluator import TrainingEvaluatorSettings
from seminas.errors import UserError
from seminas.evaluators.promise import Promise
from seminas.evaluators.training import TrainingEvaluator
from seminas.evaluators.trial import Trial
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.rungs import Rung
from seminas.training.classifier import Classifier
from seminas.training.kept_checkpoints import KeptCheckpoints
from seminas.training.rung_checkpoints import RungPlan

Weights = dict[str, torch.Tensor]
CELLS = NASBench101()
CELL = chain(CELLS, 2)
RECIPE = digits_recipe(epochs=4)
WSD = replace(RECIPE, schedule=STABLE, warmup_epochs=0.5)
MEAN = {"ema": 0.9, "mixup": 0.2}


class Killed(BaseException):
    """A simulated kill of a training."""


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Weights]]:
    """Return the weights of each network that is measured, in order. A worker has one thread, and so has this test."""
    found: list[Weights] = []
    validate = pl.Trainer.validate

    def kept(trainer: pl.Trainer, model: pl.LightningModule, *args: Any, **kwargs: Any) -> Any:
        found.append({name: value.clone() for name, value in model.state_dict().items()})
        return validate(trainer, model, *args, **kwargs)

    monkeypatch.setattr(pl.Trainer, "validate", kept)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield found
    torch.set_num_threads(threads)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the epochs that begin, in order."""
    epochs: list[int] = []
    monkeypatch.setattr(
        Classifier, "on_train_epoch_start", lambda module: epochs.append(module.current_epoch)
    )
    return epochs


def trial(folder: Path | None, recipe: Recipe = RECIPE, cooldown: bool = True, every_s: float = 1e9) -> Trial:
    return Trial(CELLS, DIGITS, recipe, 0, "cpu", folder, every_s, 1, cooldown)


def equal(first: Weights, second: Weights) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("recipe", "cooldown"),
    [
        pytest.param(replace(RECIPE, **MEAN), True, id="one_cycle"),
        pytest.param(replace(WSD, **MEAN), True, id="cooldown"),
        pytest.param(WSD, False, id="without cooldown"),
    ],
)
def test_a_training_in_parts_equals_one_without_a_stop(
    tmp_path: Path, weights: list[Weights], recipe: Recipe, cooldown: bool
) -> None:
    """Weights, mean weights, BatchNorm statistics and accuracies are equal to the last bit."""
    whole = trial(None, recipe).run(CELL, ("val",))
    costs = []
    before = 0
    for epochs in (1, 2, 4):
        part = trial(tmp_path, recipe, cooldown).run(Rung(CELL, epochs, before), ("val",))
        costs.append(part.epochs)
        before = epochs
    assert part.metrics == whole.metrics and equal(weights[-1], weights[0])
    assert not equal(weights[1], weights[2])
    # With a cooldown, the last epoch of a short training is thrown away.
    assert costs == ([1, 2, 3] if recipe.schedule == STABLE and cooldown else [1, 1, 2])


def test_a_short_training_with_a_cooldown_is_a_training_of_so_few_epochs(
    tmp_path: Path, weights: list[Weights]
) -> None:
    trial(tmp_path, WSD).run(Rung(CELL, 2), ("val",))
    trial(tmp_path, WSD).run(Rung(CELL, 3, 2), ("val",))
    trial(None, replace(WSD, epochs=3)).run(CELL, ("val",))
    assert equal(weights[1], weights[2]) and not equal(weights[0], weights[1])


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["processes", "ray", "slurm"])
def test_engines_go_on_from_each_others_checkpoints(tmp_path: Path, engine: str) -> None:
    """An evaluator ends, and another one goes on with its short trainings, in other processes."""
    pytest.importorskip({"ray": "ray", "slurm": "submitit"}.get(engine, "torch"))
    cells = [CELL, chain(CELLS, 1)]
    rungs = [[Rung(cell, 1) for cell in cells], [Rung(cell, 4, 1) for cell in cells]]
    settings = TrainingEvaluatorSettings(
        accelerator="cpu", engine=engine, num_workers=2, slurm=SlurmSettings(executor="local")
    )
    results: list[dict[int, Any]] = []
    for part in rungs:
        evaluator: TrainingEvaluator[Any] = TrainingEvaluator(CELLS, 0, settings, DIGITS, RECIPE, tmp_path)
        try:
            results.append(dict(evaluator.evaluate(part)))  # type: ignore[arg-type]  # Rungs are elements too.
        finally:
            evaluator.close()
    assert [results[0][i].cost for i in (0, 1)] == [0.25, 0.25]
    assert [results[1][i].cost for i in (0, 1)] == [0.75, 0.75]
    whole = [trial(None).run(cell, ("val",)).metrics["val"] for cell in cells]
    assert [results[1][i].value for i in (0, 1)] == whole


def test_images_in_folders_go_on_with_the_next_epoch(tmp_path: Path, weights: list[Weights]) -> None:
    images = images_config(write_pictures(tmp_path / "pictures", 24, 20))
    space = MobileNet(SPACE)
    recipe = Recipe(epochs=2, learning_rate=0.05, weight_decay=4e-5, mixup=0.2, augmentation="flip")
    recipe = replace(recipe, networks={"mobilenet": {"dropout": 0.1}})
    architecture = space.parse(SMALL)
    for folder, element in (
        (None, architecture),
        (tmp_path, Rung(architecture, 1)),
        (tmp_path, Rung(architecture, 2, 1)),
    ):
        Trial(space, images, recipe, 0, "cpu", folder).run(element, ("val",))
    assert equal(weights[0], weights[2])


@pytest.mark.parametrize("every_s", [0.0, 1e9])
def test_a_killed_part_goes_on_and_costs_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: list[Weights], every_s: float
) -> None:
    """Kill the second part in its cooldown. Without a checkpoint of its own, it goes on where the cooldown began."""
    recipe = replace(WSD, epochs=8, decay_share=0.5)
    begun: list[int] = []

    def note(module: Classifier) -> None:
        begun.append(module.current_epoch)
        if begun == [0, 1, 2, 3]:
            raise Killed

    whole = trial(None, replace(recipe, epochs=4)).run(CELL, ("val",))
    trial(tmp_path, recipe).run(Rung(CELL, 2), ("val",))
    monkeypatch.setattr(Classifier, "on_train_epoch_start", note)
    begun.append(0)
    with pytest.raises(Killed):
        trial(tmp_path, recipe, every_s=every_s).run(Rung(CELL, 4, 2), ("val",))
    outcome = trial(tmp_path, recipe, every_s=every_s).outcome(Rung(CELL, 4, 2), ("val",))
    assert begun == [0, 1, 2, 3, 3] if every_s == 0 else [0, 1, 2, 3, 2, 3]
    assert outcome.accuracies == whole.metrics and equal(weights[-1], weights[0])
    assert outcome.epochs == 3
    (kept,) = (tmp_path / "kept").iterdir()
    assert [file.name for file in kept.iterdir()] == ["2.ckpt"] and len(list(tmp_path.iterdir())) == 1


def test_a_part_that_was_killed_before_its_result_was_stored_is_only_measured_again(
    tmp_path: Path, weights: list[Weights], begun: list[int]
) -> None:
    recipe = replace(RECIPE, ema=0.9)
    first = trial(tmp_path, recipe).outcome(Rung(CELL, 2), ("val",))
    again = trial(tmp_path, recipe).outcome(Rung(CELL, 2), ("val",))
    assert begun == [0, 1] and equal(weights[0], weights[1])
    assert (first.accuracies, first.epochs) == (again.accuracies, again.epochs) and again.error is None
    assert again.cost_s > 0


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_without_its_checkpoint_a_training_begins_again_and_its_cost_says_so(
    tmp_path: Path, weights: list[Weights], begun: list[int], damage: str
) -> None:
    trial(tmp_path).run(Rung(CELL, 2), ("val",))
    (file,) = (tmp_path / "kept").glob("*/*.ckpt")
    file.unlink() if damage == "removed" else file.write_bytes(file.read_bytes()[:1000])
    outcome = trial(tmp_path).outcome(Rung(CELL, 4, 2), ("val",))
    assert begun == [0, 1, 0, 1, 2, 3] and outcome.epochs == 4
    assert outcome.accuracies == trial(None).run(CELL, ("val",)).metrics


def test_the_rates_of_the_stable_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """They rise for half an epoch, stay, and fall to zero in the last two of eight epochs."""
    recipe, rates = replace(WSD, epochs=8), []

    def note(module: Any, *_: Any) -> None:
        rates.append(module.trainer.optimizers[0].param_groups[0]["lr"])

    monkeypatch.setattr(Classifier, "on_train_batch_start", note)
    trial(None, recipe).run(CELL, ("val",))
    assert len(rates) == 8 * 14
    assert rates[:7] == pytest.approx([0.2 * (step + 1) / 7 for step in range(7)])
    assert set(rates[7 : 6 * 14 + 1]) == {0.2}
    assert rates[6 * 14 :] == pytest.approx([0.2 * (1 - (step / 28) ** 0.5) for step in range(28)])


def test_plans() -> None:
    wsd = replace(WSD, epochs=20)
    assert RungPlan.of(10, wsd, True) == RungPlan(10, 10, 8, 8)
    assert RungPlan.of(1, wsd, True) == RungPlan(1, 1, 0, 0)
    assert RungPlan.of(10, wsd, False) == RungPlan(10, 20, 10, 10)
    assert RungPlan.of(20, wsd, False) == RungPlan(20, 20, 0, 19)
    assert RungPlan.of(2, RECIPE, True) == RungPlan(2, 4, 2, 2)


def test_the_least_promising_checkpoints_go_first(tmp_path: Path) -> None:
    kept = KeptCheckpoints(tmp_path)
    promise = Promise(kept, 8, 4_000)

    def write(key: str, epochs: int, score: float | None, used: tuple[str, ...] = ()) -> None:
        kept.path(key, epochs).parent.mkdir(parents=True, exist_ok=True)
        kept.path(key, epochs).write_bytes(bytes(1_000))
        kept.remove(key, below=epochs)
        promise.add(key, epochs, score)
        promise.limit(used)

    def there() -> str:
        return "".join(key for key in "abcdefgh" if kept.newest(key, 8))

    for key, score in zip("abcd", (0.4, 0.1, 0.2, 0.3), strict=True):
        write(key, 1, score)
    assert there() == "abcd"
    write("e", 1, 0.5, used=("b",))
    assert there() == "abde"  # b trains.
    write("a", 2, 0.45)  # The only one of its level has the lowest rank there.
    assert kept.newest("a", 8) == 2 and kept.newest("a", 1) == 0
    write("f", 1, None)
    assert there() == "abde"
    write("e", 8, 0.9)
    assert there() == "abd"
    write("g", 1, 0.35)
    promise.end()
    assert there() == "g"  # Of the ranks 0 (a and b), 0.4 (d) and 0.6 (g).


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["evaluator.fidelities=[4,2,8]"],
            "evaluator.fidelities=[4, 2, 8]: must be an increasing list whose",
        ),
        (
            ["evaluator.fidelities=[2,4]"],
            "evaluator.fidelities=[2, 4]: must be an increasing list whose last",
        ),
        (["evaluator.fidelities=[0,8]"], "evaluator.fidelities=[0, 8]: must be at least 1"),
        (["evaluator.fidelities=[8]"], "evaluator.fidelities=[8]: must be two or more with fidelity=halving"),
        (["data.recipe.epochs=1"], "data.recipe.epochs=1: must be at least 2 with fidelity=halving"),
        (["data.recipe.decay_share=0"], "data.recipe.decay_share=0.0: must be above 0 and at most 1"),
        (["evaluator.max_checkpoint_gb=-1"], "evaluator.max_checkpoint_gb=-1.0: must be at least 0"),
    ],
)
def test_wrong_settings_are_one_line(configure: Any, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        configure("search", "fidelity=halving", *overrides)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


@pytest.mark.parametrize("fidelity", ["halving", "hyperband", "controller"])
def test_the_error_names_the_scheduler_of_the_user(configure: Any, fidelity: str) -> None:
    with pytest.raises(UserError, match=f"must be two or more with fidelity={fidelity}$"):
        configure("search", f"fidelity={fidelity}", "evaluator.fidelities=[8]")
