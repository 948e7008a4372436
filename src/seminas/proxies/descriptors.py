"""Zero-cost proxies as descriptors of architectures, which models read beside the features of a space."""

from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from seminas.config.proxies import ProxySettings
from seminas.proxies.zero_cost import ZeroCost
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.statistics import graph_statistics

SAMPLE = 2
"""Part of the seed of the random generator that draws the sample."""
PENALTIES = np.logspace(-2, 3, 11)
"""Candidates for the penalty of the ridge regression that predicts proxies."""


class ProxyDescriptor(Generic[A]):
    """Descriptors of architectures from their zero-cost proxies.

    A descriptor of an architecture is the quantile of the normal distribution for the rank of a proxy in a fixed random
    sample of the candidates. So outliers do not matter, and all descriptors have one scale.
    """

    def __init__(
        self, proxies: ZeroCost[A], settings: ProxySettings, candidates: SearchSpace[A], seed: int
    ) -> None:
        """Initialize the descriptors. The first use computes the proxies of the sample.

        Args:
            proxies: Proxies of the architectures of the whole space.
            settings: Size of the sample, source of the features, and choice of the first round.
            candidates: Space from which the sample is drawn.
            seed: Seed of the sample.
        """
        self._proxies, self._settings, self._candidates, self._seed = proxies, settings, candidates, seed
        self.gives_features = settings.features != "none"
        self._last: tuple[list[A], NDArray[np.float32]] | None = None

    @property
    def seconds(self) -> float:
        """Duration of the computation of all proxies that were used, in seconds, see ``ZeroCost.seconds``."""
        return self._proxies.seconds

    def __call__(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return the descriptors of architectures, ``[n, P]``. A choice asks twice for the same architectures."""
        if self._last is None or self._last[0] != list(architectures):
            self._last = list(architectures), self._computed(architectures)
        return self._last[1]

    def _computed(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        if self._settings.features == "exact":
            return self._scaled(self._proxies.values(architectures)).astype(np.float32)
        predicted: NDArray[np.float32] = self._model.predict(self._inputs(architectures)).astype(np.float32)
        return predicted.reshape(len(architectures), -1)

    def prior(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the expected targets of architectures without labels, ``[n]``: the weighted quantiles of one proxy."""
        if self._settings.prior is None:
            return np.zeros(len(architectures))
        column = self(architectures)[:, self._proxies.names.index(self._settings.prior)]
        return self._settings.prior_weight * column.astype(np.float64)

    def expected(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return no expectations of other tasks, ``[n, 0]``."""
        return np.empty((len(architectures), 0))

    def first_round(
        self, n: int, space: SearchSpace[A], rng: np.random.Generator, exclude: Collection[A] = ()
    ) -> dict[A, str]:
        """Return architectures for the first round of a search, and the origin of each: ``proxies`` or ``random``.

        Args:
            n: Number of architectures, of which the space may have fewer.
            space: Space of the candidates, which may be a part of the space of the proxies.
            rng: Random generator.
            exclude: Architectures that must not be chosen.
        """
        wanted = round(self._settings.first_round * n)
        chosen: list[A] = []
        if wanted:
            sampled, values = self._sample
            means = self.rank_mean(values)
            order = (sampled[i] for i in np.argsort(-means, kind="stable"))
            chosen = list(islice((a for a in order if a not in exclude), wanted))
        random = space.sample(n - len(chosen), rng, exclude={*exclude, *chosen})
        return dict.fromkeys(chosen, "proxies") | dict.fromkeys(random, "random")

    def rank_mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of the descriptors of the ranked proxies, ``[n]``, for proxies ``[n, P]``."""
        columns = [self._proxies.names.index(name) for name in self._settings.ranked]
        mean: NDArray[np.float64] = self._scaled(values)[:, columns].mean(axis=1)
        return mean

    def seconds_of(self, architectures: Sequence[A]) -> float:
        """Return the seconds of a search that evaluated architectures, also of its earlier processes."""
        if self.gives_features:
            self(architectures)
        elif self._settings.first_round:
            self._sample  # noqa: B018  # The first use computes it.
        return self.seconds

    @cached_property
    def _sample(self) -> tuple[list[A], NDArray[np.float64]]:
        """Architectures of the sample, and their proxies ``[n, P]``."""
        rng = np.random.default_rng([self._seed, SAMPLE])
        architectures = self._candidates.sample(self._settings.sample, rng)
        return architectures, self._proxies.values(architectures)

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the quantile of the normal distribution for the rank of each proxy ``[n, P]`` in the sample."""
        _, reference = self._sample
        number = len(reference)
        columns = []
        for column, known in zip(values.T, np.sort(reference, axis=0).T, strict=True):
            below = np.searchsorted(known, column, side="left") + np.searchsorted(known, column, side="right")
            columns.append(norm.ppf((below / 2 + 0.5) / (number + 1)))
        return np.stack(columns, axis=1)

    @cached_property
    def _model(self) -> Any:
        """Ridge regression that predicts the scaled proxies of the sample from features and graphs."""
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        architectures, values = self._sample
        model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))
        return model.fit(self._inputs(architectures), self._scaled(values))

    def _inputs(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the features and the statistics of the graphs of architectures, ``[n, F]``."""
        space = self._proxies.space
        adjacency, labels = space.graphs(architectures)
        statistics = graph_statistics(adjacency, labels, space.num_labels)
        return np.concatenate([space.features(architectures), statistics], axis=1, dtype=np.float64)
