"""Trainings that are told to end."""

import os
import re
import signal
from pathlib import Path

import pytest
import torch
from pictures import write_pictures

from learning import images_config
from support import background, command, wait_for

SPACE = ["space.image=[3,32,32]", "space.num_classes=4", "space.factor=0.25", "space.stem_stride=1"]


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.long)])
def test_sigterm_writes_a_checkpoint(tmp_path: Path, ranks: int) -> None:
    root = write_pictures(tmp_path / "pictures")
    images = [f"data.images.{k}={v}" for k, v in images_config(root).items() if k != "_target_"]
    arguments = ["data=imagefolder", *images, *SPACE, "trainer.accelerator=cpu", "trainer.max_epochs=200"]
    arguments.append(f"trainer.devices={ranks}")
    running = background("seminas-train", *arguments, "hydra.run.dir=run", cwd=tmp_path)
    wait_for((tmp_path / "run" / "metrics.csv").exists, running)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(60) == 128 + signal.SIGTERM
    logs = [log.read_text() for log in (tmp_path / "run").glob("logs/rank*.log")]
    assert len(logs) == (ranks if ranks > 1 else 0)
    assert not any(Path(f"/proc/{re.findall('process ([0-9]+)', log)[0]}").exists() for log in logs)
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] > 0
    # The same command goes on from there; fewer epochs would be another run.
    refused = command("seminas-train", *arguments, "trainer.max_epochs=3", "hydra.run.dir=run", cwd=tmp_path)
    assert refused.returncode == 2
    assert "trainer.max_epochs=3: must be at least 200, the value that" in refused.stderr
