"""Test trainings with pictures that cannot be read."""

from pathlib import Path

from pictures import write_pictures
from typer.testing import CliRunner

from learning import train_in, training_job
from seminas.commands.main import app


def test_broken_pictures_are_skipped_and_counted(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures", 20, 5)
    cut = sorted((root / "train" / "circle").iterdir())[2]
    cut.write_bytes(cut.read_bytes()[:300])
    for file in sorted((root / "train" / "square").iterdir())[:3]:
        file.write_text("no picture")
    images = {"num_validation": 8, "num_calibration": 0, "split_seed": 1}
    result = train_in(training_job(root, tmp_path / "run", images=images))
    assert 1 <= result.skipped_images <= 4
    done = CliRunner().invoke(app, ["data", "info", str(root)])
    assert "4 files cannot be read" in done.output and str(cut) in done.output
    assert done.exit_code == 1
