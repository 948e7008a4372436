"""Checkpoints of shorter trainings in a run folder, from which longer trainings of the same architectures go on."""

import contextlib
import hashlib
from pathlib import Path

KEPT = "kept"
"""Folder of these checkpoints, in the folder of the trainings."""


class KeptCheckpoints:
    """The checkpoints of shorter trainings. Each architecture has a folder, with a file for a number of epochs.

    Any process may write them. The process of the search removes them.
    """

    def __init__(self, trainings: Path) -> None:
        """Use the folder of the trainings. The folder of the checkpoints may not exist yet."""
        self._folder = trainings / KEPT

    def path(self, key: str, epochs: int) -> Path:
        """Return the checkpoint of an architecture after a number of epochs. The file may not exist."""
        return self._of(key) / f"{epochs}.ckpt"

    def newest(self, key: str, at_most: int) -> int:
        """Return the largest number of epochs with a checkpoint, at most ``at_most``. 0 means no checkpoint."""
        return max((epochs for epochs in self._epochs(key) if epochs <= at_most), default=0)

    def remove(self, key: str, below: int | None = None) -> None:
        """Remove the checkpoints of an architecture, or those of fewer epochs than ``below``."""
        for epochs in self._epochs(key):
            if below is None or epochs < below:
                with contextlib.suppress(OSError):  # Without the right to remove it, a search still goes on.
                    self.path(key, epochs).unlink()
        with contextlib.suppress(OSError):  # It may have a newer checkpoint, or may not exist.
            self._of(key).rmdir()

    def size(self, key: str) -> int:
        """Return the size of the checkpoints of an architecture in bytes."""
        size = 0
        for epochs in self._epochs(key):
            with contextlib.suppress(OSError):
                size += self.path(key, epochs).stat().st_size
        return size

    def _of(self, key: str) -> Path:
        """Return the folder of an architecture. A key may have any characters and any length."""
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _epochs(self, key: str) -> list[int]:
        return [int(file.stem) for file in self._of(key).glob("*.ckpt") if file.stem.isdecimal()]
