"""Benchmarks: tables of evaluated architectures."""

from pathlib import Path


def find_table(path: str) -> Path:
    """Return the packed file of a path, or of a table that comes with the package, such as ``digits101``."""
    packaged = Path(__file__).parent / f"{path}.npz"
    return packaged if "/" not in path and packaged.exists() else Path(path).expanduser()
