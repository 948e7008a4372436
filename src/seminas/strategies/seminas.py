"""SemiNAS (Luo et al., NeurIPS 2020, algorithm 1), and NAO, which is SemiNAS without pseudo-labels."""

import time
from collections.abc import Collection, Iterable
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import SemiNASSettings
from seminas.controller.fitted import Controller
from seminas.controller.generate import improve
from seminas.errors import config_error
from seminas.runs.constraints import MeasuredLimits
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal
from seminas.strategies.controlled import ROUND_SIZES, ControllerStrategy, Fit, predictions_of
from seminas.strategies.fitted import check_transfer
from seminas.strategies.goals import Goals, best_first
from seminas.strategies.improver import Improver

SIZES_WITH_PROCESS = ROUND_SIZES._replace(first=20, share=0.2)
"""Sizes of rounds with a Gaussian process, which needs fewer labels. NAS-Bench-Macro decided them."""
PART_ON_CELLS = 0.4
"""Default part of a round for the Gaussian process in spaces that are no chains. NAS-Bench-201 decided it.

With zero-cost proxies, the process selects all of a round. NAS-Bench-201 decided this too.
"""
DIGITS = 3
"""Number of decimals of a score. Architectures are alike if every member gives them the same rounded score."""


class SemiNAS(ControllerStrategy[A]):
    """Strategy that fits a controller on labeled and pseudo-labeled architectures, and follows its head's gradient.

    The first round is random. Later rounds are also random until two architectures have an accuracy. In other rounds,
    gradient steps give one part of the architectures. The controller's members select the other part: the members take
    turns, and each member selects the candidate with its highest score. A member is similar to a random draw from the
    functions that fit the labels. So this selection explores like Thompson sampling (White et al., AAAI 2021). If all
    members give several architectures the same scores, a round takes only one of them.

    The expected improvement of a Gaussian process selects a part of each round: all of it on chains of choices, where
    the process is also the teacher, and with zero-cost proxies, and less on cells without proxies. The candidates from
    gradient steps compete with neighbors of the best architectures and with random ones, and the selection climbs to
    local maxima from all of them (see ``Improver``). The process is fitted again for each question, so that it knows
    all accuracies so far. The controller is fitted once in a round.

    In an asynchronous search without such a process, the members also answer the questions beyond a round. Their draws
    differ, so they propose different architectures while evaluations are pending (Thompson sampling in parallel,
    Kandasamy et al., AISTATS 2018). Nothing is proposed that every member scores like a pending architecture.

    With several objectives, the process selects by expected hypervolume improvement (see ``FrontImprovement``). A
    member selects the candidate that would improve the hypervolume most if its predictions were true. Gradient steps
    start from the best architectures by dominance.

    With limits of measured metrics, the process selects all architectures, by the improvement times the probability of
    feasibility (see ``Feasibility``). Gradient steps start from feasible architectures and from pseudo-labeled ones.
    """

    takes_objectives = True
    takes_limits = True
    has_process = True
    """Whether a Gaussian process teaches and selects where the settings leave this open."""

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: SemiNASSettings,
        controller: ControllerSettings,
        pseudo_label_ratio: float,
    ) -> None:
        controller = controller.with_process(by_default=space.is_chain and self.has_process)
        super().__init__(space, seed, controller, pseudo_label_ratio)
        check_transfer(space, settings)
        self.settings = settings
        all_of_it = space.is_chain or (space.is_described and not settings.transfer_from)
        default = 0.0 if not self.has_process else 1.0 if all_of_it else PART_ON_CELLS
        part = default if settings.improvement is None else settings.improvement
        self._part_of_process, self.asks_singly = part, part > 0
        if part:
            self.round_sizes = SIZES_WITH_PROCESS
        self._improver = Improver(self, settings.pool, settings.sources)
        self.leads: list[A] = []
        self._last_choice: tuple[_Choice[A], NDArray[np.int64], list[A]] | None = None
        """Candidates of the last fit, each member's order of them, and the chosen ones."""

    def pursue(self, goals: Goals[A]) -> None:
        """Prepare for several objectives. If more than one is measured, the process selects all architectures.

        Raises:
            UserError: The settings ask for no process, and the controller cannot model all measured objectives.
        """
        super().pursue(goals)
        if len(goals.objectives.measured) > 1:
            self._leave_to_process("more than one measured objective")

    def respect(self, limits: MeasuredLimits) -> None:
        """Prepare for limits of measured metrics. The process selects all architectures.

        Raises:
            UserError: The settings ask for no process, and the controller models no limited metric.
        """
        super().respect(limits)
        self._leave_to_process(f"{limits.setting}, a limit of a measured metric")

    def _leave_to_process(self, reason: str) -> None:
        asked = self.settings.improvement
        if asked != 1 and (asked is not None or not self.has_process):
            raise config_error("strategy.improvement", asked, f"1 with {reason}")
        self._part_of_process, self.asks_singly = 1.0, True

    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[A, str]]:
        """Return architectures from gradient steps and favorites of the members, and those that a process selects.

        Random new architectures follow if these are too few.
        """
        made = self._improved(fit.controller, {**fit.labeled, **fit.pseudo_labeled}, n)
        self.leads = made
        of_process = round(self._part_of_process * n)
        chosen: list[A] = []
        origins: dict[A, str] = {}
        if of_process < n:
            chosen, origins = self._of_members(n - of_process, fit, made, rng)
        if of_process and self.sizes is None:  # Otherwise ``propose_more_fitted`` selects them one by one.
            further, sources = self._improver.choose(of_process, fit.labeled, chosen, made, rng)
            chosen, origins = [*chosen, *further], {**origins, **sources}
        return chosen, origins

    def _of_members(
        self, n: int, fit: Fit, made: list[A], rng: np.random.Generator
    ) -> tuple[list[A], dict[A, str]]:
        """Return architectures from gradient steps, favorites of the members, and the origin of each."""
        candidates = self._candidates(made, fit.pseudo_labeled, rng)
        scores = fit.controller.scores(candidates)
        choice = _Choice(candidates, scores)
        taken, kinds = self.taken, choice.kinds_of(self.pending)
        rows = choice.rows_of(made)
        orders = np.argsort(-scores, axis=1, kind="stable")
        if self.goals is not None:
            gains = self.gains(self.goals, fit.labeled, fit.controller, candidates, scores)
            orders = np.argsort(-gains, axis=1, kind="stable")
            rows = sorted(rows, key=lambda row: -gains[:, row].mean())
        of_gradient = choice.take(n - round(self.settings.favorites * n), rows, taken, kinds)
        chosen = list(of_gradient)
        for k in range(n - len(chosen)):
            chosen += choice.take(1, orders[(self.round + k) % len(orders)], taken, kinds)
        self._last_choice = choice, orders, chosen
        full = self.filled(chosen, n, rng)
        origins = dict.fromkeys(full, "random") | dict.fromkeys(chosen, "members")
        return full, origins | dict.fromkeys(of_gradient, "gradient")

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the architectures with the highest expected improvement, or further favorites of the members."""
        if self._part_of_process:
            start = time.perf_counter()
            chosen, origins = self._improver.choose(n, self.arrived, pending, self.leads, rng)
            seconds = {"fit_s": time.perf_counter() - start}
            return Proposal(chosen, predictions_of(self.controller_of_round, chosen), seconds, origins)
        return self._favorites(n, pending, rng)

    def _favorites(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose further favorites of the members of this round's controller, which take turns."""
        assert self._last_choice is not None
        choice, orders, of_round = self._last_choice
        known = self.known(pending)
        kinds = choice.kinds_of([*of_round, *self.recent, *pending])
        chosen: list[A] = []
        for k in range(n):
            turn = self.round + len(self.recent) + len(pending) + k
            chosen += choice.take(1, orders[turn % len(orders)], known, kinds)
        predictions = predictions_of(self.controller_of_round, chosen)
        full = self.filled(chosen, n, rng, known)
        return Proposal(
            full, predictions, origins=dict.fromkeys(full, "random") | dict.fromkeys(chosen, "members")
        )

    def _improved(self, controller: Controller[A], accuracies: dict[A, float], n: int) -> list[A]:
        """Return new architectures from gradient steps.

        The steps start from the architectures with the best labels and pseudo-labels. With the setting ``better``,
        the architecture with the best prediction comes first. Otherwise the order is the order of the steps.
        """
        if self.settings.favorites == 1 or (
            self._part_of_process == 1 and "gradient" not in self.settings.sources
        ):
            return []
        seeds = sorted(accuracies, key=lambda a: -accuracies[a])
        if self.limits is not None:
            seeds = [a for a in seeds if a not in self.further or self.is_feasible(a)]
        if self.goals is not None and len(self.goals.objectives.measured) == 1:
            of_seeds = self.goals.scores(seeds, [accuracies[a] for a in seeds], self.further)
            seeds = [seeds[i] for i in best_first(of_seeds)]
        seeds = seeds[: self.settings.num_seeds]
        wanted = round(self.settings.overgenerate * n)
        return improve(controller, seeds, wanted, self.taken, self.settings)

    def _candidates(self, made: list[A], pseudo: dict[A, float], rng: np.random.Generator) -> list[A]:
        """Return the candidates of a round.

        These are all architectures of the space if it has at most ``pool`` of them. Otherwise the candidates also
        include the architectures from gradient steps and the pseudo-labeled architectures.
        """
        pool = self.settings.pool
        candidates = self.candidates(pool, rng)
        return candidates if self.sees_all(pool) else list(dict.fromkeys([*made, *pseudo, *candidates]))


