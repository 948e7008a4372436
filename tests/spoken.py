"""Shared code of the tests of speech: a small corpus that espeak-ng speaks, and its settings."""

from pathlib import Path
from typing import Any

from seminas.config.recipe import Recipe
from seminas.config.spaces import TTSSettings
from seminas.config.speech import EspeakSettings, LJSpeechSettings
from seminas.config.trainer import TrainerSettings
from seminas.spaces.tts import TTS
from seminas.training.speech.data import SpeechData, espeak
from seminas.training.speech.standalone import SpeechJob

SMALL = "2 8 1 11 1 1 2 8 1 11 1 1"
"""Architecture of small networks: each kind of layer."""
CORPUS: dict[str, Any] = {"num_train": 24, "num_val": 4, "num_test": 4, "batch_frames": 400}
RECIPE: dict[str, Any] = {
    "epochs": 2,
    "learning_rate": 0.3,
    "weight_decay": 0.0,
    "schedule": "inverse_sqrt",
    "warmup_steps": 4,
    "gradient_clip": 1.0,
}
OVERRIDES = [
    *("space=tts", "data=espeak", "space.width=16", "space.supernet_width=16", "trainer.accelerator=cpu"),
    *(f"data.speech.{name}={value}" for name, value in CORPUS.items()),
]
"""Overrides of commands for the small corpus and small networks, with the section of the trainer of a training."""


def small_corpus() -> SpeechData:
    """Return the small corpus."""
    return espeak(EspeakSettings(**CORPUS))


def made_folder(corpus: SpeechData, root: Path) -> LJSpeechSettings:
    """Copy the recordings of a corpus into a folder in the layout of LJSpeech, and return its settings."""
    source = root.parent / "source"
    espeak(EspeakSettings(**CORPUS, root=str(source)))
    source.rename(root)
    return LJSpeechSettings(root=str(root), num_val=4, num_test=4, max_frames=250, batch_frames=800)


def speech_job(folder: Path, **changes: Any) -> SpeechJob:
    """Return a training of a small network. ``changes`` are values of ``recipe``, ``trainer`` and ``speech``."""
    recipe = Recipe(**(RECIPE | changes.pop("recipe", {})))
    trainer = TrainerSettings(**({"accelerator": "cpu", "devices": 1} | changes.pop("trainer", {})))
    space = TTS(TTSSettings(width=16))
    config = {
        "seed": 0,
        "space": vars(TTSSettings(width=16)),
        "data": {"speech": vars(EspeakSettings(**(CORPUS | changes.pop("speech", {}))))},
        "recipe": vars(recipe),
        "logger": None,
        "export": ["safetensors"],
    }
    assert not changes
    folder.mkdir(exist_ok=True)
    return SpeechJob(space, space.parse(SMALL), recipe, trainer, folder, config, True)
