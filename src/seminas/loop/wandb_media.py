"""What W&B gets beside the metrics: the architectures as a table with drawings, and the figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from seminas.loop.drawing import draw_architecture
from seminas.runs.archive import Archive
from seminas.runs.objectives import Objectives, front_of
from seminas.spaces.base import SearchSpace

MOST_DRAWN = 20
"""The best architectures of a search that are drawn in the table."""


def columns(*metrics: str) -> list[str | int]:
    """Return the columns of the table of architectures, with those of some metrics."""
    return ["index", "round", "architecture", *metrics, "prediction", "cost_s", "error", "drawing"]


def media(space: SearchSpace, archive: Archive, figures: Sequence[Path]) -> dict[str, Any]:
    """Return a search's table and figures (PNG files) as a row of W&B's history."""
    import wandb

    metric, done = archive.metric, [(r.final, r.index) for r in archive.records if r.final is not None]
    best_first = sorted(done, key=lambda pair: (-metric.score(pair[0]), pair[1]))
    drawn = {index for _, index in best_first[:MOST_DRAWN]}
    further = list(dict.fromkeys(name for r in archive.records for name in r.metrics))
    table = wandb.Table(columns=columns(metric.name, *further))
    for r in archive.records:
        drawing = wandb.Image(_pixels(space, r.architecture)) if r.index in drawn else None
        values = [r.value, *(r.metrics.get(name) for name in further)]
        table.add_data(r.index, r.round, r.key, *values, r.prediction, r.cost_s, r.error, drawing)
    row = {"architectures": table}
    if archive.objectives is not None:
        row |= _front(archive, archive.objectives)
    return {**row, **{file.stem: wandb.Image(str(file)) for file in figures}}


def _front(archive: Archive, objectives: Objectives) -> dict[str, Any]:
    """Return the front as a table with a chart of its first two objectives."""
    import wandb

    records, _ = front_of(objectives, [*archive.imported, *archive.records])
    table = wandb.Table(columns=["index", "architecture", *objectives.names])
    for r in records:
        table.add_data(r.index, r.key, *(objectives.values(r) or ()))
    x, y = objectives.names[1], objectives.names[0]
    return {"front": table, "front_chart": wandb.plot.scatter(table, x, y, title="front")}


def _pixels(space: SearchSpace, architecture: Any) -> np.ndarray:
    """A drawing, bytes ``[height, width, 4]``."""
    figure = draw_architecture(space, space.from_json(architecture))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()