class NAO(SemiNAS[A]):
    """SemiNAS without pseudo-labels (Luo et al., "Neural Architecture Optimization", NeurIPS 2018).

    The config sets the ratio of pseudo-labels to 0, and rejects other ratios. NAO has no Gaussian process unless the
    settings ask for one.
    """

    has_process = False


class _Choice(Generic[A]):
    """Selection of candidates. If several candidates have the same scores (see ``DIGITS``), it takes only one of them.

    Candidates with the same scores are of one kind, which is a number.
    """

    def __init__(self, candidates: list[A], scores: NDArray[np.float64]) -> None:
        self._candidates = candidates
        self._kind = np.unique(scores.round(DIGITS), axis=1, return_inverse=True)[1].reshape(-1)
        self._row_of = {a: row for row, a in enumerate(candidates)}

    def rows_of(self, architectures: Collection[A]) -> list[int]:
        """Return the rows of the architectures that are candidates."""
        return [self._row_of[a] for a in architectures if a in self._row_of]

    def kinds_of(self, architectures: Collection[A]) -> set[int]:
        """Return the kinds of the architectures that are candidates."""
        return {int(self._kind[row]) for row in self.rows_of(architectures)}

    def take(self, n: int, order: Iterable[int], known: Collection[A], kinds: set[int]) -> list[A]:
        """Return the first ``n`` selected candidates, or fewer if the order has too few.

        A selected candidate is not known, and its kind is not among ``kinds``.

        Args:
            n: Number of candidates to select.
            order: Rows of the candidates in the order of preference.
            known: Architectures that are not selected.
            kinds: Kinds that are not selected. The kinds of the selected candidates are added.
        """
        chosen: list[A] = []
        for row in order if n > 0 else ():
            kind, architecture = int(self._kind[row]), self._candidates[row]
            if kind not in kinds and architecture not in known:
                kinds.add(kind)
                chosen.append(architecture)
                if len(chosen) == n:
                    break
        return chosen
