"""A saved view of a W&B project, built from code: the ablation over labeled architectures."""

import json
from pathlib import Path
from typing import Any

from seminas.errors import UserError, first_line
from seminas.storage.files import write_file

STEP = "trainer/global_step"
STRATEGY, LABELED = "names.strategy", "search.num_labeled"
RATIO, SPACE = "search.pseudo_label_ratio", "names.space"


def ablation_view(entity: str, project: str, name: str, group: str | None) -> Any:
    """Return the view, a ``wandb_workspaces.workspaces.Workspace``.

    Args:
        entity: User or team.
        project: W&B's.
        name: What the view is called.
        group: Show the runs of this sweep alone.
    """
    import wandb_workspaces.reports.v2 as reports
    import wandb_workspaces.workspaces as workspaces

    def bars(metric: str, key: str) -> Any:
        return reports.BarPlot(
            title=f"{metric} by {key}",
            metrics=[reports.SummaryMetric(metric)],
            groupby=reports.Config(key),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            orientation="v",
        )

    def curve(metric: str, title: str, key: str) -> Any:
        return reports.LinePlot(
            title=title,
            x=STEP,
            y=[metric],
            title_x="evaluations",
            groupby=f"config.{key}",
            groupby_aggfunc="mean",
            groupby_rangefunc="stderr",
        )

    def scatter(key: str) -> Any:
        return reports.ScatterPlot(
            title=f"final test accuracy over {key}",
            x=reports.Config(key),
            y=reports.SummaryMetric("final/test_accuracy"),
        )

    def ablation(question: str, key: str, what: str) -> Any:
        panels = [
            scatter(key),
            bars("final/test_accuracy", key),
            curve("best_val_accuracy", f"best so far, by {what}", key),
        ]
        return workspaces.Section(name=question, is_open=True, panels=panels)

    sections = [
        ablation("How many labels does it need?", LABELED, "labeled architectures"),
        ablation("What are pseudo-labels worth?", RATIO, "pseudo-labels for each label"),
        workspaces.Section(
            name="Who wins at equal labels?",
            is_open=True,
            panels=[
                curve("best_val_accuracy", "best so far, by strategy", STRATEGY),
                bars("final/test_accuracy", STRATEGY),
                bars("final/best_val_accuracy", SPACE),
            ],
        ),
        workspaces.Section(
            name="Single searches",
            is_open=False,
            panels=[
                reports.MediaBrowser(
                    media_keys=["search_curve", "best_architecture", "predictions"], num_columns=3
                ),
                reports.LinePlot(title="evaluations", x=STEP, y=["val_accuracy", "prediction"]),
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
    """Write the view's definition as JSON, as W&B would get it."""
    definition = json.loads(view._to_model().model_dump_json(by_alias=True, exclude_none=True))
    write_file(path, json.dumps(definition, indent=2, ensure_ascii=False).encode() + b"\n")


def default_entity() -> str:
    """Return the entity of the login; raises UserError where there is none."""
    import wandb

    try:
        entity = wandb.Api().default_entity
    except Exception as error:  # Of requests or W&B: no network, no login.
        raise UserError(f"W&B: {first_line(error)}; --out FILE writes the definition without it") from error
    if not entity:
        raise UserError("--entity: W&B knows no default, give one")
    return str(entity)


def save_view(view: Any) -> str:
    """Save the view in W&B; returns its address.

    Raises:
        UserError: W&B does not take it: no network, no login, no such project.
    """
    try:
        view.save()
        return str(view.url)
    except Exception as error:  # Of requests, W&B or its package: whatever stands between us and the server.
        raise UserError(f"W&B: {first_line(error)}; --out FILE writes the definition without it") from error
