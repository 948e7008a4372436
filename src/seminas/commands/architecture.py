"""Read the architecture that a user gives as text, as a file, or as a run folder."""

from pathlib import Path
from typing import Any

from seminas.errors import UserError, first_line
from seminas.runs.folder import RunFolder
from seminas.runs.results import SearchResult, TrainingResult
from seminas.runs.speech_results import SpeechResult
from seminas.spaces.base import SearchSpace
from seminas.storage.files import parse_json


def read_architecture(text: str, space: SearchSpace) -> Any:
    """Return the architecture that a text describes.

    Args:
        text: The architecture itself, the path of a file with it, or a run folder.
        space: Search space of the architecture.

    Raises:
        UserError: The folder has no architecture, or the file cannot be read.
        ValueError: The text describes no architecture of this space.
    """
    path = Path(text)
    if exists(path):
        if path.is_dir():
            return space.from_json(architecture_of(RunFolder(path)))
        try:
            text = path.read_text()
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: is no file of an architecture ({first_line(error)})") from error
    if text.lstrip().startswith("{"):
        value = parse_json(text)
        return space.from_json(value.get("architecture", value))
    return space.parse(text)


def exists(path: Path) -> bool:
    """Return whether there is such a file or folder; what cannot be a path, as JSON that is too long, is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def architecture_of(folder: RunFolder) -> Any:
    """Return the best architecture of a search, or the architecture of a training, as JSON.

    Raises:
        UserError: The folder has no result of a search or training.
    """
    result = folder.result()
    if isinstance(result, SearchResult):
        if result.best_key is None:
            raise UserError(f"{folder}: has no architecture within search.constraints")
        return result.best_architecture
    if isinstance(result, TrainingResult | SpeechResult):
        return result.architecture
    kind = "has no result yet" if result is None else f"is a run of {result.KIND}, without one architecture"
    raise UserError(f"{folder}: {kind}")
