"""Test the recordings of a report: they play in a browser, and their number is bounded."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reported import write_run
from seminas.errors import UserError
from seminas.report import page, recordings
from seminas.report.runs import read_runs
from seminas.runs.recordings import FOLDER, INDEX, Recording, Spoken, read_recordings, write_recordings
from seminas.runs.records import read_history
from seminas.training.speech.pictures import draw_alignment

soundfile = pytest.importorskip("soundfile", reason="pip install 'seminas[speech]'")
MARKUP = "<b>bed</b>"
SECONDS = 1.5


def recording(key: str, text: str, seconds: float = SECONDS) -> Recording:
    """Return a tone with a diagonal alignment."""
    audio, image = io.BytesIO(), io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, int(22_050 * seconds)).astype(np.float32)
    soundfile.write(audio, noise, 22_050, "PCM_16", format="FLAC")
    draw_alignment(np.eye(40, dtype=np.float32), ["a"] * 40).savefig(image, format="png", dpi=80)
    spoken = Spoken(key, {}, text, {"diagonal_focus_rate": 0.9}, seconds, False)
    return Recording(spoken, audio.getvalue(), image.getvalue())


def study(folder: Path, texts: Sequence[str], seconds: float = SECONDS) -> list[list[str]]:
    """Write two searches with recordings of their two best architectures. Return these architectures' keys."""
    keys = []
    for seed in range(2):
        run = folder / f"run{seed}"
        write_run(run, "seminas", seed)
        best = sorted(read_history(run), key=lambda r: -(r.value or 0))[:2]
        keys.append([r.key for r in best])
        write_recordings(run, [recording(r.key, text, seconds) for r in best for text in texts])
    return keys


def test_a_recording_plays_from_a_file_without_a_network(browser: Any, tmp_path: Path) -> None:
    keys = study(tmp_path, [MARKUP, "two"])
    report = page.write_report(read_runs([tmp_path]), tmp_path / "report")
    assert report.stat().st_size < 5_000_000
    context = browser.new_context(offline=True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("request", lambda r: problems.append(r.url) if r.url.startswith("http") else None)
    tab.goto(report.as_uri())
    tab.wait_for_selector("html[data-ready]", timeout=60_000)
    players, pictures = tab.locator(".speech audio"), tab.locator(".speech img")
    assert players.count() == pictures.count() == 3 * 2
    titles = tab.locator("h3:has(+ .speech)").all_text_contents()
    values = [float(re.findall(r"[\d.]+$", title)[0]) for title in titles]
    assert len(values) == 3 and values == sorted(values, reverse=True)
    assert titles[0].split()[0] in [k[0] for k in keys]
    for i in range(players.count()):
        player = players.nth(i)
        played = player.evaluate(
            """async (audio) => {
                audio.muted = true;
                await audio.play();
                await new Promise((done) => { audio.ontimeupdate = () => { if (audio.currentTime > 0) done(); }; });
                audio.pause();
                return [audio.duration, audio.currentTime];
            }"""
        )
        assert played[0] == pytest.approx(SECONDS, abs=0.01)
        assert played[1] > 0
        assert pictures.nth(i).evaluate("image => image.naturalWidth") > 200
    captions = tab.locator(".speech figcaption").all_text_contents()
    assert MARKUP in captions[0] and "diagonal focus rate 0.900" in captions[0] and "cut off" in captions[0]
    assert problems == []
    context.close()


def test_a_page_keeps_its_size_with_long_recordings(tmp_path: Path) -> None:
    study(tmp_path, ["one", "two"], seconds=15.0)
    text = page.write_report(read_runs([tmp_path]), tmp_path / "report").read_text()
    shown = re.findall(r'src="data:(audio/flac|image/png);base64,([^"]+)"></audio>', text)
    assert 0 < sum(len(data) for _, data in shown) <= recordings.MOST_BYTES
    number = int(re.findall(r"(\d+) more recordings are in the run folders", text)[0])
    assert number == 3 * 2 - len(shown) > 0
    # Each architecture says its first sentence before one says its second.
    assert text.count("&quot;one&quot;") >= text.count("&quot;two&quot;")


def test_recordings_are_replaced_and_damaged_ones_are_refused_in_one_line(tmp_path: Path) -> None:
    write_recordings(tmp_path, [recording("a", "one"), recording("a", "two")])
    write_recordings(tmp_path, [recording("b", "three")])
    (found,) = read_recordings(tmp_path)
    assert found == recording("b", "three")
    assert soundfile.read(io.BytesIO(found.audio))[1] == 22_050
    assert read_recordings(tmp_path / "none") == []
    (tmp_path / FOLDER / "audio-0.flac").write_bytes(b"<script>")
    with pytest.raises(UserError, match="audio-0.flac: is no file of a recording"):
        read_recordings(tmp_path)
    (tmp_path / FOLDER / "audio-0.flac").unlink()
    with pytest.raises(UserError, match="audio-0.flac: cannot be read"):
        read_recordings(tmp_path)
    for wrong in ("[", json.dumps([{"key": 3}]), "{}"):
        (tmp_path / FOLDER / INDEX).write_text(wrong)
        with pytest.raises(UserError, match="is no list of recordings") as error:
            read_recordings(tmp_path)
        assert "\n" not in str(error.value)


def test_a_page_without_recordings_has_no_players(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "random", 0)
    text = page.write_report(read_runs([tmp_path]), tmp_path / "report").read_text()
    assert "<audio" not in text and 'class="speech"' not in text
