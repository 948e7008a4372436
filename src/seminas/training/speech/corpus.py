"""Corpora in the layout of LJSpeech: reading of their transcripts, and making of one that espeak-ng speaks."""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from seminas.config.speech import EspeakSettings
from seminas.errors import UserError, first_line
from seminas.storage.files import as_json, cache_dir, write_file
from seminas.training.speech import speaking
from seminas.training.speech.espeak import check_voice
from seminas.training.speech.features import audio_libraries
from seminas.training.speech.sentences import NUM_SENTENCES, sentences, speaker

METADATA, WAVS = "metadata.csv", "wavs"
MADE_OF = "made_of.json"
"""File with the settings of a corpus that espeak-ng spoke."""


@dataclass(frozen=True)
class Transcript:
    """A line of a corpus.

    Attributes:
        name: Name of the recording without its ending.
        text: Text that is spoken. It may be empty.
        wav: Path of the recording. It may be missing.
    """

    name: str
    text: str
    wav: Path


def read_transcripts(root: Path) -> list[Transcript]:
    """Return the lines of a corpus in the layout of LJSpeech, in the order of the file.

    Raises:
        UserError: The folder has no readable ``metadata.csv``, or the file has a line that is none of a corpus.
    """
    path = root / METADATA
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UserError(f"data.speech.root={root}: {METADATA} cannot be read ({reason})") from error
    transcripts: dict[str, Transcript] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *texts = line.split("|")
        # A name is one part of a path, so that a corpus cannot name files outside its folder.
        if not texts or not name.strip() or Path(name).name != name or name in ("..", "."):
            raise UserError(f"{path}: line {number} must be ID|text or ID|text|normalized text")
        if name in transcripts:
            raise UserError(f"{path}: line {number}: {name} is there twice")
        text = (texts[1] if len(texts) > 1 and texts[1].strip() else texts[0]).strip()
        transcripts[name] = Transcript(name, text, root / WAVS / f"{name}.wav")
    if not transcripts:
        raise UserError(f"{path}: has no utterance")
    return list(transcripts.values())


def make_corpus(settings: EspeakSettings) -> Path:
    """Return the folder of the corpus of some settings. Make it if it is not there.

    The corpus is made in a folder of its own and renamed, so that it is whole or absent.

    Raises:
        UserError: There is no espeak-ng or no such voice, the vocabulary has too few sentences, or the folder holds
            something else.
    """
    number = (settings.num_train or 0) + settings.num_val + settings.num_test
    if number > NUM_SENTENCES:
        raise UserError(
            f"data.speech.num_train={settings.num_train}: there are {NUM_SENTENCES} sentences, "
            f"{number} with validation and test"
        )
    for voice in settings.voices:
        check_voice(voice, "data.speech.voices")
    made_of = {
        "number": number,
        "voices": list(settings.voices),
        "speeds": list(settings.speeds),
        "seed": settings.corpus_seed,
    }
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    root = Path(settings.root).expanduser() if settings.root else cache_dir() / "speech" / f"espeak-{digest}"
    if root.exists():
        if (root / MADE_OF).is_file() and (root / MADE_OF).read_bytes() == as_json(made_of):
            return root
        raise UserError(f"data.speech.root={root}: holds something else than this corpus; choose another")
    temporary = root.with_name(f".{root.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        _speak_all(temporary, settings, sentences(number, settings.corpus_seed))
        write_file(temporary / MADE_OF, as_json(made_of))
        try:
            temporary.rename(root)
        except OSError:
            if not (root / MADE_OF).is_file():  # Another process may have made it meanwhile.
                raise
    except OSError as error:
        raise UserError(f"data.speech.root={root}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return root


def _speak_all(folder: Path, settings: EspeakSettings, texts: list[str]) -> None:
    """Speak texts in a process of their own, see ``speaking``, and write their transcripts."""
    audio_libraries()
    (folder / WAVS).mkdir(parents=True)
    lines, sentences_to_speak = [], []
    for number, text in enumerate(texts):
        voice, speed = speaker(text, len(settings.voices), len(settings.speeds))
        name = f"S{number:05d}"
        path = folder / WAVS / f"{name}.wav"
        sentences_to_speak.append([str(path), text, settings.voices[voice], settings.speeds[speed]])
        lines.append(f"{name}|{text}|{text}\n")
    command = [sys.executable, "-m", speaking.__name__]
    ended = subprocess.run(command, input=json.dumps(sentences_to_speak), capture_output=True, text=True)
    if ended.returncode:
        reason = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise UserError(f"the corpus cannot be spoken: {reason}")
    write_file(folder / METADATA, "".join(lines).encode())
