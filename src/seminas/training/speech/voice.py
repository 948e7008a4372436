"""Speaking with a trained network: the files of a run folder, text to frames, and measures of intelligibility."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seminas.config.fields import made
from seminas.config.recorded import recorded_space
from seminas.config.speech import SpeechSettings
from seminas.errors import UserError, first_line
from seminas.spaces.base import SearchSpace
from seminas.spaces.capabilities import BuildsSpeechNetworks, require
from seminas.training.data.loading import derived_seed
from seminas.training.speech.cached import Symbols
from seminas.training.speech.description import FILE, WEIGHTS, Description
from seminas.training.speech.features import MelFrames
from seminas.training.speech.rates import most_diagonal, rates_in

Vocoder = Callable[[Tensor], NDArray[np.float32]]
"""Function from frames ``[t, NUM_MELS]`` to samples from -1 to 1 at the corpus' sample rate."""
LONGEST = 1.5
"""Most frames of a text: its phonemes times the most frames per phoneme in training, times this factor."""


class Said(NamedTuple):
    """A spoken text.

    Attributes:
        mel: Frames ``[t, NUM_MELS]``.
        attention: Attention of the most diagonal layer and head, ``[t, s]``.
        phonemes: The s phonemes.
        unknown: Phonemes of the text that the network does not know, and that are left out.
        rates: Measures of the attention by name.
        stopped: Whether the network itself ended the speech.
    """

    mel: Tensor
    attention: Tensor
    phonemes: list[str]
    unknown: list[str]
    rates: dict[str, float]
    stopped: bool


class Voice:
    """A trained network of a run folder that speaks.

    Attributes:
        settings: Settings of the corpus.
        mel_frames: Conversion between frames and recordings.
    """

    def __init__(self, folder: Path) -> None:
        """Load ``network.json`` and ``network.safetensors`` of a run folder of ``seminas-train``.

        Raises:
            UserError: The folder has no trained text-to-speech network, its files are damaged, or a library is missing.
        """
        about = Description.read(folder)
        path = folder / FILE
        names = {f.name for f in fields(SpeechSettings)}
        self.settings: SpeechSettings = made(
            SpeechSettings, {k: v for k, v in about.speech.items() if k in names}, f"{path}: speech"
        )
        self.mel_frames = MelFrames(self.settings)
        self.symbols = Symbols(tuple(about.symbols))
        self._most = about.frames_per_phoneme * LONGEST
        space: Any = recorded_space({"space": about.space_config}, str(path), SearchSpace)
        require(space, BuildsSpeechNetworks, "seminas speak")
        try:
            self.network: Any = space.build_speech_network(
                space.from_json(about.architecture), len(self.symbols), **about.networks.get(space.name, {})
            )
            self.network.load_state_dict(_weights(folder / WEIGHTS))
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise UserError(
                f"{folder}: its network and its weights do not fit ({first_line(error)})"
            ) from error
        self.network.eval()

    def say(self, text: str) -> Said:
        """Speak a text. The same text gives the same frames.

        Raises:
            UserError: The text has no phonemes that the network knows, or too many.
        """
        known, unknown = self.symbols.of_text(text, self.settings.language, self.settings.max_phonemes)
        most = min(self.settings.max_frames, max(2, round(self._most * len(known))))
        speech = said(self.network, known, self.symbols, most, derived_seed(0, text))
        return speech._replace(unknown=unknown)


def said(network: Any, known: Sequence[int], symbols: Symbols, most: int, seed: int) -> Said:
    """Return what a network speaks, on the CPU. The same seed gives the same frames.

    Args:
        network: Network in evaluation mode.
        known: Indices of the phonemes.
        symbols: Names of the phonemes.
        most: Largest number of frames.
        seed: Seed of the pre-net's dropout.
    """
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        spoken = network.decode(
            torch.tensor([list(known)], device=device),
            torch.tensor([len(known)], device=device),
            torch.tensor([most], device=device),
        )
    attention = most_diagonal([layer[0].float().cpu() for layer in spoken.attention])
    names = [symbols.names[i - 1] for i in known]
    stopped = bool(spoken.stop[0, -1] > 0)
    return Said(spoken.mel[0].float().cpu(), attention, names, [], rates_in(attention), stopped)


def _weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read as weights ({first_line(error)})") from error


def heard_texts(
    voice: Voice, texts: Iterable[str], recogniser: Any, vocoder: Vocoder
) -> list[tuple[str, str]]:
    """Return pairs of each text and the words that a recogniser hears when the network speaks it.

    Args:
        voice: Network that speaks.
        texts: Texts to speak.
        recogniser: ``Recogniser`` that listens.
        vocoder: Function from frames to samples.
    """
    from seminas.training.speech.recognition import heard

    rate = voice.settings.sample_rate
    return [(text, heard(vocoder(voice.say(text).mel), rate, recogniser)) for text in texts]
