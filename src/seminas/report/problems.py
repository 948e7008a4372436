"""Names of problems, and what tells their settings apart. Only runs of the same problem are compared."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from seminas.config.build import TARGET
from seminas.config.check import flat, rule_at
from seminas.config.evaluators import LandscapeSettings
from seminas.config.schema import option_of
from seminas.errors import UserError
from seminas.report.objectives import objectives_of
from seminas.runs.metric import ACCURACY, metric_of
from seminas.runs.results import Result, SearchResult
from seminas.storage.values import Config


def problem_of(result: Result) -> str:
    """Return the name of a result's problem: its space with its table, its made-up landscape, its images or its speech.

    A search for another metric than the validation accuracy, or for several objectives, is another problem.

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
        parts.append(data_of(config) or str(config["names"]["evaluator"]))
    metric = metric_of(result.config)
    if metric != ACCURACY:
        parts.append(str(metric))
    objectives = objectives_of(result) if isinstance(result, SearchResult) else []
    if objectives:
        parts.append(f"objectives {' and '.join(objective.name for objective in objectives)}")
    return ", ".join(parts)


def data_of(config: Mapping[str, Any]) -> str:
    """Return the name of the images or of the corpus of a config, or an empty text."""
    data = config.get("data") or {}
    source = data.get("images") or data.get("speech") or {}
    return str(source.get(TARGET, "")).rpartition(".")[2]


VARIES_BY_STRATEGY = ("strategy.", "space.", "evaluator.", "search.pseudo_label_ratio")
"""Keys that normally differ between strategies. They distinguish settings only if they differ within one strategy."""


def telling(config: Config) -> dict[str, Any]:
    """Return the config values that can distinguish settings, by dotted key.

    Leave out the seed, and keys that change no result.
    """
    return {k: v for k, v in flat(config).items() if k != "seed" and not rule_at(config, k).may_change}


def keys_that_tell(configs: Sequence[Mapping[str, Any]], strategies: Sequence[str]) -> list[str]:
    """Return the keys that distinguish the settings of runs.

    Args:
        configs: Config of each run by dotted key, see ``telling``.
        strategies: Name of each run's strategy.
    """
    found = []
    for key in sorted({key for config in configs for key in config}):
        values = [json.dumps(config.get(key)) for config in configs]
        groups = [values]
        if key.startswith(VARIES_BY_STRATEGY):
            pairs = list(zip(values, strategies, strict=True))
            groups = [[v for v, strategy in pairs if strategy == name] for name in set(strategies)]
        if any(len(set(group)) > 1 for group in groups):
            found.append(key)
    return found


def with_one_key(section: str, configs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return configs with one key in place of those keys of a section that are equal where they exist.

    Runs with and without proxies or fidelities differ in the whole section, and one key tells them apart.
    """
    keys = {key for config in configs for key in config if key.startswith(f"{section}.")}
    equal = {
        k for k in keys if k.endswith(f".{TARGET}") or len({json.dumps(c[k]) for c in configs if k in c}) == 1
    }
    return [
        {k: v for k, v in c.items() if k not in equal}
        | ({section: _choice(section, keys, c)} if keys else {})
        for c in configs
    ]


def _choice(section: str, keys: Collection[str], config: Mapping[str, Any]) -> str:
    """Return the name of the option of a section that a config has chosen."""
    if not any(key in config for key in keys):
        return "none"
    target = config.get(f"{section}.{TARGET}")
    return "zero_cost" if target is None else option_of(section, target)
