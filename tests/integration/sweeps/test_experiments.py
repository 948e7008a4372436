"""Test the experiments in ``conf/``: the authors' searches have their settings, and every study is a full sweep."""

from collections.abc import Callable
from typing import Any

import pytest
from omegaconf import OmegaConf

from seminas.config.build import build, read
from seminas.config.compose import CONFIG_DIR
from seminas.config.controller import ControllerSettings
from seminas.config.names import num_jobs
from seminas.config.search import SearchSettings
from seminas.loop.plan import make_plan
from seminas.spaces.nasbench101 import NASBench101
from seminas.strategies.base import Strategy

Configure = Callable[..., dict[str, Any]]
SINGLE = {"paper300", "paper2000", "pictures", "controller_optuna"}
EXPERIMENTS = sorted({path.stem for path in (CONFIG_DIR / "experiment").glob("*.yaml")} - SINGLE)


@pytest.mark.parametrize(
    ("name", "queries", "pseudo"), [("paper300", 300, 10_000), ("paper2000", 2_000, 10_000)]
)
def test_the_authors_searches_are_theirs(
    configure: Configure, space: NASBench101, name: str, queries: int, pseudo: int
) -> None:
    """Check the sizes and settings of the authors' two releases: the raw gradient in steps of 1, and no favorites."""
    config = configure("search", f"experiment={name}", "evaluator.path=digits101")
    search: SearchSettings = read(config["search"], "search", SearchSettings)
    controller: ControllerSettings = read(config["controller"], "controller", ControllerSettings)
    strategy: Any = build(
        config["strategy"],
        "strategy",
        Strategy,
        space=space,
        seed=0,
        controller=controller,
        pseudo_label_ratio=search.pseudo_label_ratio,
    )
    sizes = make_plan(search, 423_624, strategy.round_sizes).sizes()
    assert sum(sizes) == queries and round(strategy.pseudo_label_ratio * sizes[0]) == pseudo
    settings = strategy.settings
    assert (settings.favorites, settings.pool, settings.step_size, settings.max_steps) == (0, 0, 1, 100)
    assert settings.raw_gradient and not settings.better and controller.warm_start
    model = (controller.encoder.hidden, tuple(controller.head.widths), controller.student.upsampling)
    assert model == ((16, (64,), 100) if name == "paper300" else (64, (16,), 10))


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if not name.startswith("speech")])
def test_every_experiment_is_a_complete_multirun_with_seeds(configure: Configure, name: str) -> None:
    entry = "predictor" if name == "predictor" else "search"
    config = configure(entry, f"experiment={name}")
    params = OmegaConf.load(CONFIG_DIR / "experiment" / f"{name}.yaml").hydra.sweeper.params
    assert "seed" in params and len(params) >= 2
    assert config["evaluator"].get("path", "digits101") == "digits101"
    for values in params.values():
        assert num_jobs(
            OmegaConf.create({"hydra": {"sweeper": {"params": {"x": values}}, "overrides": {"task": []}}})
        )
