"""Every strategy with small settings, for tests."""

from collections.abc import Callable
from dataclasses import replace

from seminas.config import strategies as settings
from seminas.config.controller import ControllerSettings, EncoderSettings, StudentSettings, TeacherSettings
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.strategies.bananas import Bananas
from seminas.strategies.base import Strategy
from seminas.strategies.evolution import Evolution
from seminas.strategies.gaussian_process import GaussianProcess
from seminas.strategies.local_search import LocalSearch
from seminas.strategies.random import RandomSearch
from seminas.strategies.seminas import NAO, SemiNAS
from seminas.strategies.seminas_evolution import SemiNASEvolution
from support import with_sections

SMALL = ControllerSettings(
    EncoderSettings(hidden=16),
    teachers=TeacherSettings(members=2, steps=20, gaussian_process=0.0),
    student=StudentSettings(steps=20),
)
LONGER = ControllerSettings(teachers=TeacherSettings(steps=150), student=StudentSettings(steps=100))
PAPER = replace(
    with_sections(
        SMALL,
        encoder={"kind": "paper"},
        teachers={"members": 1, "steps": 10},
        student={"steps": 10},
        targets={"kind": "standard"},
    ),
    warm_start=True,
)
FEW_STEPS = settings.SemiNASSettings(num_seeds=20, max_steps=5, pool=200, improvement=0.0)
AS_THE_PAPER = replace(FEW_STEPS, step_size=1.0, raw_gradient=True, better=False, favorites=0, pool=0)
Make = Callable[[NASBench101, int], Strategy[Cell]]


def semi(space: NASBench101, seed: int, ratio: float = 10) -> SemiNAS[Cell]:
    return SemiNAS(space, seed, FEW_STEPS, SMALL, ratio)


MAKERS: dict[str, Make] = {
    "random": RandomSearch,
    "seminas": semi,
    "seminas_process": lambda space, seed: SemiNAS(
        space, seed, replace(FEW_STEPS, improvement=0.4), SMALL, 10
    ),
    "nao": lambda space, seed: NAO(space, seed, FEW_STEPS, SMALL, 0),
    "paper": lambda space, seed: SemiNAS(space, seed, AS_THE_PAPER, PAPER, 10),
    "seminas_evolution": lambda space, seed: SemiNASEvolution(
        space, seed, settings.SemiNASEvolutionSettings(children=3), SMALL, 10
    ),
    "evolution": lambda space, seed: Evolution(space, seed, settings.EvolutionSettings()),
    "local_search": lambda space, seed: LocalSearch(space, seed, settings.LocalSearchSettings()),
    "local_search_first": lambda space, seed: LocalSearch(
        space, seed, settings.LocalSearchSettings(first_improvement=True)
    ),
    "bananas": lambda space, seed: Bananas(
        space, seed, settings.BananasSettings(steps=20, num_candidates=100)
    ),
    "gaussian_process": lambda space, seed: GaussianProcess(
        space, seed, settings.GaussianProcessSettings(max_candidates=500)
    ),
}
