"""Features of a corpus, computed once and kept in the cache folder.

A file holds the frames and phonemes of up to ``SHARD`` utterances. Its name is a digest of everything that determines
its content. It is safetensors, so that loading executes nothing.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from seminas.config.speech import SpeechSettings
from seminas.errors import UserError
from seminas.storage.files import cache_dir, parse_json, write_file
from seminas.training.speech.corpus import Transcript
from seminas.training.speech.espeak import END, phonemes
from seminas.training.speech.features import MelFrames

log = logging.getLogger(__name__)
SHARD = 256
"""Number of utterances in a file. A process that is killed loses the features of one file."""
VERSION = 1
"""Version of the features. Another version has other files."""
FEATURE_SETTINGS = (
    "language",
    "sample_rate",
    "window",
    "hop",
    "low_hz",
    "high_hz",
    "max_frames",
    "max_phonemes",
)


@dataclass(frozen=True)
class Utterance:
    """An utterance that can be used.

    Attributes:
        name: Name of the recording.
        text: Its text.
        phonemes: Phonemes of the text and the symbol at its end.
        mel: Frames ``[t, NUM_MELS]``.
    """

    name: str
    text: str
    phonemes: list[str]
    mel: Tensor


@dataclass(frozen=True)
class Unusable:
    """An utterance that cannot be used, and the reason, such as ``NO_TEXT``."""

    name: str
    reason: str


NO_TEXT, NO_WAV, TOO_LONG, NO_PHONEMES = (
    "empty transcript",
    "missing or broken WAV",
    "too long",
    "no phonemes",
)


def utterances(transcripts: Sequence[Transcript], settings: SpeechSettings) -> Iterator[Utterance | Unusable]:
    """Yield the features of transcripts in their order. Compute the features that the cache folder lacks.

    Raises:
        UserError: A library is missing, or the cache folder cannot be written.
    """
    made = MelFrames(settings)
    for start in range(0, len(transcripts), SHARD):
        part = transcripts[start : start + SHARD]
        path = cache_dir() / "speech" / "features" / f"{_digest(part, settings)}.safetensors"
        read = _read(path) if path.exists() else None
        if read is None:
            read = [_features(transcript, settings, made) for transcript in part]
            _write(path, read)
        yield from read


def _features(transcript: Transcript, settings: SpeechSettings, made: MelFrames) -> Utterance | Unusable:
    if not transcript.text:
        return Unusable(transcript.name, NO_TEXT)
    try:
        mel = made.frames(made.read(transcript.wav))
    except OSError as error:
        log.debug("%s", error)
        return Unusable(transcript.name, NO_WAV)
    spoken = phonemes(transcript.text, settings.language)
    if len(spoken) < 2 or spoken == [END]:
        return Unusable(transcript.name, NO_PHONEMES)
    if len(mel) > settings.max_frames or len(spoken) > settings.max_phonemes:
        return Unusable(transcript.name, TOO_LONG)
    return Utterance(transcript.name, transcript.text, spoken, mel)


def _digest(part: Sequence[Transcript], settings: SpeechSettings) -> str:
    """Return a digest of the settings of the features, of the texts, and of the files' sizes and times."""
    values = {name: value for name, value in asdict(settings).items() if name in FEATURE_SETTINGS}
    files = []
    for transcript in part:
        try:
            stat = transcript.wav.stat()
            state = [stat.st_size, stat.st_mtime_ns]
        except OSError:
            state = []
        files.append([str(transcript.wav.absolute()), transcript.text, state])
    return hashlib.sha256(json.dumps([VERSION, values, files]).encode()).hexdigest()[:32]


def _write(path: Path, items: Sequence[Utterance | Unusable]) -> None:
    from safetensors.torch import save

    mels = {str(i): item.mel for i, item in enumerate(items) if isinstance(item, Utterance)}
    about = [
        {"name": item.name, "text": item.text, "phonemes": item.phonemes}
        if isinstance(item, Utterance)
        else {"name": item.name, "reason": item.reason}
        for item in items
    ]
    write_file(path, save(mels, {"utterances": json.dumps(about)}))


def _read(path: Path) -> list[Utterance | Unusable] | None:
    """Return the features of a file, or None if the file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json(file.metadata()["utterances"])
            return [
                Unusable(item["name"], item["reason"])
                if "reason" in item
                else Utterance(item["name"], item["text"], list(item["phonemes"]), file.get_tensor(str(i)))
                for i, item in enumerate(about)
            ]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: is damaged and made again (%s)", path, error)
        return None


@dataclass(frozen=True)
class Symbols:
    """The phonemes of the training utterances. A network has an embedding for each.

    Attributes:
        names: Sorted phonemes. The symbol with index 0 pads sentences and has no name.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, spoken: Sequence[Utterance]) -> "Symbols":
        """Return the symbols of utterances."""
        return cls(tuple(sorted({p for utterance in spoken for p in utterance.phonemes})))

    def __len__(self) -> int:
        return len(self.names) + 1

    def encode(self, spoken: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return the indices of phonemes, and the phonemes that are unknown and left out."""
        known = {name: i for i, name in enumerate(self.names, start=1)}
        return [known[p] for p in spoken if p in known], [p for p in spoken if p not in known]

    def of_text(self, text: str, language: str, most: int) -> tuple[list[int], list[str]]:
        """Return the indices of a text's phonemes, and the phonemes that are unknown and left out.

        Args:
            text: Text to speak.
            language: Language of the phonemes.
            most: Largest number of phonemes.

        Raises:
            UserError: The text has no known phonemes or too many, or there is no espeak-ng.
        """
        known, unknown = self.encode(phonemes(text, language))
        if len(known) < 2:
            raise UserError(f"the text {text!r:.60} has no phonemes that the network knows")
        if len(known) > most:
            raise UserError(f"the text has {len(known)} phonemes: must be at most {most}; speak it in parts")
        return known, unknown
