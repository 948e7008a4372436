"""The sources of a search as its run folder records them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seminas.errors import UserError
from seminas.storage.files import as_json, parse_json, write_json

SOURCES_FILE = "sources.json"


@dataclass(frozen=True)
class Source:
    """Results of another task.

    Attributes:
        name: Source as the user named it, with the name of the run if it is a sweep.
        architectures: Distinct architectures in the JSON form of the space of the search.
        scores: Score of each architecture on the other task. Higher scores are better.
    """

    name: str
    architectures: list[Any]
    scores: list[float]

    @property
    def fingerprint(self) -> str:
        """SHA-256 digest of the architectures and their scores."""
        return hashlib.sha256(as_json([self.architectures, self.scores])).hexdigest()


def write_sources(folder: Path, sources: Sequence[Source]) -> None:
    """Write the sources of a search into its run folder, if it has any and they are not there.

    Raises:
        UserError: The file cannot be written.
    """
    path = folder / SOURCES_FILE
    if sources and not path.exists():
        write_json(
            path,
            [
                {
                    "name": source.name,
                    "fingerprint": source.fingerprint,
                    "architectures": source.architectures,
                    "scores": source.scores,
                }
                for source in sources
            ],
        )


def recorded_sources(folder: Path) -> list[Source] | None:
    """Return the sources that a run folder records, or None if it records none.

    Raises:
        UserError: The file cannot be read, or its content does not match its fingerprints.
    """
    path = folder / SOURCES_FILE
    try:
        content = parse_json(path.read_bytes())
        sources = [
            Source(str(item["name"]), list(item["architectures"]), [float(score) for score in item["scores"]])
            for item in content
        ]
        intact = all(
            source.fingerprint == item["fingerprint"] and len(source.architectures) == len(source.scores)
            for source, item in zip(sources, content, strict=True)
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read; choose another hydra.run.dir") from error
    if not intact:
        raise UserError(f"{path}: does not match its fingerprints; choose another hydra.run.dir")
    return sources
