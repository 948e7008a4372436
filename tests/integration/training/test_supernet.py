import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import write_pictures

from learning import SPACE, images_config, record_steps
from seminas.commands import search, supernet, train
from seminas.config.evaluators import RaySettings, SupernetEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.evaluators.supernet import SupernetEvaluator
from seminas.execution.base import Call, Engine, LostError
from seminas.execution.ranks import launch
from seminas.runs.folder import RunFolder
from seminas.runs.results import SearchResult, SupernetResult, TrainingResult
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.nasbench101 import NASBench101
from seminas.training.measuring import accuracies, calibrated
from seminas.training.paths import Paths, SupernetModule
from seminas.training.supernet import SupernetJob, _answers_of_all
from support import SMALL_CONTROLLER, command, started_ranks

Configure = Callable[..., dict[str, Any]]
RECIPE = Recipe(3, learning_rate=0.1, weight_decay=4e-5, schedule="constant", decay_norms=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def space() -> MobileNet:
    return small_space()


def small_space(**changes: Any) -> MobileNet:
    return MobileNet(replace(SPACE, **changes))


def job(root: Path, folder: Path, space: MobileNet, **changes: Any) -> SupernetJob:
    images = images_config(root) | changes.pop("images", {})
    trainer = TrainerSettings(accelerator="cpu", devices=1, **changes.pop("trainer", {}))
    return SupernetJob(space, images, RECIPE, trainer, folder, 0, **changes)


def test_every_process_draws_the_same_path(space: MobileNet) -> None:
    paths = Paths(space, seed=3)
    drawn = [paths.at(i) for i in range(30)]
    assert drawn == [Paths(space, seed=3).at(i) for i in range(30)]
    assert len({tuple(path) for path in drawn}) == 30
    pool = space.sample(3, np.random.default_rng(0))
    assert {tuple(Paths(space, 0, pool).at(i)) for i in range(40)} == {tuple(space.path(a)) for a in pool}
    sandwich = Paths(space, 0, (), True, 3)
    assert sandwich.at(0) == sandwich.at(3) == ["6"] * 21
    assert sandwich.at(1).count("7") == 15 and sandwich.at(2) != sandwich.at(5)


def test_a_step_changes_its_path_alone(root: Path, tmp_path: Path, space: MobileNet) -> None:
    work = job(root, tmp_path, space)
    before = {k: v.clone() for k, v in work.module(work.data()).network.state_dict().items()}
    work.train(1)
    after = work.module(work.data()).network.state_dict()
    path = Paths(space, 0).at(0)
    for name, value in after.items():
        parts = name.split(".")
        on_path = parts[0] != "blocks" or path[list(space.positions).index(parts[1])] == parts[2]
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(value, before[name]) != on_path, name


@pytest.mark.long
def test_training_in_parts_is_training_at_once(root: Path, tmp_path: Path, space: MobileNet) -> None:
    whole, parts = job(root, tmp_path / "whole", space), job(root, tmp_path / "parts", space)
    whole.train(5)
    for steps in (2, 5):
        parts.train(steps)
    a, b = (w.module(w.data()).network.state_dict() for w in (whole, parts))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert whole.step() == parts.step() == 5


def test_statistics_are_those_of_the_batches(root: Path, tmp_path: Path, space: MobileNet) -> None:
    work = job(root, tmp_path, space)
    work.train(6)
    images = work.data()
    network = work.module(images).network
    path = space.path(space.sample(1, np.random.default_rng(5))[0])
    alone = network.standalone(path)
    batches = [x for x, _ in images.share("calibration", 8)]
    assert [len(batch) for batch in batches] == [8, 8]
    before = copy.deepcopy(alone.state_dict())
    exact = calibrated(alone, batches)
    convolution, norm = exact[0][0][0], exact[0][0][1]  # type: ignore[index]
    outputs = [convolution(batch).detach() for batch in batches]
    torch.testing.assert_close(norm.running_mean, sum(m.mean((0, 2, 3)) for m in outputs) / 2)
    torch.testing.assert_close(norm.running_var, sum(m.var((0, 2, 3)) for m in outputs) / 2)
    # The supernet itself has not changed.
    assert all(torch.equal(value, before[name]) for name, value in alone.state_dict().items())
    labelled = list(images.share("val"))
    right = sum(int((exact(x).argmax(1) == y).sum()) for x, y in labelled)
    assert accuracies([exact, exact], labelled) == [pytest.approx(right / 24)] * 2


@pytest.mark.long
def test_two_processes_stay_equal_and_share_what_is_measured(
    root: Path, tmp_path: Path, space: MobileNet
) -> None:
    two = job(root, tmp_path / "two", space)
    two.trainer.devices = 2
    launch(record_steps, (SupernetModule, two.folder, two.train, 3), 2, tmp_path / "two" / "logs")
    first, second = (json.loads((tmp_path / "two" / f"steps{rank}.json").read_text()) for rank in range(2))
    assert len(first) == 3 and [s[:2] for s in first] == [s[:2] for s in second]
    one = job(root, tmp_path / "one", space, images={"batch_size": 32})
    record_steps(SupernetModule, one.folder, one.train, 3)
    alone = json.loads((tmp_path / "one" / "steps0.json").read_text())
    losses = np.mean([[s[2] for s in first], [s[2] for s in second]], axis=0)
    np.testing.assert_allclose(losses, [s[2] for s in alone], rtol=1e-4)
    np.testing.assert_allclose([s[1] for s in first], [s[1] for s in alone], rtol=1e-5)
    fresh = job(root, tmp_path / "fresh", space)
    fresh.trainer.devices = 2
    asked = space.sample(3, np.random.default_rng(0))
    assert fresh.measured(asked) == fresh.accuracies(asked)


def evaluator(root: Path, folder: Path, space: Any, **changes: Any) -> SupernetEvaluator[Any]:
    trainer = TrainerSettings(accelerator="cpu", devices=1)
    sizes = {"first_steps": 4, "round_steps": 2}
    settings = SupernetEvaluatorSettings(recipe=RECIPE, trainer=trainer, **(sizes | changes))
    return SupernetEvaluator(space, 0, folder, settings, images_config(root))


@pytest.mark.long
def test_each_round_trains_on_and_measures_what_came_before_again(
    root: Path, tmp_path: Path, space: MobileNet
) -> None:
    asked = space.sample(4, np.random.default_rng(0))
    whole = evaluator(root, tmp_path / "whole", space)
    first = {asked[i]: e.val_accuracy for i, e in whole.evaluate(asked[:2])}
    again = whole.revised(asked[:2])
    assert again == [first[a] for a in asked[:2]]
    second = [e.val_accuracy for _, e in whole.evaluate(asked[2:])]
    later = whole.revised(asked)
    assert later is not None and later[2:] == second
    # Another process resumes from the folder. The rest of the round needs no more training.
    killed = evaluator(root, tmp_path / "whole", space)
    assert [e.val_accuracy for _, e in killed.evaluate(asked[3:])] == second[1:]
    assert killed._job.step() == 6


@pytest.mark.campaign
@pytest.mark.long
def test_ray_measures_what_processes_measure(root: Path, tmp_path: Path, space: MobileNet) -> None:
    pytest.importorskip("ray")
    asked = space.sample(5, np.random.default_rng(0))
    here = evaluator(root, tmp_path / "run", space)
    on_ray = evaluator(root, tmp_path / "run", space, engine="ray", ray=RaySettings())
    try:
        # Workers that loaded the first round's weights must also load the weights of the second round.
        for part in (asked[:3], asked[3:]):
            measured = {part[i]: e.val_accuracy for i, e in on_ray.evaluate(part)}
            assert here.revised(part) == [measured[a] for a in part]
        assert on_ray.revised(asked) == here.revised(asked)
        assert len(set(here.revised(asked))) > 1
    finally:
        on_ray.close()


class TwoWorkers(Engine):
    """An engine that answers in this process, with the last call first."""

    num_workers = 2

    def __init__(self, answer: Callable[[list[Any]], Any]) -> None:
        super().__init__()
        self.answer = answer

    def _begin_waiting(self) -> None:
        """Do nothing, because ``_ended`` answers all calls."""

    def _num_running(self) -> int:
        return 0

    def _ended(self, timeout_s: float | None) -> list[tuple[Call, Any]]:
        calls = [self._waiting.pop() for _ in range(len(self._waiting))]
        assert len(calls) <= 2 and {call.method for call in calls} == {"values"}
        return [(call, self.answer(*call.arguments)) for call in calls]

    def _end_running(self) -> None:
        """Do nothing, because no call runs."""

    def close(self) -> None:
        """Do nothing, because the engine has started nothing."""


def test_workers_share_what_is_measured(root: Path, tmp_path: Path, space: MobileNet) -> None:
    asked = space.sample(5, np.random.default_rng(0))
    measures = evaluator(root, tmp_path / "run", space)
    measures._ray = TwoWorkers(lambda part: [{"val_accuracy": asked.index(a) / 10} for a in part])
    assert measures.revised(asked[:1]) == [0.0]
    assert measures.revised(asked) == [0.0, 0.1, 0.2, 0.3, 0.4]
    lost = evaluator(root, tmp_path / "run", space)
    lost._ray = TwoWorkers(lambda part: LostError("its process died 2 times"))
    with pytest.raises(UserError, match="evaluator.engine=ray: a worker died twice") as error:
        lost.revised(asked)
    assert "\n" not in str(error.value)


def test_bad_input_is_one_line(root: Path, tmp_path: Path, space: MobileNet) -> None:
    other = job(root, tmp_path / "other", small_space(factor=0.5))
    other.train(1)
    checkpoint = str(tmp_path / "other" / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match="is no checkpoint of this space's supernet") as error:
        evaluator(root, tmp_path / "run", space, start_from=checkpoint)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="evaluator.pool=all: must be one of found, space"):
        evaluator(root, tmp_path / "run", space, pool="all")
    with pytest.raises(UserError, match="evaluator=supernet: space=nasbench101 has no supernet"):
        evaluator(root, tmp_path / "run", NASBench101())
    with pytest.raises(UserError, match="recipe.schedule=linear: must be one of"):
        Recipe(epochs=1, learning_rate=0.1, weight_decay=0.0, schedule="linear")
    with pytest.raises(
        UserError, match="evaluator.recipe.schedule=cosine: must be exponential, constant or inverse_sqrt"
    ):
        cosine = Recipe(epochs=1, learning_rate=0.1, weight_decay=0.0, schedule="cosine")
        SupernetEvaluatorSettings(recipe=cosine)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "override", "line"),
    [
        ("search", "data.images.batch_size=1000", "data.images.batch_size=1000: must be at most the 120 "),
        ("search", "evaluator.trainer.accelerator=gpu", "evaluator.trainer.accelerator=gpu: must be auto or"),
        ("search", "evaluator.trainer.strategy=nonsense", "evaluator.trainer.strategy=nonsense: must be one"),
        ("supernet", "data.images.batch_size=1000", "data.images.batch_size=1000: must be at most the 120 "),
        ("supernet", "trainer.accelerator=gpu", "trainer.accelerator=gpu: must be auto or cpu"),
        ("supernet", "trainer.strategy=nonsense", "trainer.strategy=nonsense: must be one of auto, "),
    ],
)
def test_a_config_that_will_not_do_leaves_no_folder(
    configure: Configure,
    root: Path,
    tmp_path: Path,
    name: str,
    override: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    overrides = ["space=mobilenet_small", "data=pictures", f"data.images.root={root}"]
    overrides += ["data.images.num_validation=24", "data.images.num_calibration=16"]
    if name == "search":
        overrides.append("experiment=pictures")
    run = search.run if name == "search" else supernet.run
    with pytest.raises(UserError) as error:
        run(configure(name, *overrides, override), RunFolder(tmp_path / "run"), quiet=True)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    "size",
    [pytest.param((20, 4, 2, 3, 2), id="small"), pytest.param((100, 40, 15, 8, 4), id="as documented")],
)
def test_from_a_supernet_to_a_trained_network(
    configure: Configure, tmp_path: Path, size: tuple[int, int, int, int, int]
) -> None:
    """Run the commands of docs/imagenet.md on fewer pictures and for fewer steps."""
    each, first_steps, round_steps, num_labeled, num_new = size
    pictures = write_pictures(tmp_path / "pictures", each, each // 2)
    images = ["data=pictures", f"data.images.root={pictures}", "data.images.num_calibration=16"]
    small = ["space=mobilenet_small", "space.max_macs=1.5e6", "data.images.num_validation=24", *images]
    steps = [f"evaluator.first_steps={first_steps}", f"evaluator.round_steps={round_steps}"]
    sizes = [f"search.num_labeled={num_labeled}", f"search.num_new={num_new}", "search.num_rounds=1"]
    overrides = ["experiment=pictures", *small, *steps, *sizes, *SMALL_CONTROLLER, "strategy.pool=200"]
    folder = RunFolder(tmp_path / "search")
    search.run(configure("search", *overrides), folder, quiet=True)
    searched = folder.result()
    assert isinstance(searched, SearchResult)
    space = small_space(max_macs=1.5e6, stem_stride=2)
    assert all(space.macs(space.from_json(record.architecture)) <= 1.5e6 for record in folder.history())
    revisions = (folder.path / "revisions.jsonl").read_text().splitlines()
    last = json.loads(revisions[-1])["val_accuracies"]
    assert len(revisions) == 2 and len(last) == num_labeled + num_new
    # All rounds are compared by accuracies of the latest weights, not by their first accuracies.
    assert searched.best_val_accuracy == max(last) and searched.test_accuracy is None
    epochs = 15 if each == 100 else 1
    chosen = [f"architecture_from={folder.path}", f"trainer.max_epochs={epochs}"]
    trained = RunFolder(tmp_path / "train")
    train.run(configure("train", *small, *chosen), trained, quiet=True)
    result = trained.result()
    assert isinstance(result, TrainingResult) and result.key == searched.best_key
    assert each < 100 or result.test_accuracy > 0.5
    assert (tmp_path / "train" / "network.safetensors").exists()


def test_a_supernet_alone(configure: Configure, root: Path, tmp_path: Path) -> None:
    arguments = ["space=mobilenet_small", "data=pictures", f"data.images.root={root}", "num_measured=3"]
    arguments += ["data.images.num_validation=40", "data.images.num_calibration=16", "trainer.max_steps=4"]
    folder = RunFolder(tmp_path / "run")
    mean = supernet.run(configure("supernet", *arguments, "recipe.augmentation=flip"), folder, quiet=True)
    result = folder.result()
    assert isinstance(result, SupernetResult) and len(result.measured) == 3
    assert (
        result.mean_val_accuracy
        == mean
        == pytest.approx(np.mean([measured["val_accuracy"] for measured in result.measured]))
    )
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


@pytest.mark.campaign
@pytest.mark.long
def test_a_supernet_of_ranks_that_something_else_starts(root: Path, tmp_path: Path) -> None:
    arguments = ["space=mobilenet_small", "data=pictures", f"data.images.root={root}", "num_measured=3"]
    arguments += ["data.images.num_validation=40", "data.images.num_calibration=16", "trainer.max_steps=2"]
    arguments += ["recipe.augmentation=flip", "trainer.accelerator=cpu", "trainer.devices=2"]
    started_ranks("seminas-supernet", *arguments, "hydra.run.dir=outside", cwd=tmp_path)
    done = command("seminas-supernet", *arguments, "hydra.run.dir=inside", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outside, inside = (
        json.loads((tmp_path / name / "result.json").read_text())["measured"]
        for name in ("outside", "inside")
    )
    assert outside == inside and len(inside) == 3
    assert not list((tmp_path / "outside" / "measured").iterdir())


def test_the_wait_for_other_ranks_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seminas.training.supernet.WAIT_S", 0.3)
    (tmp_path / "1.json").write_text("{}")
    with pytest.raises(UserError, match="ranks 0, 2 have not written their answers"):
        _answers_of_all(tmp_path, 3)
    for rank in (0, 2):
        (tmp_path / f"{rank}.json").write_text("{}")
    assert [path.name for path in _answers_of_all(tmp_path, 3)] == ["0.json", "1.json", "2.json"]
