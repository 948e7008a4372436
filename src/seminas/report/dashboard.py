"""Build and save a view of a W&B project, with ablations over labels and pseudo-labels."""

import json
from pathlib import Path
from typing import Any

from seminas.errors import UserError, first_line
from seminas.runs.metric import ACCURACY, Metric
from seminas.storage.files import write_file

STEP = "trainer/global_step"
STRATEGY, LABELED = "names.strategy", "search.num_labeled"
RATIO, SPACE = "search.pseudo_label_ratio", "names.space"


def ablation_view(entity: str, project: str, name: str, group: str | None, metric: Metric = ACCURACY) -> Any:
    """Return the view, a ``wandb_workspaces.workspaces.Workspace``.

    Args:
        entity: W&B user or team.
        project: W&B project.
        name: Name of the view.
        group: Folder name of the only sweep that the view shows. None shows all runs.
        metric: Metric of the runs.
    """
    import wandb_workspaces.reports.v2 as reports
    import wandb_workspaces.workspaces as workspaces

    def bars(number: str, key: str) -> Any:
        return reports.BarPlot(
            title=f"{number} by {key}",
            metrics=[reports.SummaryMetric(number)],
            groupby=reports.Config(key),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            orientation="v",
        )

    def curve(number: str, title: str, key: str) -> Any:
        return reports.LinePlot(
            title=title,
            x=STEP,
            y=[number],
            title_x="evaluations",
            groupby=f"config.{key}",
            groupby_aggfunc="mean",
            groupby_rangefunc="stderr",
        )

    def scatter(key: str) -> Any:
        return reports.ScatterPlot(
            title=f"final {metric.test_title} over {key}",
            x=reports.Config(key),
            y=reports.SummaryMetric(f"final/{metric.test_name}"),
        )

    def ablation(question: str, key: str, title: str) -> Any:
        panels = [
            scatter(key),
            bars(f"final/{metric.test_name}", key),
            curve(metric.best_name, f"best so far, by {title}", key),
        ]
        return workspaces.Section(name=question, is_open=True, panels=panels)

    sections = [
        ablation("How many labels does it need?", LABELED, "labeled architectures"),
        ablation("What are pseudo-labels worth?", RATIO, "pseudo-labels for each label"),
        workspaces.Section(
            name="Who wins at equal labels?",
            is_open=True,
            panels=[
                curve(metric.best_name, "best so far, by strategy", STRATEGY),
                bars(f"final/{metric.test_name}", STRATEGY),
                bars(f"final/{metric.best_name}", SPACE),
            ],
        ),
        workspaces.Section(
            name="Single searches",
            is_open=False,
            panels=[
                reports.MediaBrowser(
                    media_keys=["search_curve", "best_architecture", "predictions"], num_columns=3
                ),
                reports.LinePlot(title="evaluations", x=STEP, y=[metric.name, "prediction"]),
            ],
        ),
    ]
    runs = workspaces.RunsetSettings(
        groupby=[workspaces.Config(STRATEGY), workspaces.Config(LABELED), workspaces.Config(RATIO)],
        filters=f"Metric('Group') = '{group}'" if group else [],
    )
    return workspaces.Workspace(
        entity=entity, project=project, name=name, sections=sections, runset_settings=runs
    )


def write_view(view: Any, path: Path) -> None:
    """Write the view's definition to a file, in the JSON form that W&B receives.

    Raises:
        UserError: The file cannot be written.
    """
    definition = json.loads(view._to_model().model_dump_json(by_alias=True, exclude_none=True))
    write_file(path, json.dumps(definition, indent=2, ensure_ascii=False).encode() + b"\n")


def default_entity() -> str:
    """Return the default entity of the W&B login.

    Raises:
        UserError: W&B cannot be reached, nobody has logged in, or the login has no default entity.
    """
    import wandb

    try:
        entity = wandb.Api().default_entity
    except Exception as error:  # requests or W&B raises it, for example without a network or a login.
        raise UserError(f"W&B: {first_line(error)}; --out FILE writes the definition without it") from error
    if not entity:
        raise UserError("--entity: W&B knows no default, give one")
    return str(entity)


def save_view(view: Any) -> str:
    """Save the view in W&B, and return its address.

    Raises:
        UserError: W&B cannot save the view, for example without a network, a login or the project.
    """
    try:
        view.save()
        return str(view.url)
    except Exception as error:  # requests, W&B or its workspaces package may raise any exception.
        raise UserError(f"W&B: {first_line(error)}; --out FILE writes the definition without it") from error
