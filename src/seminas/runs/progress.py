"""Describe the progress of a run in a few lines for people."""

from datetime import timedelta

from seminas.runs.folder import RunFolder
from seminas.runs.metric import ACCURACY, metric_of
from seminas.runs.records import HISTORY
from seminas.runs.repeats import num_repeats
from seminas.runs.results import PredictorResult, SearchResult, SupernetResult, TrainingResult
from seminas.runs.speech_results import SpeechResult, SpeechSupernetResult


def progress_of(folder: RunFolder) -> dict[str, str]:
    """Return texts about a run by their title, such as its evaluations, its best value and the time left.

    Raises:
        UserError: A file of the run cannot be read.
    """
    lines: dict[str, str] = {}
    result = folder.result()
    if isinstance(result, TrainingResult | SupernetResult | PredictorResult):
        names = ("val_accuracy", "test_accuracy", "mean_val_accuracy", "kendall_tau")
        values = {name: getattr(result, name, None) for name in names}
        lines |= {name: f"{value:.4f}" for name, value in values.items() if value is not None}
    if isinstance(result, SpeechResult):
        lines |= {f"val_{name}": f"{value:.4f}" for name, value in result.val.items()}
    if isinstance(result, SpeechSupernetResult):
        lines |= {f"mean_{name}": f"{value:.4f}" for name, value in result.mean.items()}
    if folder.has_history():
        lines |= _search_progress(folder)
    if isinstance(result, SearchResult) and result.test_value is not None:
        lines["test"] = result.metric.text(result.test_value)
    file = folder.traceback_file()
    if file is not None:
        lines["tracebacks"] = str(file)
    return lines


def _search_progress(folder: RunFolder) -> dict[str, str]:
    records, plan = folder.history(), folder.plan()
    metric = metric_of(folder.config() or {}, folder)
    total = sum(plan) if plan else None
    failures = sum(record.value is None for record in records)
    failed = f", {failures} failed" if failures else ""
    lines = {"evaluations": f"{len(records)}{'' if total is None else f' of {total}'}{failed}"}
    values = [(r.final, r.key) for r in records if r.final is not None]
    known = [record.feasible for record in records if record.feasible is not None]
    if known:
        lines["feasible"] = f"{sum(known)} of {len(known)}"
    if values:
        best, key = max(values, key=lambda pair: metric.score(pair[0]))
        name = "" if metric == ACCURACY else f"{metric.name} "
        lines["best"] = f"{name}{metric.text(best)} ({key})"
    if repeats := num_repeats(folder.path):
        lines["repeats"] = f"{repeats} of {(folder.config() or {})['search']['repeats']}"
    left = _seconds_left(folder, len(records), total)
    if left is not None:
        lines["left"] = f"about {timedelta(seconds=round(left))}"
    return lines


def _seconds_left(folder: RunFolder, done: int, total: int | None) -> float | None:
    """Return the estimated time left in seconds, or None if it is unknown.

    The estimate uses the pace of the last attempt. If the last attempt has no evaluation yet, it uses the pace of all
    earlier attempts.
    """
    if total is None or not 0 < done < total:
        return None
    attempts = folder.attempts()
    if not attempts:
        return None
    *earlier, last = attempts
    until = (folder.path / HISTORY).stat().st_mtime
    if done > last.evaluations:
        pace = last.seconds(max(until, last.started)) / (done - last.evaluations)
    else:
        pace = sum(attempt.seconds(until) for attempt in earlier) / done
    return pace * (total - done)
