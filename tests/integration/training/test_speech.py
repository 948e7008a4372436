"""Test trainings and searches of text-to-speech networks, and their speech."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

import seminas
from learning import weights
from seminas.commands import supernet
from seminas.commands.main import app
from seminas.config.build import read
from seminas.config.recipe import Recipe
from seminas.config.spaces import TTSSettings
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.execution.ranks import launch
from seminas.runs.folder import RunFolder
from seminas.runs.recordings import read_recordings
from seminas.runs.speech_results import SpeechResult, SpeechSupernetResult
from seminas.spaces.tts import TTS
from seminas.training.speech.data import SpeechData
from seminas.training.speech.module import SpeechModule, SpeechSupernetModule
from seminas.training.speech.supernet import SpeechSupernetJob
from seminas.training.speech.voice import Voice
from seminas.training.standalone import train
from spoken import CORPUS, OVERRIDES, SMALL, speech_job

SEARCH = [
    *(o for o in OVERRIDES if not o.startswith("trainer")),
    *(
        "evaluator=supernet",
        "strategy=random",
        "search.num_labeled=2",
        "search.num_new=1",
        "search.num_rounds=1",
    ),
    *("evaluator.first_steps=4", "evaluator.round_steps=2", "evaluator.trainer.checkpoint_every=1"),
    *("evaluator.trainer.accelerator=cpu", "evaluator.recipe.ema=0.0"),
]
TRAININGS = [
    *(o for o in OVERRIDES if not o.startswith("trainer")),
    *("evaluator=training", "strategy=random", "search.num_labeled=2", "search.num_rounds=0"),
    *("search.max_queries=2", "data.recipe.epochs=2", "evaluator.num_workers=1", "evaluator.accelerator=cpu"),
]


class Killed(BaseException):
    """An exception that simulates a kill of the process."""


@pytest.fixture(scope="module")
def trained(corpus: SpeechData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a training of two epochs."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(speech_job(folder, recipe={"ema": 0.5}, trainer={"checkpoint_every": 2}))
    return folder


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, module: type[SpeechModule]) -> None:
    original = module.training_step

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step == step:
            raise Killed
        return original(self, batch, batch_idx)

    monkeypatch.setattr(module, "training_step", killed)


def test_a_training_writes_its_measures_and_a_network_that_speaks(trained: Path, tmp_path: Path) -> None:
    result = seminas.load_run(trained)
    assert isinstance(result, SpeechResult)
    assert 0 < result.value == result.val["diagonal_focus_rate"] <= 1
    assert set(result.val) == set(result.test) >= {"mel_loss", "phoneme_coverage", "focus_rate"}
    assert result.skipped == {}
    runner = CliRunner()
    out = tmp_path / "said.wav"
    said = runner.invoke(app, ["speak", str(trained), "Lucy got nine beds", "--out", str(out)])
    assert said.exit_code == 0, said.stderr
    samples, rate = soundfile.read(out)
    assert rate == 22_050
    assert len(samples) > 1000
    assert out.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    again = tmp_path / "again.wav"
    runner.invoke(app, ["speak", str(trained), "Lucy got nine beds", "--out", str(again)])
    assert again.read_bytes() == out.read_bytes()
    heard = runner.invoke(app, ["intelligibility", str(trained)])
    assert "word error rate of the network" in heard.stdout, heard.stderr
    assert "sentences with an error" in heard.stdout


def test_a_training_records_validation_sentences(trained: Path, corpus: SpeechData) -> None:
    recordings = read_recordings(trained)
    assert [r.spoken.text for r in recordings] == [u.text for u in corpus.splits["val"][:2]]
    for recording in recordings:
        samples, rate = soundfile.read(io.BytesIO(recording.audio))
        assert rate == 22_050
        assert recording.spoken.seconds == pytest.approx(len(samples) / rate)
        assert 0 < recording.spoken.rates["diagonal_focus_rate"] <= 1
        assert 2_000 < len(recording.alignment) < 60_000


def test_a_vocoder_of_the_user_makes_the_sound(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    said = CliRunner().invoke(
        app, ["speak", str(trained), "Lucy got nine beds", "-o", str(out), "--vocoder", "spoken_vocoder.Hum"]
    )
    assert said.exit_code == 0, said.stderr
    assert np.ptp(soundfile.read(out)[0]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["speak", "RUN", "..."], "has no phonemes that the network knows"),
        (["speak", "RUN", "lucy got nine beds " * 20], "phonemes: must be at most 60; speak it in parts"),
        (["speak", "RUN", "a bed", "--vocoder", "no.such"], "--vocoder=no.such: cannot be imported"),
        (["speak", "RUN", "a bed", "--figure", "x.txt"], "must end in .png, .svg or .pdf"),
        (["speak", "EMPTY", "a bed"], "has no trained network"),
        (["intelligibility", "EMPTY"], "is no finished run of seminas-train on speech"),
        (["intelligibility", "RUN", "--split", "train"], "--split=train: must be val or test"),
    ],
)
def test_wrong_speech_is_refused_in_one_line(
    arguments: list[str], line: str, trained: Path, tmp_path: Path
) -> None:
    paths = {"RUN": str(trained), "EMPTY": str(tmp_path)}
    said = CliRunner().invoke(app, [paths.get(a, a) for a in arguments])
    assert said.exit_code == 2
    assert line in said.stderr
    assert said.stderr.count("\n") == 1


def test_damaged_files_of_a_network_are_refused(trained: Path, tmp_path: Path) -> None:
    description = json.loads((trained / "network.json").read_text())
    weights_file = (trained / "network.safetensors").read_bytes()
    for changes, content, line in (
        ({"symbols": ["a"]}, weights_file, "its network and its weights do not fit"),
        ({"space_config": {"_target_": "os.system"}}, weights_file, "is no SearchSpace"),
        ({"speech": {"hop": -1}}, weights_file, "hop=-1"),
        ({"symbols": 3}, weights_file, "describes no text-to-speech network"),
        ({}, weights_file[:100], "cannot be read as weights"),
    ):
        (tmp_path / "network.json").write_text(json.dumps(description | changes))
        (tmp_path / "network.safetensors").write_bytes(content)
        with pytest.raises(UserError, match=line):
            Voice(tmp_path)


@pytest.mark.parametrize("step", [3, 5])
def test_a_training_that_was_killed_ends_like_one_that_was_not(
    trained: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"recipe": {"ema": 0.5}, "trainer": {"checkpoint_every": 2}}
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_at(step, patched, SpeechModule)
        train(speech_job(tmp_path / "run", **changes))
    assert RunFolder(tmp_path / "run").result() is None
    train(speech_job(tmp_path / "run", **changes))
    once, twice = weights(trained), weights(tmp_path / "run")
    assert once.keys() == twice.keys()
    for name, value in once.items():
        assert torch.equal(value, twice[name]), name


@pytest.mark.long
def test_two_processes_train_the_same_network(corpus: SpeechData, tmp_path: Path) -> None:
    """Both ranks take their own batches, and end with the same weights."""
    job = speech_job(tmp_path / "run", trainer={"devices": 2, "strategy": "ddp"}, recipe={"epochs": 1})
    launch(train, (job,), 2, tmp_path / "run" / "logs")
    result = RunFolder(tmp_path / "run").result()
    assert isinstance(result, SpeechResult)
    assert result.steps == corpus.batches_per_epoch // 2


@pytest.mark.long
def test_a_search_with_a_supernet_survives_a_kill(
    corpus: SpeechData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = seminas.search(SEARCH, folder=tmp_path / "whole", quiet=True)
    assert whole.metric.name == "val_diagonal_focus_rate"
    assert whole.num_queries == 3
    assert set(whole.history[0].metrics) == {"val_focus_rate", "val_phoneme_coverage", "val_mel_loss"}
    with monkeypatch.context() as patched, pytest.raises(Killed):
        killed_at(5, patched, SpeechSupernetModule)
        seminas.search(SEARCH, folder=tmp_path / "killed", quiet=True)
    resumed = seminas.search(SEARCH, folder=tmp_path / "killed", quiet=True)
    assert [(r.key, r.value) for r in resumed.history] == [(r.key, r.value) for r in whole.history]
    assert resumed.best_key == whole.best_key
    recordings = read_recordings(tmp_path / "whole")
    best = sorted(whole.history, key=lambda r: -(r.value or 0))
    assert [r.spoken.key for r in recordings] == [r.key for r in best for _ in range(2)]
    assert read_recordings(tmp_path / "killed") == recordings


@pytest.mark.long
def test_phoneme_coverage_can_be_the_objective(corpus: SpeechData, tmp_path: Path) -> None:
    overrides = [*SEARCH, "data.speech.objective=phoneme_coverage", "evaluator.first_steps=1"]
    overrides += ["search.num_labeled=2", "search.num_rounds=0", "search.max_queries=2"]
    result = seminas.search(overrides, folder=tmp_path / "run", quiet=True)
    assert result.metric.name == "val_phoneme_coverage"


@pytest.mark.long
def test_a_supernet_alone_and_a_search_that_starts_from_it(
    corpus: SpeechData, configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    overrides = [*OVERRIDES, "num_measured=3", "trainer.max_steps=6"]
    config = configure("supernet", *overrides)
    mean = supernet.run(config, RunFolder(tmp_path / "run"), quiet=True)
    result = seminas.load_run(tmp_path / "run")
    assert isinstance(result, SpeechSupernetResult)
    values = [measured["values"]["val_diagonal_focus_rate"] for measured in result.measured]
    assert len(set(values)) > 1
    assert mean == result.value == pytest.approx(np.mean(values))
    assert set(result.mean) == {
        *("val_diagonal_focus_rate", "val_focus_rate", "val_phoneme_coverage", "val_mel_loss"),
    }
    assert "mean_val_mel_loss" in CliRunner().invoke(app, ["status", str(tmp_path / "run")]).stdout
    # A search with these weights measures what the command has measured.
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    steps = ["evaluator.first_steps=0", "evaluator.round_steps=0", f"evaluator.start_from={checkpoint}"]
    searched = seminas.search([*SEARCH, *steps], folder=tmp_path / "search", quiet=True)
    space = TTS(TTSSettings(width=16, supernet_width=16))
    shared = SpeechSupernetJob(
        space,
        config["data"]["speech"],
        read(config["recipe"], "recipe", Recipe),
        TrainerSettings(accelerator="cpu", devices=1),
        tmp_path / "measured",
        0,
        start_from=checkpoint,
    )
    again = shared.values([space.from_json(r.architecture) for r in searched.history])
    assert [v["val_diagonal_focus_rate"] for v in again] == [r.value for r in searched.history]


@pytest.mark.parametrize(
    ("command", "overrides", "line"),
    [
        ("train", ["space=mobilenet_small", "data=espeak"], "builds no speech networks"),
        ("train", ["space=tts", "data=digits"], "space=tts builds no networks"),
        ("train", ["space=tts", "data=ljspeech"], "data.speech.root: must be set"),
        ("train", ["space=tts", "data=ljspeech", "data.speech.root=/nowhere"], "metadata.csv cannot be read"),
        ("train", [*OVERRIDES, "data.speech.voices=[nobody]"], "data.speech.voices=nobody"),
        ("train", [*OVERRIDES, "architecture='1 2'"], "has 2 choices"),
        ("train", [*OVERRIDES, "export=[onnx]"], "export=onnx: must be safetensors"),
        ("train", [*OVERRIDES, "trainer.devices=40"], "data.speech.batch_frames=400 on 40 processes"),
        (
            "search",
            ["space=tts", "data=digits", "evaluator=supernet"],
            "has no supernet (methods build_supernet",
        ),
        ("search", ["space=mobilenet", "data=espeak", "evaluator=supernet"], "has no supernet for speech"),
        (
            "search",
            ["space=mobilenet", "data=espeak"],
            "evaluator=training: space=mobilenet builds no speech",
        ),
        ("search", ["space=tts", "data=digits"], "evaluator=training: space=tts builds no networks"),
        (
            "search",
            [*TRAININGS, "evaluator.num_devices=40"],
            "data.speech.batch_frames=400 on 40 processes: must be smaller",
        ),
        (
            "search",
            [*TRAININGS, "search.constraints.parameters=10"],
            "search.constraints.parameters=10: must be at least",
        ),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_made(
    command: str,
    overrides: list[str],
    line: str,
    speech_cache: Path,
    tmp_path: Path,
) -> None:
    run = getattr(seminas, command)
    with pytest.raises(UserError) as error:
        run(overrides, folder=tmp_path / "run", quiet=True)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_training_an_architecture_by_the_command(corpus: SpeechData, tmp_path: Path) -> None:
    overrides = [
        *OVERRIDES,
        f"architecture='{SMALL}'",
        "recipe.epochs=1",
        f"data.speech.num_val={CORPUS['num_val']}",
    ]
    result = seminas.train(overrides, folder=tmp_path / "run", quiet=True)
    assert isinstance(result, SpeechResult)
    assert result.epochs == 1
    found = CliRunner().invoke(app, ["status", str(tmp_path / "run")])
    assert "val_diagonal_focus_rate" in found.stdout
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<audio controls") == 2
    assert f"val_diagonal_focus_rate {result.value:.4f}" in page
    assert "tts, espeak, diagonal_focus_rate, trained alone" in page
    table = CliRunner().invoke(app, ["report", str(tmp_path), "--format", "csv"])
    assert f",{result.key},0," in table.stdout, table.stderr
