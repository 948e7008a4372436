"""One problem, and searches of it: by a strategy of seminas, or by another framework under the same rules."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np

import seminas
from peers_parts.frameworks import PEERS, Choices, Peer
from seminas.commands.api import composed
from seminas.config.build import build_section
from seminas.config.check import checked
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.isolated import build_evaluator
from seminas.loop.outcome import incumbents
from seminas.spaces.base import SearchSpace
from seminas.spaces.sequence import SequenceSpace
from seminas.tables import find_table

OURS = ("seed", "strategy", "search.max_queries", "evaluator.num_workers", "logger")
"""Keys that the command sets itself."""


class Best(TypedDict):
    """An evaluation with a higher validation accuracy than all before it: its position and accuracies, fractions."""

    index: int
    val_accuracy: float
    test_accuracy: float | None


@dataclass(frozen=True)
class Row:
    """One search: a line of ``results.jsonl``. Accuracies are fractions.

    Attributes:
        problem: Name of the problem.
        method: Strategy of seminas, or method of another framework.
        version: Name and version of the package of the method.
        seed: Seed of the search, and of the training run that the search sees of each architecture.
        queries: Number of evaluations that the search was given.
        architectures: Evaluated architectures in order. Of a chain, the number of the choice at each position.
        val_accuracies: Their validation accuracies.
        incumbents: Each evaluation with a higher validation accuracy than all before it, with its test accuracy.
        best_there_is: Highest validation and test accuracy of all candidates, as far as they are known.
        repeats: Number of times that a framework asked for an evaluated architecture again.
        randoms: Number of random architectures in place of such repeats.
        cpu_s, wall_s: Processor time and duration of the search, in seconds.
    """

    NAME: ClassVar[str] = "result"
    RENAMED: ClassVar[dict[str, str]] = {}

    problem: str
    method: str
    version: str
    architectures: list[str]
    val_accuracies: list[float]
    incumbents: list[Best]
    best_there_is: dict[str, float] | None
    seed: int
    queries: int
    repeats: int
    randoms: int
    cpu_s: float
    wall_s: float


def _best_so_far(found: dict[Any, float], evaluator: Evaluator[Any]) -> list[Best]:
    """Return each evaluation with a higher validation accuracy than all before it."""
    return [
        Best(index=best["index"], val_accuracy=best["value"], test_accuracy=best["test_value"])
        for best in incumbents(list(found.values()), list(found).__getitem__, evaluator)
    ]


class Problem:
    """A space with its table or landscape."""

    def __init__(self, overrides: Sequence[str]) -> None:
        """Read the config of a problem.

        Args:
            overrides: Settings as of ``seminas-search``.

        Raises:
            UserError: A setting is not valid, the command sets it itself, or evaluations would be trainings.
        """
        self.overrides = list(overrides)
        for override in overrides:
            key = override.partition("=")[0].lstrip("+~")
            if key in OURS:
                raise UserError(f"{override}: this command sets {key} itself; see --help")
        space, evaluator, config = self.parts(0)
        with closing(evaluator):
            self.is_product = isinstance(space, SequenceSpace) and space.size == prod(space.num_choices)
            # A part of a space is no product.
            self.is_product &= evaluator.members() is None
        names = [o for o in overrides if not o.startswith("evaluator.path=")]
        if path := config["evaluator"].get("path"):
            file = find_table(path)
            with np.load(file) as arrays:
                digest = arrays["sha256"].tobytes().hex()
            names.append(f"evaluator.path={file.name} (SHA-256 {digest[:12]})")
        self.name = " ".join(sorted(names))

    def parts(self, seed: int) -> tuple[SearchSpace[Any], Evaluator[Any], dict[str, Any]]:
        """Return the space, the evaluator and the config of a search with a seed."""
        with composed("search", [*self.overrides, f"seed={seed}", "logger=[]"], None) as (config, _):
            values: Any = checked(config, "search")
        name = values["names"]["evaluator"]
        if name not in ("table", "landscape"):
            raise UserError(f"evaluator={name}: must be table or landscape")
        space: SearchSpace[Any] = build_section(values, "space", SearchSpace)
        context = {"space": space, "seed": seed, "folder": Path()}
        return space, build_evaluator(values["evaluator"], context), values

    def search(self, method: str, seed: int, queries: int, most_repeats: int) -> Row:
        """Run one search, and return its row.

        Args:
            method: Strategy of seminas, or a name of ``PEERS``.
            seed: Seed of the search.
            queries: Number of evaluations.
            most_repeats: Number of repeats in a row after which a framework gets a random architecture.
        """
        space, evaluator, _ = self.parts(seed)
        with closing(evaluator), tempfile.TemporaryDirectory() as folder:
            start, cpu_start = time.perf_counter(), time.process_time()
            repeats = randoms = 0
            if method in PEERS:
                version = PEERS[method].version()
                assert isinstance(space, SequenceSpace)
                peer = PEERS[method].make(space.num_choices, seed, queries, Path(folder))
                rng = np.random.default_rng(seed)
                found, repeats, randoms = run_peer(peer, space, evaluator, queries, most_repeats, rng)
            else:
                version = f"seminas {seminas.__version__}"
                found = self._searched(method, seed, queries, f"{folder}/run", space)
            wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
            best = evaluator.best_there_is()
            return Row(
                problem=self.name,
                method=method,
                version=version,
                seed=seed,
                queries=queries,
                architectures=[_written(space, architecture) for architecture in found],
                val_accuracies=list(found.values()),
                incumbents=_best_so_far(found, evaluator),
                best_there_is=best,
                repeats=repeats,
                randoms=randoms,
                cpu_s=round(cpu_s, 3),
                wall_s=round(wall_s, 3),
            )

    def _searched(
        self, strategy: str, seed: int, queries: int, folder: str, space: SearchSpace[Any]
    ) -> dict[Any, float]:
        """Run a search of seminas. Return the accuracy of each architecture."""
        own = [f"strategy={strategy}", f"seed={seed}", f"search.max_queries={queries}", "logger=[]"]
        result = seminas.search([*self.overrides, *own], folder=folder, quiet=True)
        return {space.from_json(r.architecture): float(r.val_accuracy or 0.0) for r in result.history}


def run_peer(
    peer: Peer,
    space: SequenceSpace,
    evaluator: Evaluator[Choices],
    queries: int,
    most_repeats: int,
    rng: np.random.Generator,
) -> tuple[dict[Choices, float], int, int]:
    """Run a search of another framework, until it has evaluated ``queries`` distinct architectures.

    A repeat costs no evaluation. The framework is told the same accuracy again, and is asked again. After
    ``most_repeats`` repeats in a row, or if the framework has no more architectures, a random one takes its turn.

    Returns:
        The validation accuracy of each architecture in order, the number of repeats, and the number of random ones.
    """
    found: dict[Choices, float] = {}
    repeats = randoms = in_a_row = 0
    while len(found) < min(queries, space.size):
        choices = None if in_a_row >= most_repeats else peer.ask()
        if choices in found:
            peer.tell(found[choices])
            repeats, in_a_row = repeats + 1, in_a_row + 1
            continue
        is_random, in_a_row = choices is None, 0
        if choices is None:
            (choices,) = space.sample(1, rng, exclude=list(found))
            randoms += 1
        ((_, evaluation),) = evaluator.evaluate([choices])
        accuracy = float(evaluation.val_accuracy or 0.0)
        found[choices] = accuracy
        if is_random:
            peer.add(choices, accuracy)
        else:
            peer.tell(accuracy)
    return found, repeats, randoms


def _written(space: SearchSpace[Any], architecture: Any) -> str:
    """Return an architecture as short text: of a chain the numbers of its choices, otherwise its key."""
    if not isinstance(space, SequenceSpace):
        return space.key(architecture)
    return ("" if max(architecture) < 10 else " ").join(map(str, architecture))
