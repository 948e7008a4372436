"""Intelligibility of speech: word error rate by a recogniser."""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from seminas.errors import UserError, first_line
from seminas.training.speech.features import audio_libraries
from seminas.training.speech.sentences import grammar

RATE = 16_000
"""Samples per second that recognisers take."""
NEEDS = "word error rates need pocketsphinx and jiwer (pip install 'seminas[speech]')"


class Recogniser(Protocol):
    """A recogniser of speech."""

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """Return the words of samples from -1 to 1, ``RATE`` a second, in lower case. They may be none."""
        ...


class GrammarRecogniser:
    """PocketSphinx with the grammar of the small vocabulary (Huggins-Daines et al., ICASSP 2006)."""

    def __init__(self) -> None:
        """Load the English model that the package brings.

        Raises:
            UserError: The package is not installed.
        """
        try:
            import pocketsphinx
        except ImportError as error:
            raise UserError(f"{NEEDS}: {first_line(error)}") from error
        self._decoder = pocketsphinx.Decoder(lm=None, samprate=RATE, loglevel="FATAL")
        self._decoder.add_jsgf_string("sentences", grammar())
        self._decoder.activate_search("sentences")

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """See ``Recogniser``."""
        self._decoder.start_utt()
        self._decoder.process_raw((samples * (2**15 - 1)).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return "" if found is None else str(found.hypstr)


def heard(samples: NDArray[np.float32], rate: int, recogniser: Recogniser) -> str:
    """Return the words that a recogniser hears in samples at a rate per second."""
    torchaudio, _ = audio_libraries()
    wave = torchaudio.functional.resample(torch.from_numpy(samples), rate, RATE)
    pause = np.zeros(RATE // 5, dtype=np.float32)  # A recogniser expects silence around speech.
    return recogniser.transcribe(np.concatenate([pause, wave.numpy(), pause]))


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the share of wrong words in pairs of the true text and the heard text. It may be above 1.

    Raises:
        UserError: The package ``jiwer`` is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise UserError(f"{NEEDS}: {first_line(error)}") from error
    truth, found = zip(*pairs, strict=True)
    rate: Any = jiwer.wer(list(truth), list(found))
    return float(rate)
