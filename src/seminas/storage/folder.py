"""Base class of run folders and sweep folders. Only one process at a time works in such a folder."""

from pathlib import Path

from seminas.storage.lock import is_held


class Folder:
    """A folder with a lock.

    Attributes:
        path: Path of the folder. The folder may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def is_held(self) -> bool:
        """Return whether a process works in the folder. This takes no lock."""
        return is_held(self.path)
