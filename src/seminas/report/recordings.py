"""Speech of the best architectures on the page of a report: players of recordings, and pictures of alignments."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from seminas.report.runs import Run
from seminas.runs.recordings import Recording, read_recordings
from seminas.runs.speech_results import SpeechResult

MOST_BYTES = 1_500_000
"""Largest size of all recordings and pictures on a page. The rest of a page has up to about 3 MB."""
NUM_BEST = 3
"""Number of architectures of a section that speak."""


@dataclass(frozen=True)
class Speech:
    """Speech of an architecture.

    Attributes:
        title: Name of its run, its key and its value.
        recordings: What it says.
    """

    title: str
    recordings: Sequence[Recording]


def speech_of_searches(runs: Sequence[Run]) -> list[Speech]:
    """Return the speech of the best architectures of searches that wrote recordings, best first.

    Raises:
        UserError: A recording cannot be read.
    """
    found: dict[str, tuple[float, Speech]] = {}
    for run in runs:
        values = {record.key: record.final for record in run.records if record.final is not None}
        spoken: dict[str, list[Recording]] = {}
        for recording in read_recordings(run.folder.path):
            spoken.setdefault(recording.spoken.key, []).append(recording)
        for key, recordings in spoken.items():
            value = values.get(key)
            if value is None:
                continue
            score, text = run.metric.score(value), run.metric.text(value)
            title = f"{key} ({run.strategy}, seed {run.seed}): {run.metric.title} {text}"
            if key not in found or score > found[key][0]:
                found[key] = score, Speech(title, recordings)
    return [speech for _, speech in sorted(found.values(), key=lambda pair: -pair[0])[:NUM_BEST]]


def speech_of_trainings(results: Sequence[SpeechResult]) -> list[Speech]:
    """Return the speech of the best networks that were trained alone, best first.

    Raises:
        UserError: A recording cannot be read.
    """
    spoken = []
    for result in sorted(results, key=lambda r: -r.value):
        recordings = read_recordings(result.folder)
        title = f"{result.key} (trained alone, seed {result.seed}): val_{result.objective} {result.value:.4f}"
        if recordings:
            spoken.append(Speech(title, recordings))
    return spoken[:NUM_BEST]


class Room:
    """The bytes that are left for recordings on a page."""

    def __init__(self) -> None:
        self._left = MOST_BYTES

    def takes(self, recording: Recording) -> bool:
        """Return whether a recording still fits. If it does, it is counted."""
        size = sum(4 * -(-len(part) // 3) for part in (recording.audio, recording.alignment))
        fits = size <= self._left
        self._left -= size if fits else 0
        return fits


def speech_html(spoken: Sequence[Speech], room: Room) -> str:
    """Return players and pictures. Recordings that do not fit into the page are counted in a note.

    The best architectures come first, and each says its first sentence before one says its second.
    """
    shown: dict[tuple[int, int], str] = {}
    left_out = 0
    longest = max((len(speech.recordings) for speech in spoken), default=0)
    for j in range(longest):
        for i, speech in enumerate(spoken):
            if j >= len(speech.recordings):
                continue
            if room.takes(speech.recordings[j]):
                shown[i, j] = _player(speech.recordings[j])
            else:
                left_out += 1
    parts = []
    for i, speech in enumerate(spoken):
        players = "".join(text for (k, _), text in sorted(shown.items()) if k == i)
        if players:
            parts.append(f'<h3>{html.escape(speech.title)}</h3><div class="speech">{players}</div>')
    if left_out:
        parts.append(f'<p class="note">{left_out} more recordings are in the run folders.</p>')
    return "\n".join(parts)


def _player(recording: Recording) -> str:
    caption = html.escape(recording.spoken.caption)
    return (
        f'<figure><img alt="alignment of {caption}" src="{_uri("image/png", recording.alignment)}">'
        f'<audio controls preload="metadata" src="{_uri("audio/flac", recording.audio)}"></audio>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
