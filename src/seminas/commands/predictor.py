"""``seminas-predictor``: measure how well a predictor ranks architectures, given N labels and M pseudo-labels."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from seminas.commands.job import command_line, run_once
from seminas.commands.proxies import with_proxies
from seminas.config.build import build_section, read_section
from seminas.config.controller import ControllerSettings
from seminas.config.predictors import PredictorSettings
from seminas.runs.folder import RunFolder
from seminas.runs.results import PredictorResult
from seminas.storage.values import Config


def run(config: Config, folder: RunFolder, quiet: bool = False) -> float:
    """Measure how well a predictor ranks architectures, and write the result into a folder.

    Args:
        config: Checked config.
        folder: Run folder.
        quiet: Whether to hide the result.

    Returns:
        Kendall's τ on the ranked architectures, or -1 if all predictions or all accuracies are equal.

    Raises:
        UserError: The config or the folder is not valid.
    """
    result = run_once(config, folder, quiet, study, print_result)
    return -1.0 if result is None or result.kendall_tau is None else result.kendall_tau


def study(config: Config, folder: RunFolder, quiet: bool) -> PredictorResult:
    """Build the predictor and the evaluator, measure the ranking, and write the result.

    Raises:
        UserError: The config or the folder is not valid.
    """
    from seminas.evaluators.base import Evaluator
    from seminas.predictors.base import Predictor
    from seminas.predictors.study import PredictorStudy
    from seminas.runs.loggers import build_loggers, closing_loggers, log_config, log_numbers
    from seminas.spaces.base import EnumerableSpace

    settings: PredictorSettings = read_section(config, "predictor", PredictorSettings)
    space: EnumerableSpace = build_section(config, "space", EnumerableSpace)
    controller = read_section(config, "controller", ControllerSettings)
    ratio = settings.pseudo_label_ratio
    predictor: Predictor = build_section(
        config, "model", Predictor, controller=controller, pseudo_label_ratio=ratio
    )
    evaluator: Any = build_section(config, "evaluator", Evaluator, space=space, seed=config["seed"])
    space = with_proxies(config, space, space)
    study = PredictorStudy(settings, space, evaluator, config["seed"])
    with folder.claim(config):
        loggers = build_loggers(config["logger"], folder.path)
        with closing_loggers(loggers):
            log_config(loggers, config)
            measured = study.measure(predictor)
            result = PredictorResult(
                space=space.name,
                seed=config["seed"],
                model=config["names"]["model"],
                **measured,
                **folder.timing(),
                config=config,
            )
            values = {**asdict(result), **result.top_k}
            log_numbers(loggers, {name: v for name, v in values.items() if isinstance(v, float)}, step=0)
        folder.write_result(result)
    return result


def print_result(result: PredictorResult, folder: Path) -> None:
    """Print the result as a table, and name its folder."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, title=f"{result.model} on {result.space}")
    values = {
        name: value for name, value in asdict(result).items() if name not in ("config", "folder", "top_k")
    }
    for name, value in {**values, **result.top_k}.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    console = Console()
    console.print(table)
    console.print(f"in {folder}", soft_wrap=True, markup=False, highlight=False)


main = command_line("predictor", run)
