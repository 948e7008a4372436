"""Measure trainings and searches of text-to-speech networks on data=espeak, for docs/speech.md.

    python measurements/speech.py train FOLDER          # one network, after one step, a short time and a long time
    python measurements/speech.py minute FOLDER         # word errors after exactly one minute and after ten
    python measurements/speech.py frames                # word errors of the true frames
    python measurements/speech.py search FOLDER         # SemiNAS and random search with one supernet, five seeds
    python measurements/speech.py correlation FOLDER    # ranks by the supernet and by standalone trainings

Each command goes on in its folder when it is repeated.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytorch_lightning as pl
import typer
from scipy.stats import kendalltau, ttest_rel

import seminas
from seminas.config.build import read
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.evaluators import SupernetEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.config.spaces import TTSSettings
from seminas.config.trainer import TrainerSettings
from seminas.runs.folder import RunFolder
from seminas.runs.speech_results import SpeechResult
from seminas.spaces.tts import TTS
from seminas.training.speech.data import make_speech
from seminas.training.speech.features import MelFrames
from seminas.training.speech.module import MEASURES
from seminas.training.speech.recognition import GrammarRecogniser, heard, word_error_rate
from seminas.training.speech.standalone import SpeechJob
from seminas.training.speech.supernet import SpeechSupernetJob
from seminas.training.speech.voice import Voice, heard_texts

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder of the runs.")]
LOW_RESOURCE = "10 10 4 3 6 3 9 2 4 2 11 6"
"""The architecture that the paper found for few data."""
SPEECH = ["space=tts", "data=espeak", "space.width=64", "logger=[]"]
STEPS = 1_000
"""Steps of the supernet before it is measured."""


def trained(folder: Path, architecture: str, *overrides: str) -> SpeechResult:
    """Train a network, or return the result of its finished training."""
    chosen = [*SPEECH, f"architecture='{architecture}'", "trainer.check_val_every_n_epoch=10", *overrides]
    result = seminas.train(chosen, folder=folder, quiet=True)
    assert isinstance(result, SpeechResult)
    return result


@app.command()
def train(
    folder: Folder,
    short: Annotated[int, typer.Option(help="Steps of the short training, about a minute.")] = 120,
    long: Annotated[int, typer.Option(help="Steps of the long training.")] = 1_200,
) -> None:
    """Train one network for one step, a short time and a long time, with and without guided attention."""
    for guide in (1.0, 0.0):
        for steps in (1, short, long):
            overrides = [f"data.speech.guided_attention={guide}", f"trainer.max_steps={steps}"]
            result = trained(
                folder / f"guide{guide:g}-{steps}", LOW_RESOURCE, "recipe.epochs=1000", *overrides
            )
            errors = word_errors(result.folder, result.config)
            measures = ", ".join(f"{name} {value:.3f}" for name, value in result.test.items())
            print(
                f"guided attention {guide:g}, {steps} steps, {result.wall_s:.0f} s: word errors {errors:.3f}"
            )
            print(f"    {measures}", flush=True)


class Snapshots(pl.Callback):
    """Callback that exports the network after some times of training, and ends the training after the last time.

    Attributes:
        taken: Seconds on the clock, seconds of processor time, and number of steps at each snapshot.
    """

    def __init__(self, job: SpeechJob, minutes: Sequence[float], processor_time: bool) -> None:
        self._job, self._left, self._index = job, list(minutes), int(processor_time)
        self._start = (0.0, 0.0)
        self.taken: dict[float, tuple[float, float, int]] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock, after the corpus and the network have been made."""
        self._start = time.monotonic(), time.process_time()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Export the network if the time of the next snapshot has come."""
        spent = time.monotonic() - self._start[0], time.process_time() - self._start[1]
        if self._left and spent[self._index] >= 60 * self._left[0]:
            minutes = self._left.pop(0)
            measured = {f"{split}_{name}": 0.0 for split in ("val", "test") for name in MEASURES}
            job = replace(self._job, folder=self._job.folder / f"{minutes:g}")
            job.finish(trainer, module.network, trainer.datamodule, measured)  # type: ignore[attr-defined]
            self.taken[minutes] = *spent, trainer.global_step
            trainer.should_stop = not self._left


@app.command()
def minute(
    folder: Folder,
    minutes: Annotated[list[float] | None, typer.Option(help="Minutes of the snapshots.")] = None,
    processor_time: Annotated[
        bool, typer.Option("--processor-time", help="Count the processor time, for a machine that is shared.")
    ] = False,
) -> None:
    """Train one network, and measure the word errors of its state after exactly one minute and after ten minutes.

    The clock starts with the first step. Nothing is validated before the end.
    """
    config = checked(compose("train", [*SPEECH, "recipe.epochs=100000"]), "train")
    space, recipe = TTS(TTSSettings(width=64)), read(config["recipe"], "recipe", Recipe)
    job = SpeechJob(
        space, space.parse(LOW_RESOURCE), recipe, TrainerSettings(accelerator="cpu"), folder, config, True
    )
    data = job.data()
    pl.seed_everything(job.seed)
    snapshots = Snapshots(job, minutes or [1, 10], processor_time)
    trainer = pl.Trainer(
        max_epochs=recipe.epochs,
        accelerator="cpu",
        callbacks=[snapshots],
        gradient_clip_val=recipe.gradient_clip,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(job.module(job.network(data), data), datamodule=data)
    for after, (clock_s, cpu_s, steps) in snapshots.taken.items():
        errors = word_errors(folder / f"{after:g}", config)
        print(f"{after:g} min: {steps} steps, {clock_s:.0f} s on the clock, {cpu_s:.0f} s of processor time")
        print(f"    word errors {errors:.3f}", flush=True)


@app.command()
def frames() -> None:
    """Measure the word errors of the recordings themselves, made into frames and back: the least that one can reach."""
    config = checked(compose("train", SPEECH), "train")
    data, recogniser = make_speech(config["data"]["speech"], 0), GrammarRecogniser()
    conversion, rate = MelFrames(data.settings), data.settings.sample_rate
    for split in ("val", "test"):
        said = data.splits[split]
        pairs = [(u.text, heard(conversion.samples(u.mel), rate, recogniser)) for u in said]
        print(f"{split}: word errors {word_error_rate(pairs):.3f} ({len(pairs)} sentences)", flush=True)


def word_errors(folder: Path, config: Any) -> float:
    """Return the word error rate of the trained network in a folder on the test sentences."""
    voice = Voice(folder)
    texts = [u.text for u in make_speech(config["data"]["speech"], 0).splits["test"]]
    return word_error_rate(heard_texts(voice, texts, GrammarRecogniser(), voice.mel_frames.samples))


def supernet_of(folder: Path) -> Path:
    """Train a supernet, and return its checkpoint."""
    overrides = [*SPEECH, "evaluator=supernet", "strategy=random", "search.max_queries=4", "seed=100"]
    seminas.search(
        [*overrides, f"evaluator.first_steps={STEPS}", "evaluator.round_steps=0"], folder=folder, quiet=True
    )
    return folder / "supernet" / "checkpoints" / "last.ckpt"


@app.command()
def search(
    folder: Folder,
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 5,
    start_from: Annotated[Path | None, typer.Option(help="Checkpoint of a trained supernet.")] = None,
) -> None:
    """Search with the weights of one supernet: 40 evaluations by SemiNAS, and 40 by random search."""
    checkpoint = start_from or supernet_of(folder / "supernet")
    fixed = [
        f"evaluator.start_from={checkpoint.absolute()}",
        "evaluator.first_steps=0",
        "evaluator.round_steps=0",
    ]
    best: dict[str, list[float]] = {}
    for seed in range(seeds):
        for strategy in ("seminas", "random"):
            overrides = [*SPEECH, "evaluator=supernet", f"strategy={strategy}", f"seed={seed}", *fixed]
            overrides += ["search.max_queries=40", "search.num_labeled=20", "search.num_rounds=2"]
            result = seminas.search(overrides, folder=folder / f"{strategy}-{seed}", quiet=True)
            best.setdefault(strategy, []).append(result.best_value)
            print(f"{strategy} {seed}: {result.best_value:.4f}, {result.wall_s:.0f} s", flush=True)
    for strategy, values in best.items():
        print(f"{strategy}: {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f} ({seeds} seeds)")
    test = ttest_rel(best["seminas"], best["random"])
    print(f"paired t-test: p = {test.pvalue:.3f}")


@app.command()
def correlation(
    folder: Folder,
    number: Annotated[int, typer.Option(help="Number of architectures.")] = 20,
    steps: Annotated[int, typer.Option(help="Steps of each standalone training.")] = 200,
    start_from: Annotated[Path | None, typer.Option(help="Checkpoint of a trained supernet.")] = None,
) -> None:
    """Compare the measures of architectures by the supernet's weights and by standalone trainings."""
    space = TTS()
    architectures = space.sample(number, np.random.default_rng(7))
    checkpoint = start_from or supernet_of(folder / "supernet")
    shared = _shared(folder / "shared", checkpoint, [space.key(a) for a in architectures])
    alone = []
    for i, architecture in enumerate(architectures):
        overrides = [f"trainer.max_steps={steps}", "recipe.epochs=1000", "seed=1"]
        alone.append(trained(folder / f"alone-{i}", space.key(architecture), *overrides).val)
        print(f"{i + 1} of {number}: {alone[-1]['diagonal_focus_rate']:.4f}", flush=True)
    for name in ("diagonal_focus_rate", "focus_rate", "phoneme_coverage", "mel_loss"):
        found = kendalltau([values[f"val_{name}"] for values in shared], [values[name] for values in alone])
        print(f"{name}: Kendall tau {found.statistic:.3f}, p = {found.pvalue:.3f}")


def _shared(folder: Path, checkpoint: Path, keys: list[str]) -> list[dict[str, float]]:
    """Return all measures of architectures with the weights of a supernet."""
    config = checked(compose("search", [*SPEECH, "evaluator=supernet"]), "search")
    settings = read(config["evaluator"], "evaluator", SupernetEvaluatorSettings)
    space = TTS()
    job = SpeechSupernetJob(
        space, config["data"]["speech"], settings.recipe, settings.trainer, folder, 100, start_from=checkpoint
    )
    RunFolder(folder).path.mkdir(parents=True, exist_ok=True)
    return job.values([space.parse(key) for key in keys])


if __name__ == "__main__":
    app()
