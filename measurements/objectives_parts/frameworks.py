"""Other frameworks with several objectives: NSGA-II of pymoo, and a Gaussian process of BoTorch.

All of them evaluate distinct architectures. The exact cost is known to them, as it is to seminas.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.runs.objectives import Objectives
from seminas.spaces.base import EnumerableSpace

Search = Callable[[EnumerableSpace[Any], NDArray[np.float64], Objectives, int, int], list[int]]
"""A search. Its arguments are the space, the scores of all architectures, the objectives, the seed, and the number of
evaluations. It returns the row of each evaluated architecture in order."""
POPULATION = 20
"""Size of the population of pymoo's NSGA-II, and number of random architectures of BoTorch's process, as of ours."""
NUM_DRAWS = 64
"""Number of quasi-random draws of BoTorch's acquisition function."""
PATIENCE = 50
"""Number of generations in a row without a new architecture, after which random ones follow."""


def pymoo_nsga2(
    space: EnumerableSpace[Any],
    scores: NDArray[np.float64],
    objectives: Objectives,
    seed: int,
    queries: int,
) -> list[int]:
    """Search with pymoo's NSGA-II. A mutation is a random neighbor, which exists in every space. There is no crossover.

    A repeat costs no evaluation.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.crossover import Crossover
    from pymoo.core.duplicate import ElementwiseDuplicateElimination
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem
    from pymoo.core.sampling import Sampling

    rng = np.random.default_rng(seed)

    class Cells(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=1, n_obj=2, vtype=int)

        def _evaluate(self, x: Any, out: Any, *args: Any, **kwargs: Any) -> None:
            out["F"] = -scores[np.asarray(x, dtype=np.int64)[:, 0]]

    class Drawn(Sampling):
        def _do(self, problem: Any, n_samples: int, **kwargs: Any) -> Any:
            drawn = space.sample(n_samples, rng)
            return space.index(drawn)[:, None]

    class Neighbor(Mutation):
        def _do(self, problem: Any, x: Any, **kwargs: Any) -> Any:
            parents = space.at(np.asarray(x, dtype=np.int64)[:, 0])
            return space.index([space.mutate(parent, rng) for parent in parents])[:, None]

    class Copies(Crossover):
        def __init__(self) -> None:
            super().__init__(2, 2)

        def _do(self, problem: Any, x: Any, **kwargs: Any) -> Any:
            return x

    class Equal(ElementwiseDuplicateElimination):
        def is_equal(self, a: Any, b: Any) -> bool:
            return bool(a.X[0] == b.X[0])

    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=Drawn(),
        crossover=Copies(),
        mutation=Neighbor(prob=1.0),
        eliminate_duplicates=Equal(),
    )
    algorithm.setup(Cells(), seed=seed, termination=("n_gen", 10**9), verbose=False)
    found: dict[int, None] = {}
    without = 0
    while len(found) < queries and without < PATIENCE:
        before = len(found)
        offspring = algorithm.ask()
        algorithm.evaluator.eval(algorithm.problem, offspring)
        found |= dict.fromkeys(int(i) for i in offspring.get("X")[:, 0])
        algorithm.tell(infills=offspring)
        without = 0 if len(found) > before else without + 1
    rest = [int(i) for i in rng.permutation(space.size) if int(i) not in found]
    return [*found, *rest][:queries]


def botorch_ehvi(
    space: EnumerableSpace[Any], scores: NDArray[np.float64], objectives: Objectives, seed: int, queries: int
) -> list[int]:
    """Search with qLogEHVI of BoTorch. All architectures of the space are candidates.

    A ``SingleTaskGP`` with BoTorch's defaults reads the one-hot features of the space and models the accuracy. A
    deterministic model states the exact cost.
    """
    import torch
    from botorch.acquisition.multi_objective.logei import qLogExpectedHypervolumeImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelList, SingleTaskGP
    from botorch.models.deterministic import GenericDeterministicModel
    from botorch.models.transforms import Standardize
    from botorch.sampling.get_sampler import get_sampler
    from botorch.utils.multi_objective.box_decompositions.non_dominated import (
        FastNondominatedPartitioning,
    )
    from gpytorch.mlls import ExactMarginalLogLikelihood

    warnings.filterwarnings("ignore")
    torch.manual_seed(seed)
    every = space.at(np.arange(space.size))
    features = torch.as_tensor(space.features(every), dtype=torch.float64)
    features = features[:, features.std(dim=0) > 0]
    # The last column is the cost, in units of the largest one. The process does not read it.
    unit = np.abs(scores[:, 1]).max()
    cost = torch.as_tensor(scores[:, 1:] / unit)
    inputs = torch.cat([features, cost], dim=1)
    values = torch.as_tensor(scores / np.array([1.0, unit]))
    columns = list(range(features.shape[1]))
    found = [int(i) for i in space.index(space.sample(POPULATION, np.random.default_rng(seed)))]
    reference = torch.as_tensor(
        objectives.reference(scores[found]) / np.array([1.0, unit]), dtype=torch.float64
    )
    while len(found) < queries:
        process = SingleTaskGP(
            inputs[found][:, columns], values[found, :1], outcome_transform=Standardize(m=1)
        )
        fit_gpytorch_mll(ExactMarginalLogLikelihood(process.likelihood, process))
        model = ModelList(
            _OnColumns(process, columns), GenericDeterministicModel(lambda x: x[..., -1:], num_outputs=1)
        )
        acquisition = qLogExpectedHypervolumeImprovement(
            model,
            reference,
            FastNondominatedPartitioning(reference, values[found]),
            sampler=get_sampler(model.posterior(inputs[:1]), torch.Size([NUM_DRAWS]), seed=seed),
        )
        with torch.no_grad():
            parts = [acquisition(part[:, None]) for part in inputs.split(2048)]
        gains = torch.cat(parts)
        gains[found] = -torch.inf
        found.append(int(gains.argmax()))
    return found


def _OnColumns(process: Any, columns: list[int]) -> Any:
    """Return a model that reads some columns of the inputs with a fitted process."""
    from botorch.models.model import Model

    class OnColumns(Model):
        num_outputs = 1

        @property
        def batch_shape(self) -> Any:
            return process.batch_shape

        def posterior(self, X: Any, *args: Any, **kwargs: Any) -> Any:
            return process.posterior(X[..., columns], *args, **kwargs)

    return OnColumns()


FRAMEWORKS: dict[str, Search] = {"pymoo_nsga2": pymoo_nsga2, "botorch_ehvi": botorch_ehvi}
PACKAGES = {"pymoo_nsga2": "pymoo", "botorch_ehvi": "botorch"}
"""Module of each framework."""
