"""``seminas search``, ``train``, ``supernet`` and ``predictor``: the experiments as commands of ``seminas``."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import typer

EXPERIMENTS = {
    "search": ("Search for the best architecture.", "seminas search space=nasbench101 search.max_queries=50"),
    "train": ("Train one network to the end.", "seminas train architecture_from=RUN recipe=modern"),
    "supernet": (
        "Train the weight-sharing supernet of a space.",
        "seminas supernet space=mobilenet_small data=digits",
    ),
    "predictor": ("Measure how well a predictor ranks.", "seminas predictor evaluator.path=digits101"),
}
"""Name of each experiment, what it does, and an example."""
PANEL = "Experiments (KEY=VALUE sets a setting, -m runs a sweep)"


def add_experiments(app: typer.Typer) -> None:
    """Add the experiments, whose arguments are Hydra's, to ``seminas``."""
    for name, (what, example) in EXPERIMENTS.items():
        app.command(
            name,
            help=what,
            short_help=f"{what} Example: {example}",
            add_help_option=False,
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
            rich_help_panel=PANEL,
        )(_experiment(name))


def _experiment(name: str) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        # Hydra reads the arguments by itself, and names the program by the first.
        sys.argv = [str(Path(sys.argv[0]).with_name(f"seminas-{name}")), *context.args]
        import_module(f"seminas.commands.{name}").main()

    return run
