"""Test evaluator=lightning: real trainings of tiny modules, their metrics, checkpoints and wrong settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from own_nets import Data, Net
from seminas.commands import search
from seminas.config.own_training import LightningEvaluatorSettings
from seminas.errors import UserError
from seminas.evaluators.evaluation import Evaluation
from seminas.evaluators.lightning import LightningEvaluator
from seminas.runs.folder import RunFolder
from seminas.runs.metric import Metric
from seminas.runs.records import read_history
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.sequence import SequenceSpace

SPACE = SequenceSpace("perceptrons", {"width": [2, 8], "depth": [1, 2]})
BASE = {
    "module": "own_nets.Net",
    "data": "own_nets.Data",
    "monitor": "val_acc",
    "mode": "max",
    "max_epochs": 3,
    "accelerator": "cpu",
    "num_workers": 1,
}


def evaluator(space: Any = SPACE, folder: Path | None = None, **settings: Any) -> LightningEvaluator[Any]:
    return LightningEvaluator(space, 0, LightningEvaluatorSettings(**(BASE | settings)), folder)


def evaluated(folder: Path | None = None, **settings: Any) -> Evaluation:
    """Return the evaluation of one perceptron in this process."""
    return evaluator(folder=folder, **settings)._trial.evaluate((1, 0))


def by_hand(epochs: int) -> list[Mapping[str, float]]:
    """Return the metrics of each epoch of the same training with Lightning alone."""
    seen = []

    class Reads(pl.Callback):
        def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    pl.seed_everything(0, workers=True, verbose=False)
    data, net = Data(), Net(8, 1)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        callbacks=[Reads()],
    )
    trainer.fit(net, data)
    return seen


def test_an_evaluation_is_the_best_epoch_that_lightning_alone_gives() -> None:
    epochs = by_hand(3)
    accuracy = evaluated(metrics={"val/loss": "min"})
    best = max(epochs, key=lambda epoch: epoch["val_acc"])
    assert accuracy.value == best["val_acc"] and accuracy.metrics == {"val_loss": best["val/loss"]}
    loss = evaluated(monitor="val/loss", mode="min", metrics={"val_acc": "max", "nan": "min"})
    lowest = min(epochs, key=lambda epoch: epoch["val/loss"])
    assert loss.value == lowest["val/loss"] and loss.metrics == {"val_acc": lowest["val_acc"]}
    assert accuracy.error is None and accuracy.cost_s > 0


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a module ``twin_nets`` with the classes of ``own_nets``, which derive from the package ``lightning``."""
    pytest.importorskip("lightning")
    source = (Path(__file__).parents[2] / "own_nets.py").read_text()
    twin = source.replace("import pytorch_lightning as pl", "import lightning as pl")
    assert twin != source
    (tmp_path / "twin_nets.py").write_text(twin)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_classes_of_the_package_lightning_give_the_same(twins: None) -> None:
    of_twins = {"module": "twin_nets.Net", "data": "twin_nets.Data", "metrics": {"val/loss": "min"}}
    other, ours = evaluated(**of_twins), evaluated(metrics={"val/loss": "min"})
    assert other.error is None and (other.value, other.metrics) == (ours.value, ours.metrics)
    with pytest.raises(
        UserError, match="derives from pytorch_lightning, and evaluator.module from lightning.py"
    ):
        evaluator(module="twin_nets.Net")
    with pytest.raises(UserError, match="evaluator.module=twin_nets.Data: is no LightningModule"):
        evaluator(module="twin_nets.Data", data="twin_nets.Data")


def test_the_metric_has_a_direction_and_a_name_for_files() -> None:
    further = {"val_acc": "max", "size": {"mode": "min", "unit": "MB"}}
    chosen = evaluator(monitor="val/loss", mode="min", unit="nats", metrics=further)
    assert chosen.metric == Metric("val_loss", "minimize", "nats")
    assert list(chosen.metrics) == [Metric("val_acc", "maximize"), Metric("size", "minimize", "MB")]
    assert chosen.num_parameters((1, 0)) == 3 * 8 + 9 * 2


