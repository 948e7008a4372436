"""Exact costs of architectures, which are known without an evaluation: MACs, parameters and latency by a table.

A space states them in one of three ways. A chain of choices has the cost of each choice (``SumsCosts``). A space of
cells computes the costs of many networks at once (``ComputesCosts``). Any other space that builds networks builds them
on PyTorch's meta device, which holds no weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.spaces.capabilities import BuildsNetworks, HasExactCosts, reference_image
from seminas.spaces.views import A

if TYPE_CHECKING:
    from torch import nn

COSTS = ("macs", "parameters", "latency_ms")
"""Names of the exact costs. Lower values are better. A space has ``latency_ms`` only with a latency table."""
BUILT = ("macs", "parameters")
"""Costs of a network that a space builds."""
A_contra = TypeVar("A_contra", contravariant=True)
Known = Callable[[Sequence[A]], NDArray[np.float64]]
"""Function that returns one cost of each architecture, ``[n]``."""
Together = Callable[[Sequence[A]], Mapping[str, NDArray[np.float64]]]
"""Function that returns several costs of each architecture by name, each ``[n]``."""


@dataclass(frozen=True)
class NetworkShape:
    """The parts of a network that do not depend on the architecture.

    Attributes:
        image: Shape of an input image: channels, height, width.
        num_classes: Number of classes.
        skeleton: Keyword arguments of the space's ``build_network``, as in ``recipe.networks``.
    """

    image: tuple[int, ...]
    num_classes: int
    skeleton: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CostSum:
    """A cost that is a sum over the choices of a chain.

    Attributes:
        costs: Cost of each choice at each of P positions, in whole units.
        fixed: Cost of the parts that are not searched, in whole units.
        unit: Number of units in a cost of 1.
    """

    costs: Sequence[Sequence[int]]
    fixed: int = 0
    unit: int = 1

    def of(self, choices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs of architectures, ``[n]``, given the index of the choice at each position, ``[n, P]``."""
        total = np.full(len(choices), self.fixed, dtype=np.int64)
        for p, costs in enumerate(self.costs):
            total += np.asarray(costs, dtype=np.int64)[choices[:, p]]
        return np.asarray(total / self.unit)

    def total(self, choices: Sequence[int]) -> int:
        """Return the cost of one architecture, in whole units."""
        return self.fixed + sum(costs[i] for costs, i in zip(self.costs, choices, strict=True))


@dataclass(frozen=True)
class Limit:
    """The largest allowed value of a cost.

    Attributes:
        at_most: The limit, allowed itself: a number of MACs or parameters, or milliseconds.
        key: Dotted key of the setting with the limit, for errors.
    """

    at_most: float
    key: str

    def __lt__(self, other: "Limit") -> bool:
        return self.at_most < other.at_most


@runtime_checkable
class SumsCosts(Protocol):
    """Capability to state costs as sums over the choices of a chain. An architecture is a tuple of choices."""

    def cost_sums(self) -> Mapping[str, CostSum]:
        """Return the costs that the space can state, by name."""
        ...

    def within(self, limits: Mapping[str, Limit]) -> Any:
        """Return the space of the architectures within limits of these costs."""
        ...


@runtime_checkable
class ComputesCosts(Protocol[A_contra]):
    """Capability to compute the costs of many networks at once without building them."""

    def network_costs(
        self, architectures: Sequence[A_contra], shape: NetworkShape
    ) -> Mapping[str, NDArray[np.int64]]:
        """Return the costs in ``BUILT`` of the networks of architectures, each ``[n]``."""
        ...


