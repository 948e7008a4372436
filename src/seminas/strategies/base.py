"""Base classes of strategies. A strategy selects the architectures to evaluate next. It does not use the evaluator."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.strategies.proposal import Proposal as Proposal
from seminas.strategies.proposal import RoundSizes as RoundSizes
from seminas.strategies.proposal import summed as summed
from seminas.strategies.pursuit import Pursuit
from seminas.strategies.taken import Taken

Labels = tuple[dict[Any, Any], ...]
NUM_PARENTS = 10
"""Number of the best architectures so far whose neighbors are candidates, if the space is too large to list."""


class Strategy(Pursuit[A], ABC):
    """Base class of strategies. ``ask`` proposes architectures and ``tell`` receives their accuracies.

    A strategy looks for the highest accuracy. In a search for another metric, accuracies and predictions are scores:
    values of the metric, with the other sign if lower values are better. So they may be any finite numbers.

    A search of rounds asks for a whole round at once. An asynchronous search asks for one architecture whenever a
    worker is free. It also has rounds, which ``start`` defines. During a round, a strategy proposes with the accuracies
    of earlier rounds, so it fits a model once in each round. ``ask`` hands out the architectures of ``propose`` one by
    one, and then those of ``propose_more``. A round ends at the first question at which as many accuracies have arrived
    as the round has architectures. The first, random round ends when half of it has arrived and all has been asked for.

    A proposal is a function of the seed and of the events so far: the questions, and the accuracies in the order of
    their arrival. So an interrupted search can continue exactly: a new strategy first receives the recorded events.

    Attributes:
        space: Search space.
        seed: Seed of all random numbers.
        round_sizes: Numbers of architectures that the strategy prefers in each round. None means any numbers.
        ends: Total number of received architectures at the end of each round.
        told: Validation accuracy of each architecture of the finished rounds, in the order of arrival. None means that
            its evaluation failed.
        recent: Validation accuracy of each architecture that arrived after the last finished round.
        pending: Architectures that were asked for and had not arrived when the current round began.
        sizes: Number of architectures in each round of an asynchronous search. None in a search of rounds. A study
            appends further rounds as it grows.
        leads: Architectures from gradient steps in this round. A scheduler of fidelities has them as candidates.
    """

    share_together = 1.0
    """Largest fraction of all questions that are asked together at the end of an asynchronous search."""
    asks_singly = False
    """Whether the strategy uses each accuracy at once. Then a search with one worker is asynchronous, too."""

    def __init__(self, space: SearchSpace[A], seed: int) -> None:
        super().__init__()
        self.space = space
        self.seed = seed
        self.round_sizes: RoundSizes | None = None
        self.ends: list[int] = []
        self.told: dict[A, float | None] = {}
        self.recent: dict[A, float | None] = {}
        self.pending: Collection[A] = ()
        self.sizes: Sequence[int] | None = None
        self.leads: list[A] = []
        self._noted_round = -1
        self._made_round = -1
        self._made: deque[A] = deque()
        self._proposal: Proposal[A] = Proposal([])
        self._noted_labels: tuple[int, Labels] = -1, ()

    @property
    def size_of_round(self) -> int:
        """Size of the current round of an asynchronous search. Rounds beyond the planned ones have the last size."""
        assert self.sizes is not None
        return self.sizes[min(self.round, len(self.sizes) - 1)]

    def begins_round(self, pending: Collection[A]) -> bool:
        """Return whether the next question begins a round, so that ``ask`` calls ``propose``, which may fit a model.

        Args:
            pending: Architectures that were asked for and whose evaluations have not ended.
        """
        return self._made_round != self.round or self._is_over(pending)

    def start(self, sizes: Sequence[int]) -> None:
        """Prepare for an asynchronous search.

        Args:
            sizes: Number of architectures in each round. The first round is random.
        """
        self.sizes = sizes

    def ask(self, n: int, pending: Collection[A] = ()) -> Proposal[A]:
        """Propose ``n`` distinct new architectures, or fewer if the space has no more.

        Args:
            n: Number of architectures. In a search of rounds, it is the size of the round.
            pending: Architectures that were asked for and whose evaluations have not ended. They are not proposed
                again. A set or a dictionary is fast.
        """
        if self.sizes is None:
            return self.propose(n, self.rng())
        self.begin_question(pending)
        metrics: Mapping[str, float] = {}
        if self._made_round != self.round:
            made = self._proposed()
            self._made_round, self._made = self.round, deque(made.architectures)
            self._proposal, metrics = made, made.metrics
        chosen: dict[A, None] = {}
        while self._made and len(chosen) < n:
            architecture = self._made.popleft()
            if not self.is_known(architecture, pending):
                chosen[architecture] = None
        predictions, origins = self._proposal.predictions, self._proposal.origins
        if len(chosen) < n:
            taken = Taken(pending, chosen) if chosen else pending
            more = self.propose_more(n - len(chosen), taken, self.rng(len(taken)))
            chosen |= dict.fromkeys(more.architectures)
            predictions, origins = {**predictions, **more.predictions}, {**origins, **more.origins}
            metrics = summed(metrics, more.metrics)
        return Proposal(
            list(chosen),
            {a: predictions[a] for a in chosen if a in predictions},
            metrics,
            {a: origins[a] for a in chosen if a in origins},
        )

    def begin_question(self, pending: Collection[A], replayed: A | None = None) -> None:
        """End the round if it is over. Keep the pending architectures if this is the first question of a round.

        A resumed search calls this for each recorded question ``replayed``, because ``propose`` depends on both.
        """
        if self._is_over(pending):
            self._end_round()
        if self._noted_round != self.round:
            self._noted_round, self.pending = self.round, tuple(pending)

    def note_labels(self) -> None:
        """Keep the labels with which the architectures of this round are proposed, if none of them is proposed yet.

        A scheduler of fidelities revises labels during a round. A resumed search calls this for each recorded question
        that the strategy answered, so that the strategy proposes the round again from the same labels.
        """
        if self._noted_labels[0] != self.round:
            self._noted_labels = self.round, self._labels_now()

    def _proposed(self) -> Proposal[A]:
        """Return the architectures of this round, from the labels that ``note_labels`` has kept, if it has."""
        number, noted = self._noted_labels
        if number != self.round:
            return self.propose(self.size_of_round, self.rng())
        now = self._labels_now()
        self._set_labels(noted)
        try:
            return self.propose(self.size_of_round, self.rng())
        finally:
            self._set_labels(now)

    def _labels_now(self) -> Labels:
        """Return copies of everything that the strategy has received and that may be revised."""
        return dict(self.told), dict(self.recent), dict(self.further)

    def _set_labels(self, labels: Labels) -> None:
        """Replace everything that the strategy has received and that may be revised."""
        self.told, self.recent, self.further = labels

    @abstractmethod
    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose ``n`` distinct new architectures for a round, or fewer if the space has no more.

        The proposal is a function of the seed, ``told``, ``ends`` and ``pending``.
        """

    def propose_more(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose further architectures, after all of the round have been handed out in an asynchronous search.

        The default draws random architectures.

        Args:
            n: Number of architectures.
            pending: Architectures that were asked for and whose evaluations have not ended.
            rng: Random generator.
        """
        return Proposal(self.space.sample(n, rng, exclude=self.known(pending)))

    def is_known(self, architecture: A, pending: Collection[A] = ()) -> bool:
        """Return whether an architecture has arrived or is pending."""
        return architecture in self.told or architecture in self.recent or architecture in pending

    def known(self, *others: Collection[A]) -> Collection[A]:
        """Return all architectures that have arrived, are pending, or are in ``others``."""
        return Taken(self.told, self.recent, *others)

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Receive validation accuracies, fractions. None means that the evaluation failed.

        In a search of rounds, they are those of a whole round.
        """
        self.recent.update(zip(architectures, accuracies, strict=True))
        if self.sizes is None:
            self._end_round()

    def _is_over(self, pending: Collection[A]) -> bool:
        """Return whether the current round of an asynchronous search is over."""
        num_arrived, size = len(self.recent), self.size_of_round
        if self.round == 0:
            return num_arrived + len(pending) >= size and num_arrived >= size / 2
        return num_arrived >= size

    def _end_round(self) -> None:
        arrived, self.recent = self.recent, {}
        self.told |= arrived
        self.ends.append(len(self.told))
        self.pending = ()
        self.round_ended(list(arrived))

    def round_ended(self, architectures: Sequence[A]) -> None:
        """Handle the end of a round. Its architectures are in ``told`` now. The default does nothing."""

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Replace the accuracies of architectures that the strategy received earlier."""
        self.told.update(zip(architectures, accuracies, strict=True))

    @property
    def round(self) -> int:
        """Number of the next round. The first round is 0."""
        return len(self.ends)

    @property
    def labeled(self) -> dict[A, float]:
        """Accuracies of the architectures whose evaluation succeeded, in the order of evaluation."""
        return {a: accuracy for a, accuracy in self.told.items() if accuracy is not None}

    @property
    def arrived(self) -> dict[A, float]:
        """Accuracies of ``labeled``, and of the successful evaluations after the last finished round."""
        return self.labeled | {a: accuracy for a, accuracy in self.recent.items() if accuracy is not None}

    @property
    def first_round(self) -> list[A]:
        """Architectures of the first round that have arrived, in the order of arrival."""
        number = self.sizes[0] if self.sizes else self.ends[0] if self.ends else len(self.recent)
        return [*self.told, *self.recent][:number]

    @property
    def taken(self) -> Collection[A]:
        """Architectures that ``propose`` does not propose: those of finished rounds, and those pending since then."""
        return Taken(self.told, self.pending)

    def filled(
        self, chosen: Collection[A], n: int, rng: np.random.Generator, taken: Collection[A] | None = None
    ) -> list[A]:
        """Return the chosen architectures and random new ones, ``n`` in total or fewer if the space has no more.

        Args:
            chosen: Chosen architectures, at most ``n``.
            n: Number of architectures.
            rng: Random generator.
            taken: Architectures that are not new. None means ``self.taken``.
        """
        missing = n - len(chosen)
        if not missing:
            return list(chosen)
        excluded = Taken(self.taken if taken is None else taken, chosen)
        return [*chosen, *self.space.sample(missing, rng, exclude=excluded)]

    def near_best(self, number: int) -> list[A]:
        """Return the new neighbors of the best ``number`` architectures so far, see ``ranked``."""
        near = dict.fromkeys(a for b in self.ranked(self.arrived)[:number] for a in self.space.neighbors(b))
        taken = self.taken
        return [a for a in near if a not in taken]

    def sees_all(self, most: int) -> bool:
        """Return whether the space numbers its architectures and has at most ``most`` of them."""
        return isinstance(self.space, EnumerableSpace) and self.space.size <= most

    def candidates(self, most: int, rng: np.random.Generator) -> list[A]:
        """Return candidates for the next round.

        If ``sees_all(most)``, return all architectures of the space, including evaluated architectures. Otherwise
        return ``most`` random new architectures and the new neighbors of the best architectures so far. If ``most`` is
        0, return nothing.
        """
        if isinstance(self.space, EnumerableSpace) and self.sees_all(most):
            return self.space.at(np.arange(self.space.size))
        near = self.near_best(NUM_PARENTS) if most else []
        random = self.space.sample(most, rng, exclude=self.taken)
        return list(dict.fromkeys([*near, *random]))

    def rng(self, *further: int) -> np.random.Generator:
        """Return the random generator of the next round, or of its part that ``further`` numbers name."""
        return np.random.default_rng([self.seed, self.round, *further])
