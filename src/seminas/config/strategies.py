"""Settings of search strategies."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

SOURCES = ("gradient", "neighbors", "random")
"""Sources of candidates for the expected improvement."""


@dataclass(kw_only=True)
class TransferSettings(Settings):
    """Results of other tasks from which a strategy begins.

    Attributes:
        transfer_from: Sources: run folders of searches, folders of sweeps, and packed tables. ``TABLE.npz:COLUMN``
            names a column of accuracies. Null means no source.
        transfer_first: Number of the sources' best architectures that are evaluated first, at most the first round.
            Null means 5.
        transfer_model: Whether models of the sources inform the search after these. Null means true.
    """

    transfer_from: list[str] | None = setting(None, distinct=True)
    transfer_first: int | None = setting(None, at_least=0, unit="architectures")
    transfer_model: bool | None = None

    def check_together(self, key: str) -> None:
        """Refuse settings of a transfer without a source, and a transfer that does nothing."""
        if not self.transfer_from:
            for name in ("transfer_first", "transfer_model"):
                if getattr(self, name) is not None:
                    raise config_error(
                        f"{key}.{name}", getattr(self, name), f"null without {key}.transfer_from"
                    )
        elif self.transfer_first == 0 and self.transfer_model is False:
            raise config_error(f"{key}.transfer_first", 0, f"at least 1 with {key}.transfer_model=false")


@dataclass
class EvolutionSettings(Settings):
    """Regularized evolution (Real et al., AAAI 2019).

    Attributes:
        population_size: P, number of the youngest architectures, which can be parents. It is also the number of random
            architectures at the start. The authors use P = 100 and S = 25 for 20,000 evaluations. Small budgets need
            small populations.
        tournament_size: S, number of architectures drawn from the population without replacement. The best of them is
            the parent.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.evolution.Evolution"
    population_size: int = setting(10, at_least=1, unit="architectures")
    tournament_size: int = setting(3, at_least=1, unit="architectures")


@dataclass
class LocalSearchSettings(Settings):
    """Local search (White et al., UAI 2021).

    Attributes:
        num_start: Number of random architectures at the start. The authors' code uses 10.
        first_improvement: Whether to move to the first better neighbor. Otherwise evaluate all neighbors, and move to
            the best.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.local_search.LocalSearch"
    num_start: int = setting(10, at_least=2, unit="architectures")
    first_improvement: bool = False


@dataclass
class BananasSettings(Settings):
    """BANANAS (White et al., AAAI 2021).

    Attributes:
        num_random: Number of random architectures in the first round.
        batch_size: Number of architectures in each later round.
        ensemble_size: Number of networks in the ensemble.
        layers: Number of hidden layers of each network.
        width: Width of each hidden layer.
        steps: Number of Adam steps in each round. Each round trains new networks.
        learning_rate: Learning rate of Adam.
        num_parents: Number of the best architectures so far whose mutations are candidates.
        num_candidates: Number of random candidates, and largest number of mutated candidates.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.bananas.Bananas"
    num_random: int = setting(10, at_least=2, unit="architectures")
    batch_size: int = setting(10, at_least=1, unit="architectures")
    ensemble_size: int = setting(5, at_least=2)
    layers: int = setting(10, at_least=1)
    width: int = setting(20, at_least=1)
    steps: int = setting(200, at_least=1)
    learning_rate: float = setting(0.01, above=0)
    num_parents: int = setting(10, at_least=1, unit="architectures")
    num_candidates: int = setting(1000, at_least=1, unit="architectures")


@dataclass
class GaussianProcessSettings(TransferSettings):
    """Bayesian optimisation with a Gaussian process.

    Attributes:
        num_random: Largest number of random architectures in the first round.
        random_share: Largest fraction of all evaluations in the first round.
        batch_size: Number of architectures in each later round of a search in rounds.
        max_candidates: Largest space in which all architectures are candidates. In a larger space, the strategy climbs
            the expected improvement from neighbors of the best architectures and from random ones.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.gaussian_process.GaussianProcess"
    num_random: int = setting(20, at_least=2, unit="architectures")
    random_share: float = setting(0.2, above=0, at_most=1)
    batch_size: int = setting(5, at_least=1, unit="architectures")
    max_candidates: int = setting(20_000, at_least=1, unit="architectures")


@dataclass
class SemiNASSettings(TransferSettings):
    """SemiNAS (Luo et al., NeurIPS 2020, algorithm 1).

    Attributes:
        num_seeds: K, number of the best labeled and pseudo-labeled architectures from which gradient steps start.
        step_size: Step size η of the first gradient step, in units of the states' length. η grows by this value in each
            further step.
        max_steps: Largest number of gradient steps. If they give too few architectures, the members' favorites fill the
            round.
        raw_gradient: Whether to use the unscaled gradient, as the authors do. Otherwise scale it to the states' length.
        better: Whether to drop an architecture that is not predicted to be better than its seed.
        favorites: Fraction of a round that consists of favorites of the controller's members, apart from the part that
            the expected improvement selects.
        improvement: Fraction of a round that the expected improvement of a Gaussian process selects. The other
            architectures come from gradient steps and favorites. Null means 1 for chains of choices and with zero-cost
            proxies, and 0.4 otherwise. With ``nao``, null means 0.
        sources: Candidates for the expected improvement in a space of more than ``pool`` architectures: architectures
            from gradient steps, neighbors of the best ones, and random ones. In a smaller space, all architectures are
            candidates.
        overgenerate: Ratio between the number of architectures that the gradient steps must make and the size of the
            round. The controller chooses the best of them.
        pool: Largest space in which all architectures are candidates for favorites. In a larger space, the candidates
            are this number of random architectures and the neighbors of the best architectures.
    """

    KEY: ClassVar[str] = "strategy"
    PSEUDO_LABEL_RATIO: ClassVar[float] = 100.0

    _target_: str = "seminas.strategies.seminas.SemiNAS"
    num_seeds: int = setting(100, at_least=1, unit="architectures")
    step_size: float = setting(0.2, above=0)
    max_steps: int = setting(20, at_least=1)
    raw_gradient: bool = False
    better: bool = True
    favorites: float = setting(0.5, at_least=0, at_most=1)
    improvement: float | None = setting(None, at_least=0, at_most=1, stays=True)
    sources: list[str] = setting(list(SOURCES), choices=SOURCES, distinct=True)
    overgenerate: float = setting(2.0, at_least=1)
    pool: int = setting(20_000, at_least=0, unit="architectures")


@dataclass
class NAOSettings(SemiNASSettings):
    """NAO (Luo et al., NeurIPS 2018): SemiNAS without pseudo-labels."""

    PSEUDO_LABEL_RATIO: ClassVar[float] = 0.0

    _target_: str = "seminas.strategies.seminas.NAO"


@dataclass
class SemiNASEvolutionSettings(TransferSettings):
    """Regularized evolution with a controller that selects children (Luo et al., NeurIPS 2020, section 4).

    Attributes:
        population_size: Number of the youngest architectures, which can be parents. It is larger than for
            ``evolution``, because a round has many children.
        tournament_size: Number of architectures drawn from the population without replacement. The best of them is the
            parent.
        children: Number of proposed children for each evaluated child.
    """

    KEY: ClassVar[str] = "strategy"
    PSEUDO_LABEL_RATIO: ClassVar[float] = 100.0

    _target_: str = "seminas.strategies.seminas_evolution.SemiNASEvolution"
    population_size: int = setting(50, at_least=1, unit="architectures")
    tournament_size: int = setting(10, at_least=1, unit="architectures")
    children: int = setting(20, at_least=1, unit="architectures")
