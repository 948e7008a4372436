"""Predictor study: how well a predictor ranks architectures of a table without knowing their labels."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.config.predictors import PredictorSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.table import TableEvaluator
from seminas.predictors.base import LabeledSet, Predictor
from seminas.spaces.base import EnumerableSpace
from seminas.spaces.subset import Subset


@dataclass(frozen=True)
class Ranking:
    """Measures of how well predictions rank architectures.

    Attributes:
        kendall_tau, spearman_rho: Rank correlations. None if all predictions or all accuracies are equal.
        top_k: Values of ``top_K_regret`` and ``top_K_precision`` for each K. The regret is the highest accuracy minus
            the highest accuracy among the K architectures with the highest predictions. The precision is the fraction
            of these K architectures with an accuracy of at least the K-th highest accuracy.
    """

    kendall_tau: float | None
    spearman_rho: float | None
    top_k: dict[str, float]


def ranking_quality(
    predictions: NDArray[np.float64], accuracies: NDArray[np.float64], top_k: list[int]
) -> Ranking:
    """Return measures of how well predictions ``[n]`` rank architectures with ``accuracies``, fractions ``[n]``."""
    from scipy.stats import kendalltau, spearmanr

    top: dict[str, float] = {}
    order = np.argsort(-predictions, kind="stable")
    for k in top_k:
        chosen = accuracies[order[:k]]
        top[f"top_{k}_regret"] = float(accuracies.max() - chosen.max())
        kth_best = np.sort(accuracies)[-min(k, len(accuracies))]
        top[f"top_{k}_precision"] = float((chosen >= kth_best).mean())
    tau = float(kendalltau(predictions, accuracies).statistic)
    rho = float(spearmanr(predictions, accuracies).statistic)
    return Ranking(None if np.isnan(tau) else tau, None if np.isnan(rho) else rho, top)


class PredictorStudy:
    """A study that fits a predictor on labeled architectures of a table and measures its ranking of all others.

    Attributes:
        settings: Settings of the study.
        space: Whole search space.
        table: Part of the space that the table contains.
    """

    def __init__(
        self,
        settings: PredictorSettings,
        space: EnumerableSpace,
        evaluator: TableEvaluator,
        seed: int,
    ) -> None:
        """Check the evaluator and the number of labeled architectures.

        Raises:
            UserError: The evaluator has no table, or fewer than two architectures are left to rank.
        """
        if not isinstance(evaluator, TableEvaluator):
            raise UserError(
                "evaluator: must be table, since the accuracies of all other architectures are needed"
            )
        members = evaluator.members()
        self.settings, self.space, self._evaluator, self._seed = settings, space, evaluator, seed
        self.table = space if members is None else Subset(space, members)
        most = len(self.table) - 2
        if settings.num_labeled > most:
            allowed = f"from 2 to {most}, two less than the table has rows"
            raise config_error("predictor.num_labeled", settings.num_labeled, allowed)

    def measure(self, predictor: Predictor) -> dict[str, Any]:
        """Fit a predictor and rank the other architectures. Return the measured fields of ``PredictorResult``."""
        settings, table, evaluator = self.settings, self.table, self._evaluator
        rng = np.random.default_rng(self._seed)
        order = rng.permutation(len(table))
        labeled, others = table.at(order[: settings.num_labeled]), table.at(order[settings.num_labeled :])
        num_unlabeled = round(predictor.pseudo_label_ratio * settings.num_labeled)
        pool = self.space if settings.unlabeled == "space" else table
        unlabeled = pool.sample(num_unlabeled, rng, exclude=labeled)
        started = time.perf_counter()
        labels = LabeledSet(self.space, labeled, evaluator.val_accuracies(labeled), unlabeled)
        predict = predictor.fit(labels, self._seed)
        fit_s = time.perf_counter() - started
        quality = ranking_quality(predict(others), evaluator.val_accuracies(others), settings.top_k)
        return {
            "num_labeled": len(labeled),
            "num_pseudo_labeled": len(unlabeled),
            "num_ranked": len(others),
            "pseudo_label_ratio": predictor.pseudo_label_ratio,
            **vars(quality),
            "fit_s": fit_s,
        }
