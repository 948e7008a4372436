"""Make the report's section on text-to-speech networks that were trained alone, by ``seminas-train``."""

from collections.abc import Sequence

from seminas.report.problems import data_of
from seminas.report.recordings import speech_of_trainings
from seminas.report.section import Section
from seminas.runs.speech_results import SpeechResult


def problem_of_training(result: SpeechResult) -> str:
    """Return the name of the problem of a training: its space, its corpus and its objective."""
    return f"{result.space}, {data_of(result.config)}, {result.objective}, trained alone"


def training_section(problem: str, results: Sequence[SpeechResult], *, figures: bool = True) -> Section:
    """Return the section for the trainings of one problem, best first.

    Args:
        problem: Title of the section.
        results: Results of the trainings.
        figures: Whether to read the recordings.

    Raises:
        UserError: A recording cannot be read.
    """
    ordered = sorted(results, key=lambda r: (-r.value, r.key, r.seed))
    names = [f"{split} {name}" for split in ("val", "test") for name in ordered[0].val]
    header = ("architecture", "seed", "steps", "parameters", *(name.replace("_", " ") for name in names))
    columns = ("architecture", "seed", "steps", "parameters", *(name.replace(" ", "_") for name in names))
    rows = [
        [
            r.key,
            r.seed,
            r.steps,
            r.parameters,
            *(values.get(name) for values in (r.val, r.test) for name in ordered[0].val),
        ]
        for r in ordered
    ]
    texts = [
        ["–" if cell is None else f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in rows
    ]
    notes = ["Measures of the weights that are kept. The objective on validation sentences chose them."]
    speech = speech_of_trainings(ordered) if figures else []
    return Section(problem, header, texts, columns, rows, notes=notes, speech=speech)
