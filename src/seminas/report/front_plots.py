"""Draw Pareto fronts: attainment surfaces with their bands."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from seminas.loop.scales import free_corner
from seminas.report.fronts import Plane
from seminas.report.plots import style


def surfaces(planes: Sequence[Plane]) -> Figure:
    """Return a figure of attainment surfaces, with an axis for each plane.

    A line is the median surface. Its band is between the quartiles.
    """
    figure = Figure(figsize=(11 if len(planes) > 1 else 6.5, 4.4), layout="constrained")
    grid = figure.subplots(1, len(planes), squeeze=False)[0]
    for axes, plane in zip(grid, planes, strict=True):
        for i, shown in enumerate(plane.surfaces):
            axes.plot(*shown.median.T, label=shown.label, **style(i))
            axes.fill(*shown.band.T, color=f"C{i % 10}", alpha=0.15, linewidth=0)
        x, y = plane.objectives[plane.x], plane.objectives[plane.y]
        axes.set(xlabel=x.labeled(x.title), ylabel=y.labeled(y.title))
        axes.grid(alpha=0.3)
    grid[0].legend(fontsize="small", loc=free_corner(plane.objectives[plane.y]))
    return figure
