"""Test how a rank leaves the group of ranks."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import atexit, sys
import torch.distributed as group

atexit.register(lambda: print("in a group:", group.is_initialized()))  # Handlers run in the reverse order.
from seminas.training.devices import leave_group_at_exit

leave_group_at_exit()
group.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=0, world_size=1)
print("in a group:", group.is_initialized())
"""


def test_a_rank_leaves_its_group_before_the_interpreter_ends(tmp_path: Path) -> None:
    """Check a Gloo group. Its threads abort a process whose interpreter ends first."""
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "store")]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["in a group: True", "in a group: False"]
