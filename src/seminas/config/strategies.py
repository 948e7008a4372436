"""Settings of the strategies that have any."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting


@dataclass
class EvolutionSettings(Settings):
    """Regularized evolution (Real et al., AAAI 2019).

    Attributes:
        population_size: P, the youngest architectures, which can be parents; so many are random at first. The authors
            take P = 100 and S = 25 for 20,000 evaluations; small budgets want small populations.
        tournament_size: S, drawn from the population without repetition; the best of them is the parent.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.evolution.Evolution"
    population_size: int = setting(10, at_least=1, unit="architectures")
    tournament_size: int = setting(3, at_least=1, unit="architectures")


@dataclass
class LocalSearchSettings(Settings):
    """Local search (White et al., UAI 2021).

    Attributes:
        num_start: Random architectures at first (the authors' code: 10).
        first_improvement: Whether to move to the first neighbour that is better, and not to the best of all.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.local_search.LocalSearch"
    num_start: int = setting(10, at_least=2, unit="architectures")
    first_improvement: bool = False


@dataclass
class BananasSettings(Settings):
    """BANANAS (White et al., AAAI 2021).

    Attributes:
        num_random: Random architectures at first.
        batch_size: Architectures of each further round.
        ensemble_size: Networks.
        layers: Hidden layers of each network.
        width: Of each layer.
        steps: Adam steps in each round, from scratch.
        learning_rate: Of Adam.
        num_parents: The best so far, whose mutations are candidates.
        num_candidates: At most so many mutations, and as many random architectures.
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
class GaussianProcessSettings(Settings):
    """Bayesian optimisation with a Gaussian process.

    Attributes:
        num_random: Random architectures at first.
        batch_size: Architectures of each further round.
        max_candidates: A space of no more architectures is looked at as a whole in each round. Of a larger one, so many
            random architectures and the neighbours of the best are candidates.
    """

    KEY: ClassVar[str] = "strategy"

    _target_: str = "seminas.strategies.gaussian_process.GaussianProcess"
    num_random: int = setting(20, at_least=2, unit="architectures")
    batch_size: int = setting(5, at_least=1, unit="architectures")
    max_candidates: int = setting(20_000, at_least=1, unit="architectures")


@dataclass
class SemiNASSettings(Settings):
    """SemiNAS (Luo et al., NeurIPS 2020, algorithm 1).

    Attributes:
        num_seeds: K, the best labeled and pseudo-labeled architectures, which the gradient starts from.
        step_size: η of the first gradient step, and its growth, in units of the states' length.
        max_steps: Gradient steps at most. What is missing then is taken from the members' favourites.
        raw_gradient: Whether to take the gradient as it is, as the authors do, and not its direction alone.
        better: Whether to drop an architecture that is predicted no better than the one it came from.
        favorites: Fraction of a round that is the favourites of the controller's members.
        overgenerate: How many times the architectures wanted the gradient makes. The head picks among them.
        pool: A space of no more architectures is looked at as a whole for favourites. Of a larger one, so many random
            architectures and the neighbours of the best are candidates.
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
    overgenerate: float = setting(2.0, at_least=1)
    pool: int = setting(20_000, at_least=0, unit="architectures")


@dataclass
class NAOSettings(SemiNASSettings):
    """NAO (Luo et al., NeurIPS 2018): SemiNAS without pseudo-labels."""

    PSEUDO_LABEL_RATIO: ClassVar[float] = 0.0

    _target_: str = "seminas.strategies.seminas.NAO"


@dataclass
class SemiNASEvolutionSettings(Settings):
    """Regularized evolution whose children the controller picks among (Luo et al., NeurIPS 2020, section 4).

    Attributes:
        population_size: As of ``evolution``, larger: a round has many children.
        tournament_size: As of ``evolution``.
        children: Proposed for each one that is evaluated.
    """

    KEY: ClassVar[str] = "strategy"
    PSEUDO_LABEL_RATIO: ClassVar[float] = 100.0

    _target_: str = "seminas.strategies.seminas_evolution.SemiNASEvolution"
    population_size: int = setting(50, at_least=1, unit="architectures")
    tournament_size: int = setting(10, at_least=1, unit="architectures")
    children: int = setting(20, at_least=1, unit="architectures")
