"""Settings of speech corpora, of their features, and of the speech task."""

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

OBJECTIVES = ("diagonal_focus_rate", "focus_rate", "phoneme_coverage")
"""Measures that a search can maximize, fractions."""


@dataclass
class SpeechSettings(Settings):
    """Settings that all speech corpora have in common. The defaults are the paper's.

    Attributes:
        language: Language of the phonemes, a voice of espeak-ng.
        sample_rate: Samples per second. Other recordings are resampled.
        window: Length of the Fourier window.
        hop: Distance of two frames.
        low_hz: Lower end of the 80 mel bins.
        high_hz: Upper end of the 80 mel bins.
        max_frames: Longest utterance. Longer ones are left out.
        max_phonemes: Most phonemes of an utterance. Longer ones are left out.
        num_train: Number of training utterances. Null means all that are left.
        num_val: Number of validation utterances, which a search sees.
        num_test: Number of test utterances, for the final report only.
        split_seed: Seed of the draw of the splits.
        batch_frames: Largest number of frames in a batch of each process.
        stop_weight: Weight of a last frame in the stop logit's loss.
        guided_attention: Weight of the loss that keeps attention near the diagonal (Tachibana et al., ICASSP 2018). 0
            means no such loss, as in the paper.
        sharpening: Power of the magnitudes before Griffin-Lim makes a recording of frames.
        objective: Measure that a search maximizes, and that chooses the checkpoint to keep.
    """

    KEY: ClassVar[str] = "data.speech"

    language: str = setting("en-us")
    sample_rate: int = setting(22_050, at_least=8_000, unit="Hz")
    window: int = setting(1024, at_least=64, unit="samples")
    hop: int = setting(256, at_least=16, unit="samples")
    low_hz: float = setting(0.0, at_least=0, unit="Hz")
    high_hz: float = setting(8_000.0, above=0, unit="Hz")
    max_frames: int = setting(1500, at_least=2, unit="frames")
    max_phonemes: int = setting(400, at_least=2, unit="phonemes")
    num_train: int | None = setting(None, at_least=1, unit="utterances")
    num_val: int = setting(100, at_least=1, unit="utterances")
    num_test: int = setting(100, at_least=1, unit="utterances")
    split_seed: int = setting(0, at_least=0)
    batch_frames: int = setting(31_250, at_least=4, unit="frames")
    stop_weight: float = setting(5.0, above=0)
    guided_attention: float = setting(0.0, at_least=0)
    sharpening: float = setting(1.5, above=0, may_change=True)
    objective: str = setting("diagonal_focus_rate", choices=OBJECTIVES)

    def check_together(self, key: str) -> None:
        """Refuse features that do not exist, and batches that cannot hold two utterances."""
        if self.hop > self.window:
            raise config_error(f"{key}.hop", self.hop, f"at most {key}.window={self.window}")
        if self.high_hz > self.sample_rate / 2:
            raise config_error(f"{key}.high_hz", self.high_hz, f"at most half of {key}.sample_rate")
        if self.low_hz >= self.high_hz:
            raise config_error(f"{key}.low_hz", self.low_hz, f"below {key}.high_hz={self.high_hz}")
        if self.batch_frames < 2 * self.max_frames:
            raise config_error(
                f"{key}.batch_frames", self.batch_frames, f"at least twice {key}.max_frames={self.max_frames}"
            )


@dataclass
class LJSpeechSettings(SpeechSettings):
    """A folder in the layout of LJSpeech: ``metadata.csv`` and ``wavs/ID.wav``.

    A line of ``metadata.csv`` is ``ID|text|normalized text``. The third field may be missing.

    Attributes:
        root: The folder.
    """

    _target_: str = "seminas.training.speech.data.ljspeech"
    root: str = setting(MISSING)


@dataclass
class EspeakSettings(SpeechSettings):
    """A corpus that espeak-ng speaks: sentences of four words from a small vocabulary.

    The name at the begin of a sentence decides voice and speed, so that a network can know them. Frames are twice as
    far apart as the paper's, so that a training takes half the time.

    Attributes:
        root: Folder to write the corpus into, in the layout of LJSpeech. Null means the cache folder.
        voices: Voices of espeak-ng, with variants such as ``en-us+f3``.
        speeds: Words per minute.
        corpus_seed: Seed of the draw of the sentences.
    """

    _target_: str = "seminas.training.speech.data.espeak"
    hop: int = setting(512, at_least=16, unit="samples")
    max_frames: int = setting(125, at_least=2, unit="frames")
    max_phonemes: int = setting(60, at_least=2, unit="phonemes")
    num_train: int | None = setting(400, at_least=1, unit="utterances")
    num_val: int = setting(40, at_least=1, unit="utterances")
    num_test: int = setting(40, at_least=1, unit="utterances")
    batch_frames: int = setting(1_250, at_least=4, unit="frames")
    sharpening: float = setting(1.0, above=0, may_change=True)
    root: str | None = setting(None)
    voices: list[str] = setting(["en-us", "en-us+f3", "en-us+m3"], distinct=True)
    speeds: list[int] = setting([180, 210], at_least=80, at_most=450, distinct=True, unit="words per minute")
    corpus_seed: int = setting(0, at_least=0)

    def check_together(self, key: str) -> None:
        """Refuse a corpus without a voice or a speed, and one that is not made."""
        super().check_together(key)
        for name, values in (("voices", self.voices), ("speeds", self.speeds)):
            if not values:
                raise config_error(f"{key}.{name}", values, "at least one")
        if self.num_train is None:
            raise config_error(f"{key}.num_train", None, "a number, because the corpus is made")
