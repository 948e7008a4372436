"""Edges and operations of the cells of NAS-Bench-201 (Dong and Yang, ICLR 2020)."""

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Pairs of nodes, in the order of the benchmark's strings. Node 0 is the cell's input, node 3 its output."""
