"""NAS-Bench-101: cells of at most 7 vertices and 9 edges."""

from seminas.spaces.nasbench101.cell import OPERATIONS, Cell
from seminas.spaces.nasbench101.space import NASBench101

__all__ = ["OPERATIONS", "Cell", "NASBench101"]
