"""Test that W&B gets the sound and the alignments of speech. The tests read W&B's offline files."""

from pathlib import Path
from typing import Any

import pytest
import soundfile

import seminas
from seminas.runs.recordings import FOLDER, read_recordings
from seminas.runs.wandb_file import item_values, read_records
from seminas.training.speech.data import SpeechData
from spoken import OVERRIDES, SMALL

TRAIN = [*OVERRIDES, f"architecture='{SMALL}'", "recipe.epochs=1"]
SEARCH = [
    *(o for o in OVERRIDES if not o.startswith("trainer")),
    *("evaluator=supernet", "strategy=random", "search.num_labeled=2", "search.num_rounds=0"),
    *("search.max_queries=2", "evaluator.first_steps=1", "evaluator.trainer.accelerator=cpu"),
]


@pytest.mark.parametrize(
    ("command", "overrides"), [("train", TRAIN), pytest.param("search", SEARCH, marks=pytest.mark.long)]
)
def test_each_recording_is_logged_with_its_sound_its_alignment_and_its_text(
    command: str, overrides: list[str], corpus: SpeechData, tmp_path: Path
) -> None:
    getattr(seminas, command)([*overrides, "logger=[csv,wandb]"], folder=tmp_path / "run", quiet=True)
    recordings = read_recordings(tmp_path / "run")
    assert len(recordings) == {"train": 2, "search": 4}[command]
    (file,) = (tmp_path / "run").glob("wandb/offline-run-*/run-*.wandb")
    rows: list[dict[str, Any]] = [
        item_values(r.history.item) for r in read_records(file) if r.WhichOneof("record_type") == "history"
    ]
    (row,) = [row for row in rows if "recordings/audio-0/path" in row]
    for i, recording in enumerate(recordings):
        sound = file.parent / "files" / row[f"recordings/audio-{i}/path"]
        assert sound.read_bytes() == recording.audio
        assert soundfile.info(sound).samplerate == 22_050
        picture = file.parent / "files" / row[f"recordings/alignment-{i}/path"]
        assert picture.read_bytes()[1:4] == b"PNG"
        assert recording.spoken.text in row[f"recordings/audio-{i}/caption"]
        assert recording.spoken.key in row[f"recordings/alignment-{i}/caption"]
    assert (tmp_path / "run" / FOLDER).is_dir()
