"""The description of a trained text-to-speech network, in ``network.json`` beside its weights."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from seminas.errors import UserError, first_line
from seminas.storage.files import parse_json, write_json
from seminas.storage.typed import typed

FILE, WEIGHTS = "network.json", "network.safetensors"


@dataclass(frozen=True)
class Description:
    """All that speaking with a network needs, its costs and its measures.

    Attributes:
        space: Name of the space.
        architecture: Architecture in the JSON form of its space.
        key: Key of the architecture.
        parameters: Number of trainable parameters, with the embedding of phonemes.
        macs: Number of multiply-adds for a sentence of the mean length.
        space_config: Section ``space`` of the config.
        networks: ``recipe.networks`` of the config.
        symbols: Phonemes that the network knows.
        speech: Section ``data.speech`` of the config.
        frames_per_phoneme: Most frames per phoneme of a training utterance.
        val, test: Measures on validation and test utterances by name.
    """

    space: str
    architecture: Any
    key: str
    parameters: int
    macs: int
    space_config: dict[str, Any]
    networks: dict[str, Any]
    symbols: list[str]
    speech: dict[str, Any]
    frames_per_phoneme: float
    val: dict[str, float]
    test: dict[str, float]

    def write(self, folder: Path) -> None:
        """Write the description into a run folder.

        Raises:
            UserError: The file cannot be written.
        """
        write_json(folder / FILE, asdict(self), indent=2)

    @classmethod
    def read(cls, folder: Path) -> "Description":
        """Return the description in a run folder. Unknown fields are left out.

        Raises:
            UserError: The folder has no description of a text-to-speech network.
        """
        path = folder / FILE
        try:
            values = parse_json(path.read_bytes())
            known = {f.name for f in fields(cls)}
            found: Description = typed({k: v for k, v in values.items() if k in known}, cls)
        except FileNotFoundError as error:
            raise UserError(
                f"{folder}: has no trained network; it needs a finished run of seminas-train"
            ) from error
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{path}: describes no text-to-speech network ({first_line(error)})") from error
        return found
