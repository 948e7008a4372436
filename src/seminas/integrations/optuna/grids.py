"""Grids: the finite values of a distribution of Optuna, which are the choices of a position."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_EXACT = 256
"""Largest number of steps that are all values of a grid. A longer range has evenly spaced ones of its steps."""
HALF_OPEN = ("UniformDistribution", "LogUniformDistribution")
"""Distributions of Optuna 2 without their upper bound."""
MOST_PARENTS = 64
"""Largest number of values of an ordered parameter on which other parameters may depend."""


@dataclass(frozen=True)
class Grid:
    """The values that the sampler proposes for a parameter.

    Attributes:
        distribution: Distribution of the parameter, a ``BaseDistribution``. Its attributes depend on the
            version of Optuna.
        bins: Number of values of a range without steps, or with too many.
    """

    distribution: Any
    bins: int

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers of a range, and no categories."""
        return not hasattr(self.distribution, "choices")

    @property
    def binned(self) -> bool:
        """Whether the range has more values than the grid."""
        return self.ordered and self._step is None

    @property
    def decides(self) -> bool:
        """Whether other parameters may depend on this parameter: it has few values, and the grid has all of them."""
        return not self.ordered or (not self.binned and len(self.values) <= MOST_PARENTS)

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """Values in the form in which the user's objective gets them. Numbers ascend."""
        if not self.ordered:
            return tuple(self.distribution.choices)
        return tuple(self.distribution.to_external_repr(value) for value in self._numbers.tolist())

    def index(self, value: Any) -> int | None:
        """Return the index of the nearest value, or None if a value is outside of the distribution."""
        if not self.ordered:
            try:
                return int(self.distribution.to_internal_repr(value))
            except ValueError:
                return None
        low, high = self.distribution.low, self.distribution.high
        if isinstance(value, str) or not low <= value <= high:
            return None
        return int(np.abs(self._places - self._place(np.float64(value))).argmin())

    @property
    def _is_whole(self) -> bool:
        return type(self.distribution).__name__.startswith("Int")

    @property
    def _is_log(self) -> bool:
        return bool(getattr(self.distribution, "log", "Log" in type(self.distribution).__name__))

    @property
    def _declared_step(self) -> float | None:
        """Step of the distribution. A logarithmic one has none."""
        if self._is_log:
            return None
        step: float | None = getattr(self.distribution, "step", getattr(self.distribution, "q", None))
        return step

    @property
    def _step(self) -> float | None:
        """Distance of two adjacent values, or None if the grid cannot have all values."""
        step = self._declared_step
        return None if step is None or self._number_of_steps(step) > MOST_EXACT else step

    def _number_of_steps(self, step: float) -> int:
        return int(np.floor((self.distribution.high - self.distribution.low) / step + 1e-8))

    @cached_property
    def _numbers(self) -> NDArray[np.float64]:
        """Values as floats."""
        low, high = float(self.distribution.low), float(self.distribution.high)
        if self._step is not None:
            steps = np.arange(self._number_of_steps(self._step) + 1)
            stepped: NDArray[np.float64] = np.minimum(low + self._step * steps, high)
            return stepped
        spaced = np.geomspace(low, high, self.bins) if self._is_log else np.linspace(low, high, self.bins)
        step = self._declared_step
        if self._is_whole and self._is_log:
            spaced = np.unique(spaced.round())
        elif step is not None:
            spaced = np.unique(low + step * ((spaced - low) / step + 1e-8).round())
        elif type(self.distribution).__name__ in HALF_OPEN:
            high = np.nextafter(high, low)
        numbers: NDArray[np.float64] = spaced.clip(low, high)
        return numbers

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        places: NDArray[np.float64] = self._place(self._numbers)
        return places

    def _place(self, numbers: Any) -> Any:
        """Return numbers on the scale on which the grid is even."""
        return np.log(numbers) if self._is_log else numbers
