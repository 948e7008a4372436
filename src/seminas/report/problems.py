"""Names of problems. Only runs of the same problem are compared."""

from pathlib import Path
from typing import Any

from seminas.config.build import TARGET
from seminas.config.evaluators import LandscapeSettings
from seminas.errors import UserError
from seminas.runs.metric import ACCURACY, metric_of
from seminas.runs.results import Result


def problem_of(result: Result) -> str:
    """Return the name of a result's problem: its space with its table, its made-up landscape, its images or its speech.

    A search for another metric than the validation accuracy is another problem.

    Raises:
        UserError: The result's config names no evaluator.
    """
    evaluator = result.config.get("evaluator")
    if not isinstance(evaluator, dict):
        raise UserError(f"a result of {result.space}: its config names no evaluator")
    parts = [result.space]
    if "path" in evaluator:
        parts.append(Path(str(evaluator["path"])).stem)
        parts += [f"{role} {evaluator[role]}" for role in ("val", "test") if evaluator.get(role)]
        if evaluator.get("repeat", "random") != "random":
            parts.append(f"repeat {evaluator['repeat']}")
    elif evaluator.get(TARGET) == LandscapeSettings._target_:
        seed = evaluator.get("seed")
        parts.append("a landscape for each seed" if seed is None else f"landscape {seed}")
        parts.append(f"noise {evaluator.get('noise')}")
    else:
        config: Any = result.config
        data = config.get("data") or {}
        source = data.get("images") or data.get("speech") or {}
        target = str(source.get("_target_", "")).rpartition(".")[2]
        parts.append(target or str(config["names"]["evaluator"]))
    metric = metric_of(result.config)
    return ", ".join([*parts, *([] if metric == ACCURACY else [str(metric)])])
