"""A supernet that measures architectures on few validation images, and the best of them on all."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import write_pictures

from learning import SPACE, images_config
from seminas.commands import search
from seminas.config.evaluators import SupernetEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.evaluators.supernet import SupernetEvaluator
from seminas.runs.folder import RunFolder
from seminas.runs.records import Record
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.rungs import Rung

Configure = Callable[..., dict[str, Any]]
RECIPE = Recipe(3, learning_rate=0.1, weight_decay=4e-5, schedule="constant", decay_norms=False)
FEW = [
    *("space=mobilenet_small", "data=pictures", "experiment=pictures", "space.max_macs=1.5e6"),
    *("data.images.num_validation=24", "data.images.num_calibration=16", "evaluator.fidelities=[6,12,24]"),
    *("evaluator.first_steps=2", "evaluator.round_steps=1", "strategy=random", "fidelity=halving"),
    *(
        "search.num_labeled=4",
        "search.num_new=4",
        "search.num_rounds=null",
        "fidelity.reduction=2",
        "logger=[]",
    ),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def evaluator(root: Path, folder: Path, **changes: Any) -> SupernetEvaluator[Any]:
    trainer = TrainerSettings(accelerator="cpu", devices=1)
    sizes = {"first_steps": 2, "round_steps": 1}
    settings = SupernetEvaluatorSettings(recipe=RECIPE, trainer=trainer, **(sizes | changes))
    return SupernetEvaluator(MobileNet(SPACE), 0, folder, settings, images_config(root))


@pytest.mark.long
def test_few_images_are_a_part_of_all_and_cost_their_share(root: Path, tmp_path: Path) -> None:
    whole = evaluator(root, tmp_path / "run", calibrate=False)
    full = whole.fidelities[-1]
    assert whole.fidelities == tuple(round(full / part) for part in (8, 4, 2, 1))
    architectures = MobileNet(SPACE).sample(3, np.random.default_rng(0))
    rungs = [Rung(a, n) for n in (full // 4, full // 2) for a in architectures]
    few = {rungs[i]: evaluation for i, evaluation in whole.evaluate(rungs)}
    for rung, evaluation in few.items():
        right = (evaluation.val_accuracy or 0.0) * rung.epochs
        assert right == pytest.approx(round(right)) and whole.cost_of(rung) == rung.epochs / full
    assert few[rungs[-1]].cost_s == pytest.approx(2 * few[rungs[0]].cost_s)
    # The weights are the same, so all of the right images among few are right among more.
    assert whole._job.step() == 2
    of_all = whole.revised([Rung(a, full) for a in architectures])
    for k, architecture in enumerate(architectures):
        counts = [(few[Rung(architecture, n)].val_accuracy or 0.0) * n for n in (full // 4, full // 2)]
        right = of_all[k] * full
        assert counts[0] <= counts[1] + 1e-9 <= right + 2e-9
        assert right - counts[1] <= full - full // 2 + 1e-9
    assert of_all == whole.revised(architectures)
    # A round of promotions alone is another round, and a killed round is the same one.
    again = evaluator(root, tmp_path / "run", calibrate=False)
    list(again.evaluate(rungs[2:4]))
    assert again._job.step() == 2
    list(again.evaluate([Rung(architectures[0], full)]))
    assert again._job.step() == 3


def plain(records: list[Record]) -> list[tuple[Any, ...]]:
    return [(r.index, r.round, r.key, r.epochs, r.cost, r.partial, r.origin, r.value) for r in records]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_search_promotes_to_all_images_and_goes_on_after_a_kill(
    configure: Configure, root: Path, tmp_path: Path
) -> None:
    overrides = [*FEW, f"data.images.root={root}", "search.max_cost=5.5"]
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    search.run(configure("search", *overrides), whole, quiet=True)
    records, result = whole.history(), whole.result()
    assert {record.epochs for record in records} == {6, 12, 24}
    assert all(record.cost == (record.epochs or 0) / 24 for record in records)
    assert sum(record.cost or 0.0 for record in records) == result.total_cost <= 5.5  # type: ignore[union-attr]
    full = [record.value for record in records if record.epochs == 24]
    assert result.best_value == max(full) and result.ended_by == "max_cost"  # type: ignore[union-attr]
    seen: defaultdict[str, int] = defaultdict(int)
    for record in records:
        assert (record.epochs or 0) > seen[record.key], "measured twice"
        assert (record.origin == "promotion") == (seen[record.key] > 0)
        seen[record.key] = record.epochs or 0
    with pytest.MonkeyPatch.context() as patched:
        calls = [0]

        def dies(self: Any, architectures: Any) -> Any:
            calls[0] += 1
            for i, answer in evaluate(self, architectures):
                if calls[0] == 3 and i == 2:
                    raise KeyboardInterrupt  # Stands in for a kill.
                yield i, answer

        evaluate = SupernetEvaluator.evaluate
        patched.setattr(SupernetEvaluator, "evaluate", dies)
        with pytest.raises(KeyboardInterrupt):
            search.run(configure("search", *overrides), killed, quiet=True)
    assert 0 < len(killed.history()) < len(records)
    search.run(configure("search", *overrides), killed, quiet=True)
    assert plain(killed.history()) == plain(records)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "fidelity=controller",
            "fidelity=controller: must be halving, hyperband or none with an evaluator that measures again",
        ),
        ("search.asynchronous=true", "search.asynchronous=true: must be false with an evaluator"),
        (
            "evaluator.fidelities=[6,12]",
            "evaluator.fidelities=[6, 12]: must be an increasing list whose last",
        ),
        ("evaluator.fidelities=[12,6,24]", "evaluator.fidelities=[12, 6, 24]: must be an increasing list"),
        ("fidelity.epochs=[5,24]", "fidelity.epochs=[5, 24]: must be among [6, 12, 24], with 24 as the last"),
    ],
)
def test_wrong_settings_are_one_line(
    configure: Configure, root: Path, tmp_path: Path, override: str, line: str
) -> None:
    few = [f for f in FEW if not override.startswith("fidelity=") or not f.startswith("fidelity")]
    with pytest.raises(UserError) as error:
        overrides = [*few, f"data.images.root={root}", override]
        search.run(configure("search", *overrides), RunFolder(tmp_path / "run"), quiet=True)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)
    assert not RunFolder(tmp_path / "run").history()
