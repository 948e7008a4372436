"""Speech of a run's networks for people: recordings with pictures of alignments, in the folder ``recordings/``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seminas.errors import UserError
from seminas.runs.loggers import LogsFigures, LogsRows
from seminas.storage.files import write_file, write_json
from seminas.storage.typed import read_typed
from seminas.storage.values import Json

FOLDER, INDEX = "recordings", "recordings.json"


@dataclass(frozen=True)
class Spoken:
    """A text that a network speaks.

    Attributes:
        key: Key of the network's architecture.
        architecture: Architecture in the JSON form of its space.
        text: The text.
        rates: Measures of the attention by name, fractions.
        seconds: Duration of the recording.
        stopped: Whether the network itself ended the speech.
    """

    key: str
    architecture: Json
    text: str
    rates: dict[str, float]
    seconds: float
    stopped: bool

    @property
    def caption(self) -> str:
        """The text and its measures in one line."""
        rates = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.rates.items()]
        end = [] if self.stopped else ["cut off, because the network did not end the speech"]
        return ", ".join([f'"{self.text}"', f"{self.seconds:.1f} s", *rates, *end])


@dataclass(frozen=True)
class Recording:
    """A spoken text as sound and as picture.

    Attributes:
        spoken: The text and its network.
        audio: FLAC file, mono.
        alignment: PNG file of the attention over the phonemes.
    """

    spoken: Spoken
    audio: bytes
    alignment: bytes


def write_recordings(run: Path, recordings: Sequence[Recording]) -> None:
    """Write recordings into a run folder, in place of earlier ones.

    The index is removed first and written last. So a reader finds all files that it names.

    Raises:
        UserError: A file cannot be written.
    """
    (run / FOLDER / INDEX).unlink(missing_ok=True)
    for i, recording in enumerate(recordings):
        write_file(_audio(run, i), recording.audio)
        write_file(_alignment(run, i), recording.alignment)
    write_json(run / FOLDER / INDEX, [asdict(recording.spoken) for recording in recordings], indent=2)


def read_recordings(run: Path) -> list[Recording]:
    """Return the recordings in a run folder. There may be none.

    Raises:
        UserError: A file cannot be read, or is none of a recording.
    """
    return [
        Recording(spoken, _read(_audio(run, i), b"fLaC"), _read(_alignment(run, i), b"\x89PNG"))
        for i, spoken in enumerate(_index(run))
    ]


def log_recordings(loggers: Sequence[Any], run: Path, step: int) -> None:
    """Pass the recordings of a run folder on to its loggers. W&B gets sound and pictures, others get pictures.

    Args:
        loggers: Lightning's loggers.
        run: Run folder.
        step: Step of the pictures.

    Raises:
        UserError: The index of the recordings cannot be read.
    """
    index = _index(run)
    if not index:
        return
    for logger in loggers:
        if isinstance(logger, LogsRows):
            logger.log_row(_wandb_row(run, index))
        elif isinstance(logger, LogsFigures):
            logger.log_figures([_alignment(run, i) for i in range(len(index))], step)


def _wandb_row(run: Path, index: Sequence[Spoken]) -> dict[str, Any]:
    """Return a row of W&B's history: sound and alignment of each recording, with a caption."""
    import wandb

    row: dict[str, Any] = {}
    for i, spoken in enumerate(index):
        caption = f"{spoken.key}: {spoken.caption}"
        row[f"recordings/audio-{i}"] = wandb.Audio(str(_audio(run, i)), caption=caption)
        row[f"recordings/alignment-{i}"] = wandb.Image(str(_alignment(run, i)), caption=caption)
    return row


def _index(run: Path) -> list[Spoken]:
    return read_typed(run / FOLDER / INDEX, list[Spoken], "list of recordings") or []


def _audio(run: Path, number: int) -> Path:
    return run / FOLDER / f"audio-{number}.flac"


def _alignment(run: Path, number: int) -> Path:
    return run / FOLDER / f"alignment-{number}.png"


def _read(path: Path, begin: bytes) -> bytes:
    """Return the bytes of a file of a recording.

    Raises:
        UserError: The file cannot be read, or does not begin as its format does.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.startswith(begin):
        raise UserError(f"{path}: is no file of a recording")
    return data
