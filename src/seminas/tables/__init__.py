"""Tables of evaluated architectures, for example from benchmarks."""

from pathlib import Path


def find_table(path: str) -> Path:
    """Return the file of a packed table. ``path`` is a path or the name of a table in the package, e.g. ``digits101``."""
    packaged = Path(__file__).parent / f"{path}.npz"
    return packaged if "/" not in path and packaged.exists() else Path(path).expanduser()
