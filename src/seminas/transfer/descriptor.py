"""Other tasks as descriptors of architectures: their best ones come first, and models of them inform the search."""

from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import fit_gaussian_process, informative
from seminas.controller.targets import rank_quantiles
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.subset import holds
from seminas.transfer.record import Source

FIRST = 5
"""Default number of the sources' best architectures that a search evaluates first."""


class TransferDescriptor(Generic[A]):
    """Expectations of other tasks for architectures.

    The model of a source is a Gaussian process on the quantiles of its ranks, so its unit of accuracy does not matter.
    An architecture that the source has measured keeps its own quantile.
    """

    seconds = 0.0

    def __init__(
        self, sources: Sequence[Source], space: SearchSpace[A], first: int | None, model: bool
    ) -> None:
        """Initialize the descriptors. The first use fits the models.

        Args:
            sources: Results of other tasks.
            space: Whole space, which reads their architectures.
            first: Number of their best architectures that are evaluated first. None means ``FIRST``.
            model: Whether models read the descriptors.
        """
        self._space, self.gives_features = space, model
        self._first = FIRST if first is None else first
        self._names = [source.name for source in sources]
        self._last: tuple[list[A], NDArray[np.float64]] | None = None
        self._known: list[dict[A, float]] = []
        for source in sources:
            quantiles = rank_quantiles(np.array(source.scores)).tolist()
            architectures = [space.from_json(value) for value in source.architectures]
            self._known.append(dict(zip(architectures, quantiles, strict=True)))

    def __call__(self, architectures: Sequence[A]) -> NDArray[np.float32]:
        """Return the expectation of each source for architectures, ``[n, S]``."""
        return self._means(architectures).astype(np.float32)

    def prior(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return 0 for each architecture, ``[n]``: without labels no source has a weight."""
        return np.zeros(len(architectures))

    def expected(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the expectation of each source for architectures, ``[n, S]``, or ``[n, 0]`` without models."""
        return self._means(architectures) if self.gives_features else np.empty((len(architectures), 0))

    def seconds_of(self, architectures: Sequence[A]) -> float:
        """Return 0: the sources were paid for by their own searches."""
        return 0.0

    def first_round(
        self, n: int, space: SearchSpace[A], rng: np.random.Generator, exclude: Collection[A] = ()
    ) -> dict[A, str]:
        """Return the best architectures of the sources, in turn, then random ones. Their origin is ``transfer``."""
        ranked = [sorted(known, key=known.__getitem__, reverse=True) for known in self._known]
        chosen: dict[A, str] = {}
        for architecture in chain.from_iterable(zip_longest(*ranked)):
            if len(chosen) == min(n, self._first):
                break
            if architecture is not None and architecture not in exclude and holds(space, architecture):
                chosen[architecture] = "transfer"
        random = space.sample(n - len(chosen), rng, exclude={*exclude, *chosen})
        return chosen | dict.fromkeys(random, "random")

    def _means(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the expectation of each source, ``[n, S]``. A choice asks twice for the same architectures."""
        if self._last is None or self._last[0] != list(architectures):
            self._last = list(architectures), self._computed(architectures)
        return self._last[1]

    def _computed(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        means = np.zeros((len(architectures), len(self._known)))
        for column, (known, process) in enumerate(zip(self._known, self._processes, strict=True)):
            rows = [i for i, a in enumerate(architectures) if a not in known]
            if rows:
                groups = self._space.kernel_features([architectures[i] for i in rows])
                means[rows, column] = process.predict(groups)[0]
            for i, architecture in enumerate(architectures):
                if architecture in known:
                    means[i, column] = known[architecture]
        return means

    @cached_property
    def _processes(self) -> list[Any]:
        """Process of each source."""
        fitted = []
        for known in self._known:
            architectures, targets = list(known), np.array(list(known.values()))
            kept = informative(targets)
            groups = self._space.kernel_features([architectures[i] for i in kept])
            fitted.append(fit_gaussian_process(groups, targets[kept], self._space.ordered_features))
        return fitted