class ExactCosts(Generic[A]):
    """The exact costs of a space's architectures. Each architecture is computed once.

    Attributes:
        names: Costs that the space can state, in the order of ``COSTS``.
        summed: Costs that are the sums over a chain of choices in ``SumsCosts.cost_sums``.
        built: Costs for which networks are built, which takes milliseconds for each.
    """

    def __init__(
        self,
        sources: Mapping[str, Known[A]],
        name: str = "",
        summed: Sequence[str] = (),
        built: Sequence[str] = (),
        together: "Together[A] | None" = None,
    ) -> None:
        """Store the functions that compute the costs.

        Args:
            sources: Function for each cost that the space can state.
            name: Name of the space, for errors.
            summed: Costs that are sums over a chain of choices.
            built: Costs for which networks are built.
            together: Function that computes all costs in ``BUILT`` at once. None if they have separate sources.
        """
        self._together = together
        self.summed, self.built = tuple(summed), tuple(built)
        self.names = tuple(cost for cost in COSTS if cost in sources)
        self._sources, self._space = sources, name
        self._known: dict[str, dict[A, float]] = {cost: {} for cost in self.names}

    def require(self, names: Sequence[str], key: str = "costs") -> None:
        """Check that the space can state costs.

        Args:
            names: Names of costs.
            key: Dotted key of the setting with the names, for the error.

        Raises:
            UserError: The space cannot state one of them. The message names the costs that it can state.
        """
        for name in names:
            if name not in self.names:
                needs = "; latency_ms needs space.latency" if name == "latency_ms" else ""
                stated = ", ".join(self.names) or "no exact cost"
                raise UserError(
                    f"{key}.{name}: space={self._space} cannot state it, it states {stated}{needs}"
                )

    def __call__(self, architectures: Sequence[A], names: Sequence[str]) -> NDArray[np.float64]:
        """Return the costs of architectures, ``[n, len(names)]``.

        MACs are multiply-adds for one image, parameters are trainable parameters, and ``latency_ms`` is in
        milliseconds.

        Raises:
            UserError: The space cannot state one of the costs.
        """
        self.require(names)
        missing: dict[tuple[A, ...], list[str]] = {}
        for name in names:
            known = self._known[name]
            new = tuple(dict.fromkeys(a for a in architectures if a not in known))
            if new:
                missing.setdefault(new, []).append(name)
        for new, of_new in missing.items():
            for name, values in zip(of_new, self._computed(new, of_new), strict=True):
                self._known[name].update(zip(new, values.tolist(), strict=True))
        columns = [np.array([self._known[n][a] for a in architectures], dtype=np.float64) for n in names]
        return np.stack(columns, axis=1) if columns else np.empty((len(architectures), 0))

    def _computed(self, architectures: Sequence[A], names: Sequence[str]) -> list[NDArray[np.float64]]:
        """Return each cost of architectures, ``[n]``. Costs of the same networks are computed together."""
        joint: Mapping[str, NDArray[np.float64]] = {}
        if self._together is not None and set(BUILT) <= set(names):
            joint = self._together(architectures)
        return [joint[n] if n in joint else self._sources[n](architectures) for n in names]

    def uncached(self, architectures: Sequence[A], names: Sequence[str]) -> NDArray[np.float64]:
        """Return the same as a call, and keep nothing in memory. A list of a whole space needs no cache."""
        self.require(names)
        return np.stack(self._computed(architectures, names), axis=1)


def exact_costs(
    space: Any, shape: NetworkShape | None = None, known: Mapping[str, Known[Any]] | None = None
) -> ExactCosts[Any]:
    """Return the exact costs of a space's architectures.

    Args:
        space: Search space, or a subset of one.
        shape: Image, classes and skeleton of the networks. None means the space's reference image and its default
            skeleton. A chain with sums has its own reference image, so it does not use this argument.
        known: Functions that replace the computation of some costs, for example columns of a table.
    """
    shape = shape or NetworkShape(*reference_image(space))
    sources: dict[str, Known[Any]] = {}
    summed: list[str] = []
    built: list[str] = []
    together: Together[Any] | None = None
    whole = getattr(space, "whole", space)
    if isinstance(whole, ComputesCosts):
        together = partial(_computed, whole, shape)
        sources |= {name: _one_of(together, name) for name in BUILT}
    elif isinstance(whole, BuildsNetworks):
        together = partial(_built, whole, shape, BUILT)
        sources |= {name: _one_of(partial(_built, whole, shape, (name,)), name) for name in BUILT}
        built = list(BUILT)
    of_networks = dict(sources)
    if isinstance(whole, HasExactCosts):
        sources["macs"] = _stated(whole)
        built = [name for name in built if name != "macs"]
    if isinstance(whole, SumsCosts):
        summed = list(whole.cost_sums())
        sources |= {name: _summed(cost) for name, cost in whole.cost_sums().items()}
    known = known or {}
    summed = [name for name in summed if name not in known]
    built = [name for name in built if name not in known and name not in summed]
    sources |= known
    if any(sources.get(name) is not of_networks.get(name) for name in BUILT):
        together = None
    return ExactCosts(sources, space.name, summed, built, together)


def _summed(cost: CostSum) -> Known[Any]:
    return lambda architectures: cost.of(np.asarray(architectures, dtype=np.int64))


def _one_of(together: Together[Any], name: str) -> Known[Any]:
    return lambda architectures: together(architectures)[name]


def _computed(
    space: ComputesCosts[Any], shape: NetworkShape, architectures: Sequence[Any]
) -> dict[str, NDArray[np.float64]]:
    costs = space.network_costs(architectures, shape)
    return {name: costs[name].astype(np.float64) for name in BUILT}


def _stated(space: HasExactCosts[Any]) -> Known[Any]:
    return lambda architectures: np.array([space.macs(a) for a in architectures], dtype=np.float64)


def _built(
    space: BuildsNetworks[Any], shape: NetworkShape, names: Sequence[str], architectures: Sequence[Any]
) -> dict[str, NDArray[np.float64]]:
    """Return some costs in ``BUILT`` of architectures by name. Each network is built once."""
    from seminas.spaces.cost import count_macs, count_parameters

    rows = np.empty((len(names), len(architectures)))
    for i, architecture in enumerate(architectures):
        network = meta_network(space, architecture, shape)
        for row, name in zip(rows, names, strict=True):
            row[i] = count_parameters(network) if name == "parameters" else count_macs(network, shape.image)
    return dict(zip(names, rows, strict=True))


def meta_network(space: BuildsNetworks[Any], architecture: Any, shape: NetworkShape) -> "nn.Module":
    """Return the network of an architecture on the meta device, which holds shapes and no weights."""
    import torch

    with torch.device("meta"):
        return space.build_network(architecture, shape.num_classes, shape.image[0], **shape.skeleton)
