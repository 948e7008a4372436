"""Make the experiments ``search``, ``train``, ``supernet`` and ``predictor`` commands of ``seminas``."""

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
"""Description and example of each experiment, by its name."""
PANEL = "Experiments (KEY=VALUE sets a setting, -m runs a sweep)"


def add_experiments(app: typer.Typer) -> None:
    """Add the experiments to ``seminas``. Hydra parses their arguments."""
    for name, (description, example) in EXPERIMENTS.items():
        app.command(
            name,
            help=description,
            short_help=f"{description} Example: {example}",
            add_help_option=False,
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
            rich_help_panel=PANEL,
        )(_experiment(name))


def _experiment(name: str) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        # Hydra reads sys.argv itself, and takes the program's name from the first entry.
        sys.argv = [str(Path(sys.argv[0]).with_name(f"seminas-{name}")), *context.args]
        import_module(f"seminas.commands.{name}").main()

    return run
