"""What W&B gets beside the metrics: the architectures as a table with drawings, and the figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from seminas.loop.drawing import draw_architecture
from seminas.runs.archive import Archive
from seminas.spaces.base import SearchSpace

MOST_DRAWN = 20
"""The best architectures of a search that are drawn in the table."""
COLUMNS = ("index", "round", "architecture", "val_accuracy", "prediction", "cost_s", "error", "drawing")


def media(space: SearchSpace, archive: Archive, figures: Sequence[Path]) -> dict[str, Any]:
    """Return a search's table and figures (PNG files) as a row of W&B's history."""
    import wandb

    done = [r for r in archive.records if r.val_accuracy is not None]
    drawn = {r.index for r in sorted(done, key=lambda r: (-(r.val_accuracy or 0), r.index))[:MOST_DRAWN]}
    table = wandb.Table(columns=list(COLUMNS))
    for r in archive.records:
        drawing = wandb.Image(_pixels(space, r.architecture)) if r.index in drawn else None
        table.add_data(r.index, r.round, r.key, r.val_accuracy, r.prediction, r.cost_s, r.error, drawing)
    return {"architectures": table, **{file.stem: wandb.Image(str(file)) for file in figures}}


def _pixels(space: SearchSpace, architecture: Any) -> np.ndarray:
    """A drawing, bytes ``[height, width, 4]``."""
    figure = draw_architecture(space, space.from_json(architecture))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()