def test_patience_ends_a_training_that_stands_still(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = {"log": str(log)}
    ended = evaluated(monitor="worse", mode="min", max_epochs=9, patience=2, module_arguments=arguments)
    assert ended.value == 0 and log.read_text().splitlines() == ["8 0", "8 1", "8 2"]


def test_a_metric_that_only_some_epochs_log_is_awaited(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = {"trainer_arguments": {"check_val_every_n_epoch": 2}, "module_arguments": {"log": str(log)}}
    evaluation = evaluated(max_epochs=4, **arguments)
    assert evaluation.error is None and evaluation.value is not None and evaluation.value > 0.5
    assert len(log.read_text().splitlines()) == 4
    wrong = evaluated(monitor="acc", max_epochs=4, **arguments)
    assert wrong.error is not None and wrong.error.startswith(
        "evaluator.monitor=acc: must be one of the logged"
    )
    assert len(log.read_text().splitlines()) == 6


def test_a_space_that_is_no_chain_gives_its_json_form() -> None:
    space = NASBench201()
    trial = evaluator(space, module="own_nets.TakesTheArchitecture", max_epochs=1)._trial
    evaluation = trial.evaluate(space.at([5])[0])  # type: ignore[arg-type]
    assert evaluation.error is None and evaluation.value is not None


def test_positions_that_do_not_count_are_left_out() -> None:
    space = SequenceSpace(
        "c", {"width": [2, 8], "depth": {"values": [1, 2], "ordered": True, "when": {"width": 8}}}
    )
    trial = evaluator(space, max_epochs=1)._trial
    small, large = space.from_json({"width": 2}), space.from_json({"width": 8, "depth": 2})
    assert trial.module(small).hparams["depth"] == 1 and trial.module(large).hparams["depth"] == 2
    with pytest.raises(UserError, match="its argument depth needs a default, because the position does not"):
        evaluator(space, module="own_nets.NeedsMore", module_arguments={"dropout": 0.1})


@pytest.mark.long
@pytest.mark.parametrize("nets", ["own_nets", "twin_nets"])
def test_a_worker_that_dies_is_replaced_and_goes_on_from_the_checkpoint(
    twins: None, tmp_path: Path, nets: str
) -> None:
    log = tmp_path / "log"
    classes = {"module": f"{nets}.Net", "data": f"{nets}.Data", "max_epochs": 4}
    arguments = {"log": str(log), "dies_at": 2}
    chosen = evaluator(folder=tmp_path, checkpoint_every_s=0, module_arguments=arguments, **classes)
    try:
        ((_, evaluation),) = chosen.evaluate([(1, 0)])
    finally:
        chosen.close()
    assert log.read_text().splitlines() == ["8 0", "8 1", "8 2", "8 2", "8 3"]
    assert evaluation.value == evaluated(max_epochs=4).value
    assert not any((tmp_path / "trainings").iterdir())
    # The callback is the last one that sees an epoch, so it knows the metrics that the module logs then.
    loss = evaluated(monitor="train_loss", mode="min", **classes)
    assert loss.value == evaluated(monitor="train_loss", mode="min", max_epochs=4).value


def test_a_time_limit_ends_a_training() -> None:
    chosen = evaluator(timeout_s=0.5, module_arguments={"sleeps_s": 60})
    try:
        ((_, evaluation),) = chosen.evaluate([(0, 0)])
    finally:
        chosen.close()
    assert evaluation.error == "it took longer than evaluator.timeout_s=0.5"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_training_on_two_devices_gives_an_accuracy() -> None:
    chosen = evaluator(num_devices=2)
    try:
        ((_, evaluation),) = chosen.evaluate([(1, 1)])
    finally:
        chosen.close()
    assert evaluation.error is None and evaluation.value is not None and 0.5 < evaluation.value <= 1


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (
            {"monitor": "val_accuracy"},
            "evaluator.monitor=val_accuracy: must be one of the logged metrics "
            "nan, train_loss, val/loss, val_acc, worse",
        ),
        ({"monitor": "nan"}, "nan=nan: must be a finite number"),
        (
            {"trainer_arguments": {"limit_train_batches": 0}},
            "val_acc: has no value, because no epoch was trained",
        ),
        (
            {"trainer_arguments": {"check_val_every_n_epoch": 9}},
            "val_acc: has no value, because no epoch logged it",
        ),
    ],
)
def test_a_metric_that_is_not_there_fails_the_evaluation_in_one_line(
    settings: dict[str, Any], error: str
) -> None:
    evaluation = evaluated(**settings)
    assert evaluation.value is None and evaluation.error == error


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"module": "own_netz.Net"}, "evaluator.module=own_netz.Net: cannot be imported"),
        ({"module": "own_nets.Missing"}, "evaluator.module=own_nets.Missing: cannot be imported"),
        ({"module": "own_nets.IsNone"}, "evaluator.module=own_nets.IsNone: is no LightningModule"),
        ({"module": "own_nets.is_function"}, "evaluator.module=own_nets.is_function: is no LightningModule"),
        ({"module": "own_nets.Data"}, "evaluator.module=own_nets.Data: is no LightningModule"),
        ({"data": "own_nets.Net"}, "evaluator.data=own_nets.Net: is no LightningDataModule"),
        ({"module": "Net"}, "evaluator.module=Net: must be a full name"),
        (
            {"module": "own_nets.TakesTheArchitecture"},
            "evaluator.module=own_nets.TakesTheArchitecture: does not take the argument width of the space, "
            "it takes architecture",
        ),
        ({"module": "own_nets.NeedsMore"}, "evaluator.module=own_nets.NeedsMore: needs the argument dropout"),
        (
            {"module_arguments": {"a": 1}},
            "evaluator.module_arguments.a: is unknown, own_nets.Net takes width",
        ),
        ({"module_arguments": {"width": 1}}, "evaluator.module_arguments.width=1: must be left out"),
        ({"data_arguments": {"a": 1}}, "evaluator.data_arguments.a: is unknown"),
        ({"module_arguments": 3}, "evaluator.module_arguments=3: must be a group of keys"),
        ({"trainer_arguments": {"a": 1}}, "evaluator.trainer_arguments.a: is unknown"),
        (
            {"trainer_arguments": {"logger": True}},
            "evaluator.trainer_arguments.logger=True: must be left out",
        ),
        ({"trainer_arguments": {"precision": "x"}}, "evaluator.trainer_arguments: Precision 'x' is invalid"),
        ({"mode": "up"}, "evaluator.mode=up: must be one of max, min"),
        ({"monitor": "index"}, "evaluator.monitor=index: cannot be the name of a metric in files"),
        ({"metrics": {"val_acc": "max"}}, "evaluator.metrics.val_acc=max: must be left out"),
        ({"metrics": {"val/acc": "max"}}, "evaluator.metrics.val/acc: has the name val_acc in files"),
        ({"metrics": {"val_loss": "down"}}, "evaluator.metrics.val_loss=down: must be one of max, min"),
        ({"metrics": {"val_loss": {"mode": "up"}}}, "evaluator.metrics.val_loss.mode=up: must be one of max"),
        (
            {"metrics": {"val_loss": {"unit": "s"}}},
            "evaluator.metrics.val_loss.mode=None: must be one of max",
        ),
        (
            {"metrics": {"val_loss": {"mode": "min", "unit": 3}}},
            "evaluator.metrics.val_loss.unit=3: must be a text",
        ),
        (
            {"metrics": {"val_loss": {"mode": "min", "name": "a"}}},
            "evaluator.metrics.val_loss.name: is unknown",
        ),
        ({"max_epochs": 0}, "evaluator.max_epochs=0: must be at least 1"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_before_a_training(
    settings: dict[str, Any], error: str
) -> None:
    with pytest.raises(UserError) as raised:
        evaluator(**settings)
    assert str(raised.value).startswith(error) and "\n" not in str(raised.value)


def test_a_class_of_any_arguments_takes_all_positions() -> None:
    assert evaluator(module="own_nets.TakesAnything", max_epochs=1)._trial.evaluate((0, 0)).error is None


SEARCH = (
    *("space=sequence", "space.positions={width: [2, 3, 4, 5], depth: [1]}", "strategy=random"),
    *("evaluator=lightning", "evaluator.module=own_nets.Net", "evaluator.data=own_nets.Data"),
    *("evaluator.max_epochs=3", "evaluator.num_workers=1", "evaluator.accelerator=cpu"),
    *("search.max_queries=4", "search.num_labeled=4"),
)
"""Overrides of a search of four random networks."""


def test_a_search_for_a_loss_goes_on_after_a_kill_and_pays_nothing_twice(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is killed in the third training. The next process goes on from its checkpoint."""
    log = tmp_path / "log"
    config = configure(
        *("search", *SEARCH, "evaluator.monitor=val/loss", "evaluator.mode=min"),
        *("evaluator.checkpoint_every_s=0", f"evaluator.module_arguments={{log: {log}}}"),
    )
    in_this_process(monkeypatch)

    def killed(net: Net) -> None:
        begin(net)
        if len(log.read_text().splitlines()) == 8:  # In the second epoch of the third training.
            raise KeyboardInterrupt

    begin = Net.on_train_epoch_start
    with monkeypatch.context() as patch:
        patch.setattr(Net, "on_train_epoch_start", killed)
        with pytest.raises(KeyboardInterrupt):
            search.run(config, RunFolder(tmp_path / "run"), True)
    assert len(read_history(tmp_path / "run")) == 2
    best = search.run(config, RunFolder(tmp_path / "run"), True)
    records = read_history(tmp_path / "run")
    assert best == min(record.value for record in records if record.value is not None)
    epochs = log.read_text().splitlines()
    assert len(epochs) == 13 and sorted(set(epochs)) == sorted(
        f"{w} {e}" for w in (2, 3, 4, 5) for e in range(3)
    )


def test_a_metric_that_is_not_logged_ends_the_search_after_one_epoch(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    config = configure(
        *("search", *SEARCH, "evaluator.monitor=val_accuracy", "evaluator.mode=max"),
        f"evaluator.module_arguments={{log: {log}}}",
    )
    in_this_process(monkeypatch)
    with pytest.raises(UserError) as raised:
        search.run(config, RunFolder(tmp_path / "run"), True)
    assert str(raised.value) == (
        "evaluator.monitor=val_accuracy: must be one of the logged metrics nan, train_loss, val/loss, val_acc, worse; "
        "the search ends, because no evaluation has this metric so far"
    )
    assert len(log.read_text().splitlines()) == 1 and read_history(tmp_path / "run") == []


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the evaluator train in this process, so that a test can interrupt it."""
    from seminas.evaluators.workers import InProcess

    def workers(self: LightningEvaluator[Any]) -> InProcess[Any]:
        return InProcess(
            lambda architectures: ((i, self._trial.evaluate(a)) for i, a in enumerate(architectures))
        )

    monkeypatch.setattr(LightningEvaluator, "workers", workers)
