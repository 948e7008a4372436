"""The sampler: it rebuilds the events of a study from its trials, and asks a strategy for the next architecture."""

import threading
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from seminas.commands.study import strategy_maker
from seminas.errors import config_error
from seminas.integrations.optuna.events import (
    Proposal,
    events_of,
    fixed_values,
    proposed_values,
    store,
    stored,
)
from seminas.integrations.optuna.follower import Follower, pursue
from seminas.integrations.optuna.parameters import ParameterSpace, decomposed
from seminas.runs.metric import Metric
from seminas.spaces.sequence import SequenceSpace
from seminas.storage.values import Json

TRIES = 5
"""Number of times that a proposal is made until no other process has made the same one in the meantime."""
MOST_FOLLOWERS = 16
"""Number of strategies that a sampler keeps. It makes a strategy again that it does not find."""


class SemiNASSampler(BaseSampler):
    """Sampler for Optuna studies that proposes with a strategy of seminas.

    A proposal is a function of the seed and of the trials in the study's storage. So a study that goes on in another
    process gets the proposals of a study without a break. Running trials are pending architectures, which are not
    proposed again. Failed trials are failed evaluations. A pruned trial counts with its last intermediate value, or
    with the median value of the complete trials if this is worse.

    A range of floats has 64 values, or 1,000 if the study has tried half of them. A value that another sampler chose
    counts as the nearest of them. Integers, and floats with a step, have up to 257 values. A longer range has 64 of its
    values.

    The sampler learns from the complete trials which parameters depend on the value of another one. It chooses them
    together. The first trial is random, because its parameters are not known yet. If no new architecture is left, the
    parameters are random.

    In a study with several objectives, the strategy looks for the best trade-offs, as ``search.objectives`` does. Only
    some strategies can. The sampler is for Optuna 2.10 and later.
    """

    def __init__(
        self,
        strategy: str = "seminas",
        *,
        n_startup_trials: int = 10,
        seed: int | None = None,
        settings: Mapping[str, Json] | None = None,
    ) -> None:
        """Initialize the sampler.

        Args:
            strategy: Name of a strategy in ``conf/strategy``, such as ``seminas`` or ``gaussian_process``.
            n_startup_trials: Number of random architectures before the strategy fits a model. Trials that were added to
                the study count.
            seed: Seed of all random numbers, from 0 to 2³² - 1. None means a random seed.
            settings: Settings of the strategy: ``{"pool": 1000}``, as ``strategy.pool=1000`` of ``seminas-search``.
                Others have their defaults.

        Raises:
            UserError: An argument is not valid.
        """
        if not isinstance(strategy, str):
            raise config_error("strategy", repr(strategy), "the name of a strategy")
        _check_whole("n_startup_trials", n_startup_trials, 1)
        if seed is None:
            seed = int(np.random.default_rng().integers(2**32))
        _check_whole("seed", seed, 0)
        if seed >= 2**32:
            raise config_error("seed", seed, "below 2**32")
        self._seed, self._n_startup_trials = int(seed), int(n_startup_trials)
        self._make_strategy: Any = strategy_maker(strategy, self._seed, settings)
        self._checked = {1}
        """Numbers of objectives that the strategy can pursue."""
        self._forget()

    def _forget(self) -> None:
        self._followers: list[Follower] = []
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what follows from the trials, for pickle."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_followers", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Check the objectives. Newer versions of Optuna infer the search space when a trial asks for a value.

        Raises:
            UserError: The study has several objectives, and the strategy takes one.
        """
        self._check_objectives(study)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all parameters of the study so far that have more than one value.

        Raises:
            UserError: The study has several objectives, and the strategy takes one.
        """
        self._check_objectives(study)
        spaces = decomposed(_others(study, trial))
        return {p.name: p.grid.distribution for space in spaces for p in space.parameters}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of the parameters that the strategy chooses.

        Args:
            study: The study.
            trial: The trial that asks.
            search_space: Parameters from ``infer_relative_search_space``, or some of them.
        """
        if not search_space:
            return {}
        earlier = stored(trial)  # The user made the object of a trial again, for example in another process.
        with self._lock:
            for _ in range(TRIES):
                others = _others(study, trial)
                asked = datetime.now().isoformat()
                spaces = decomposed(others, search_space)
                if earlier is not None:
                    return {k: v for space in spaces for k, v in proposed_values(earlier, space).items()}
                values: dict[str, Any] = {}
                for space in spaces:
                    if not all(parameter.name in fixed_values(trial) for parameter in space.parameters):
                        values |= self._proposed(study, trial.number, space, others)
                if not values:
                    break
                internal = {k: float(search_space[k].to_internal_repr(v)) for k, v in values.items()}
                proposal = Proposal(asked, internal)
                store(study, trial, proposal)
                if not _is_second(study, trial, proposal):
                    break
            return values

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value of a parameter that the strategy does not choose."""
        entropy = [self._seed, trial.number, zlib.crc32(param_name.encode())]
        sampler = RandomSampler(seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _proposed(
        self, study: Study, number: int, space: ParameterSpace, others: Sequence[FrozenTrial]
    ) -> dict[str, Any]:
        """Return the values of the next architecture of a space. They are empty if no new one is left."""
        events, metrics = events_of(others, space, study.directions), _metrics(study)
        follower = next(
            (f for f in self._followers if (f.space, f.metrics) == (space, metrics) and f.continues(events)),
            None,
        )
        if follower is None:
            strategy = self._make_strategy(space.space)
            follower = Follower(space, strategy, self._n_startup_trials, metrics)
        else:
            self._followers.remove(follower)
        follower.follow(events)
        architecture = follower.propose(number)
        self._followers = [follower, *self._followers][:MOST_FOLLOWERS]
        return {} if architecture is None else space.values(architecture)

    def _check_objectives(self, study: Study) -> None:
        """Check before the first trial whether the strategy can pursue the objectives of a study.

        Raises:
            UserError: The study has several objectives, and the strategy takes one.
        """
        metrics = _metrics(study)
        if len(metrics) not in self._checked:
            pursue(self._make_strategy(SequenceSpace("optuna", {"any": [0, 1]})), metrics)
            self._checked.add(len(metrics))


def _metrics(study: Study) -> tuple[Metric, ...]:
    """Return the objectives of a study. Optuna has no names of them."""
    return tuple(Metric(f"value_{i}", one.name.lower()) for i, one in enumerate(study.directions))


def _others(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Return the other trials of the study.

    With Hyperband, ``study.get_trials`` has the trials of one bracket only. The brackets would repeat each other's
    architectures.
    """
    trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
    return [other for other in trials if other.number != trial.number]


def _is_second(study: Study, trial: FrozenTrial, proposal: Proposal) -> bool:
    """Return whether another process made the same proposal before, while this one was being made."""
    sync = getattr(
        study._storage, "read_trials_from_remote_storage", None
    )  # Optuna 2 reads once for each trial.
    if sync is not None:
        sync(study._study_id)
    for other in _others(study, trial):
        same = None if other.state == TrialState.FAIL else stored(other)
        if same is not None and same.values == proposal.values:
            earlier = (same.asked, other.number) < (proposal.asked, trial.number)
            if earlier or other.state.is_finished():
                return True
    return False


def _check_whole(key: str, value: object, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < at_least:
        raise config_error(key, repr(value), f"a whole number, at least {at_least}")
