"""Searches in a portable arithmetic, so that their last digits do not depend on the kind of x86 processor."""

import os
import re
import subprocess
from pathlib import Path

from support import BIN

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OMP_NUM_THREADS": "1",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""Environment in which libraries use the instructions of a Haswell at most, so that all later processors agree.

Without it PyTorch, MKL, oneDNN, OpenBLAS and NumPy each choose other instructions on another processor.
"""


def search(*overrides: str, folder: Path) -> None:
    """Run a search in a process with the portable arithmetic."""
    command = [str(BIN / "seminas-search"), *overrides, f"hydra.run.dir={folder}"]
    environment = {**os.environ, **PORTABLE}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def history_of(folder: Path) -> bytes:
    """Return the history of a run folder without origins, which version 0.1 did not record."""
    return re.sub(rb', "origin": "\w+"', b"", (folder / "history.jsonl").read_bytes())
