"""Test searches that train each text-to-speech network from scratch."""

from pathlib import Path
from typing import Any

import pytest

import seminas
from seminas.config.recipe import Recipe
from seminas.config.spaces import TTSSettings
from seminas.config.speech import EspeakSettings
from seminas.evaluators.speech_trial import SpeechTrial
from seminas.runs.recordings import read_recordings
from seminas.spaces.exact import exact_costs
from seminas.spaces.tts import TTS
from seminas.training.speech.data import SpeechData
from seminas.training.speech.module import SpeechModule
from spoken import CORPUS, OVERRIDES, RECIPE, SMALL

MOST_PARAMETERS = 60_000
SEARCH = [
    *(o for o in OVERRIDES if not o.startswith("trainer")),
    *("evaluator=training", "strategy=random", "search.max_queries=3", "search.num_labeled=3"),
    *("data.recipe.epochs=2", "evaluator.accelerator=cpu", "evaluator.num_workers=1"),
    *(f"search.constraints.parameters={MOST_PARAMETERS}", "search.num_rounds=0"),
]


def trial(folder: Path | None = None, epochs: int = 3, **changes: Any) -> SpeechTrial:
    """Return trainings of small networks."""
    section = vars(EspeakSettings(**CORPUS, **changes))
    recipe = Recipe(**(RECIPE | {"epochs": epochs}))
    return SpeechTrial(TTS(TTSSettings(width=16)), section, recipe, 0, "cpu", folder, 0.0)


def test_a_killed_training_continues_from_its_checkpoint(
    corpus: SpeechData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that it computes what the undisturbed one computes, and that nothing of it is left."""

    class Killed(BaseException):
        pass

    architecture, begun = TTS().parse(SMALL), []

    def note(module: SpeechModule) -> None:
        begun.append(module.current_epoch)
        if begun == [0, 1, 2]:
            raise Killed

    monkeypatch.setattr(SpeechModule, "on_train_epoch_start", note)
    with pytest.raises(Killed):
        trial(tmp_path / "trainings").run(architecture, ("val",))
    (folder,) = (tmp_path / "trainings").iterdir()
    outcome = trial(tmp_path / "trainings").outcome(architecture, ("val",))
    assert begun[3:] == [2]
    assert outcome.error is None
    assert outcome.accuracies == trial().run(architecture, ("val",))[0]
    assert set(outcome.accuracies) == {"val", "val_focus_rate", "val_phoneme_coverage", "val_mel_loss"}
    assert not folder.exists()


def test_a_training_learns_and_another_seed_or_objective_gives_other_values(corpus: SpeechData) -> None:
    architecture = TTS().parse(SMALL)
    short, long = (trial(epochs=n).run(architecture, ("val", "test"))[0] for n in (1, 12))
    assert long["val_mel_loss"] < 0.9 * short["val_mel_loss"]
    assert 0 < long["test"] != long["val"]
    other = trial(epochs=1, objective="phoneme_coverage")
    assert other.metric.name == "val_phoneme_coverage"
    values = other.run(architecture, ("val",))[0]
    assert values["val"] == short["val_phoneme_coverage"]
    assert values["val_diagonal_focus_rate"] == short["val"]


@pytest.mark.long
def test_a_search_trains_each_network_within_the_limits_and_records_the_best(
    corpus: SpeechData, tmp_path: Path
) -> None:
    result = seminas.search(SEARCH, folder=tmp_path / "run", quiet=True)
    assert result.metric.name == "val_diagonal_focus_rate"
    assert result.num_failures == 0
    space = TTS(TTSSettings(width=16))
    found = [space.from_json(r.architecture) for r in result.history]
    costs = exact_costs(space)(found, ["parameters"])[:, 0]
    assert (costs <= MOST_PARAMETERS).all()
    # The result counts the embedding too, which has a vector for each symbol.
    best = [r.key for r in result.history].index(result.best_key)
    assert result.parameters == costs[best] + 16 * len(corpus.symbols)
    assert all(
        set(r.metrics) == {"val_focus_rate", "val_phoneme_coverage", "val_mel_loss"} for r in result.history
    )
    assert result.test_value is not None
    assert 0 < result.test_value <= 1
    assert [r.spoken.key for r in read_recordings(tmp_path / "run")] == [result.best_key] * 2


@pytest.mark.campaign
@pytest.mark.long
def test_a_training_on_two_devices_gives_a_value(corpus: SpeechData, tmp_path: Path) -> None:
    overrides = [o for o in SEARCH if not o.startswith(("search.max", "search.num"))]
    overrides += [
        "evaluator.num_devices=2",
        "search.max_queries=2",
        "search.num_labeled=2",
        "search.num_rounds=0",
    ]
    result = seminas.search(overrides, folder=tmp_path / "run", quiet=True)
    assert result.num_failures == 0
