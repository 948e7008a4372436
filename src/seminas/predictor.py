"""How well a model ranks architectures, from N labels and M pseudo-labels; ``seminas-predictor``."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from seminas.app import (
    CONFIG_DIR,
    build,
    build_loggers,
    claim,
    closing_loggers,
    lock,
    read_result,
    run_job,
    settings,
    side_by_side,
    start,
    write_result,
)
from seminas.errors import UserError, config_error
from seminas.spaces.base import A, EnumerableSpace
from seminas.sweep import register_resolvers

if TYPE_CHECKING:
    from seminas.evaluators.table import TableEvaluator
    from seminas.regressors import Regressor


@dataclass
class PredictorSettings:
    """The ``predictor`` section of the config.

    Attributes:
        num_labeled: N, labeled architectures; those left over are ranked.
        pseudo_label_ratio: M / N.
        unlabeled: ``space`` or ``table``, where these are drawn from.
        top_k: The K of top-K regret and precision.
    """

    num_labeled: int = 100
    pseudo_label_ratio: float = 80.0
    unlabeled: str = "space"
    top_k: list[int] = field(default_factory=lambda: [1, 10, 100])


def ranking_quality(
    predictions: NDArray[np.float64], accuracies: NDArray[np.float64], top_k: list[int]
) -> dict[str, float]:
    """Return Kendall's τ, Spearman's ρ, and top-K regrets and precisions.

    Args:
        predictions: ``[n]``.
        accuracies: Fractions, ``[n]``.
        top_k: ``top_K_regret`` is the best accuracy less the best among the K predicted best, ``top_K_precision``
            the fraction of these whose accuracy is at least the K-th best.
    """
    from scipy.stats import kendalltau, spearmanr

    quality = {
        "kendall_tau": float(kendalltau(predictions, accuracies).statistic),
        "spearman_rho": float(spearmanr(predictions, accuracies).statistic),
    }
    order = np.argsort(-predictions, kind="stable")
    for k in top_k:
        chosen = accuracies[order[:k]]
        quality[f"top_{k}_regret"] = float(accuracies.max() - chosen.max())
        kth_best = np.sort(accuracies)[-min(k, len(accuracies))]
        quality[f"top_{k}_precision"] = float((chosen >= kth_best).mean())
    return quality


def run(config: DictConfig, folder: Path) -> float:
    """Fit a model and write its ranking quality to ``result.json``.

    Returns:
        Kendall's τ on the architectures that were not labeled.

    Raises:
        UserError: The config or the folder will not do.
    """
    from seminas.evaluators.table import TableEvaluator
    from seminas.spaces.subset import Subset

    started = time.perf_counter()
    chosen = settings(config, "predictor", PredictorSettings)
    result = read_result(folder)
    if result is not None:
        claim(folder, config)
    else:
        space = build(config, "space")
        model = build(config, "model")
        evaluator: TableEvaluator[Any] = build(config, "evaluator", space=space, seed=config.seed)
        if not isinstance(evaluator, TableEvaluator):
            raise UserError("evaluator: must be table, since all other architectures' accuracies are needed")
        members = evaluator.members()
        table = space if members is None else Subset(space, members)
        check(chosen, len(table))
        resolved = claim(folder, config)
        with lock(folder):
            result = {
                "model": resolved["names"]["model"],
                "space": space.name,
                "seed": config.seed,
                **measure(model, space, table, evaluator, chosen, config.seed),
                "wall_s": time.perf_counter() - started,
                "config": resolved,
            }
            loggers = build_loggers(config, folder)
            with closing_loggers(loggers):
                for logger in loggers:
                    logger.log_hyperparams(resolved)
                    metrics = {name: v for name, v in result.items() if isinstance(v, float)}
                    logger.log_metrics(metrics, step=0)
            write_result(folder, result)
    if not side_by_side():
        show(result, folder)
    return float(result["kendall_tau"])


def measure(
    model: "Regressor[A]",
    space: "EnumerableSpace[A]",
    table: "EnumerableSpace[A]",
    evaluator: "TableEvaluator[A]",
    chosen: PredictorSettings,
    seed: int,
) -> dict[str, Any]:
    """Fit a model on labeled rows of a table and measure how it ranks all others.

    Args:
        model: What predicts.
        space: The whole space.
        table: The part of it that the table holds.
        evaluator: Knows the validation accuracies.
        chosen: How many labels and pseudo-labels.
        seed: Draws the labeled and the unlabeled architectures.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(table))
    labeled, rest = table.at(order[: chosen.num_labeled]), table.at(order[chosen.num_labeled :])
    num_unlabeled = round(model.pseudo_label_ratio * chosen.num_labeled)
    unlabeled = (space if chosen.unlabeled == "space" else table).sample(num_unlabeled, rng, exclude=labeled)
    started = time.perf_counter()
    predict = model.fit(space, labeled, evaluator.val_accuracies(labeled), unlabeled, seed)
    fit_s = time.perf_counter() - started
    return {
        "num_labeled": len(labeled),
        "num_pseudo_labeled": len(unlabeled),
        "num_ranked": len(rest),
        **ranking_quality(predict(rest), evaluator.val_accuracies(rest), chosen.top_k),
        "fit_s": fit_s,
    }


def check(chosen: PredictorSettings, table_size: int) -> None:
    """Refuse numbers that leave nothing to fit on or to rank."""
    if not 2 <= chosen.num_labeled <= table_size - 2:
        allowed = f"from 2 to {table_size - 2}, two less than the table has rows"
        raise config_error("predictor.num_labeled", chosen.num_labeled, allowed)
    if not chosen.pseudo_label_ratio >= 0:
        raise config_error("predictor.pseudo_label_ratio", chosen.pseudo_label_ratio, "at least 0")
    if chosen.unlabeled not in ("space", "table"):
        raise config_error("predictor.unlabeled", chosen.unlabeled, "one of space, table")
    if any(k < 1 for k in chosen.top_k):
        raise config_error("predictor.top_k", chosen.top_k, "of numbers from 1")


def show(result: dict[str, Any], folder: Path) -> None:
    """Print the result."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, title=f"{result['model']} on {result['space']}")
    for name, value in result.items():
        if name != "config":
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    console = Console()
    console.print(table)
    console.print(f"in {folder}", soft_wrap=True, markup=False, highlight=False)


register_resolvers()


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="predictor")
def _entry(config: DictConfig) -> float:
    return run_job(run, config)


def main() -> None:
    """Entry point of ``seminas-predictor``."""
    start(_entry)
