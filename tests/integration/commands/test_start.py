"""Test the start of commands."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "pandas", "ray"}


@pytest.mark.parametrize("module", ["main", "search", "train", "supernet", "predictor"])
def test_no_command_imports_pytorch_before_it_needs_it(module: str) -> None:
    program = f"import sys, seminas.commands.{module}; print({HEAVY}.intersection(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
