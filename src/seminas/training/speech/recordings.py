"""Recordings of a network's speech, with pictures of the alignments, for the report and the loggers."""

import logging
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch

from seminas.runs.recordings import Recording, Spoken
from seminas.storage.values import Json
from seminas.training.data.loading import derived_seed
from seminas.training.speech.data import SpeechData
from seminas.training.speech.features import MelFrames
from seminas.training.speech.module import LONGEST
from seminas.training.speech.pictures import draw_alignment
from seminas.training.speech.voice import said

log = logging.getLogger(__name__)
NUM_TEXTS = 2
"""Number of validation sentences that a network speaks. A page of a report holds few recordings."""
DPI = 80


def recordings_of(network: Any, data: SpeechData, key: str, architecture: Json) -> list[Recording]:
    """Return recordings of the first validation sentences. The same weights give the same recordings.

    A sentence is left out if its frames are not finite, because the network has diverged.

    Args:
        network: Network in evaluation mode.
        data: Corpus of the network.
        key: Key of the network's architecture.
        architecture: Architecture in the JSON form of its space.
    """
    settings, conversion = data.settings, MelFrames(data.settings)
    recordings = []
    for utterance in data.splits["val"][:NUM_TEXTS]:
        symbols, _ = data.symbols.encode(utterance.phonemes)
        most = min(settings.max_frames, int(len(utterance.mel) * LONGEST))
        speech = said(network, symbols, data.symbols, most, derived_seed(0, utterance.text))
        if not bool(torch.isfinite(speech.mel).all()):
            log.warning("%s: has diverged, and has no recording of %r", key, utterance.text)
            continue
        samples = conversion.samples(speech.mel)
        spoken = Spoken(
            key,
            architecture,
            utterance.text,
            speech.rates,
            len(samples) / settings.sample_rate,
            speech.stopped,
        )
        picture = _png(speech.attention.numpy(), speech.phonemes)
        recordings.append(Recording(spoken, conversion.encoded(samples, "FLAC"), picture))
    return recordings


def _png(attention: Any, phonemes: Sequence[str]) -> bytes:
    """Return the picture of an alignment ``[t, s]`` as a small PNG file."""
    image = BytesIO()
    draw_alignment(attention, phonemes).savefig(
        image, format="png", dpi=DPI, pil_kwargs={"optimize": True}, metadata={"Software": None}
    )
    return image.getvalue()
