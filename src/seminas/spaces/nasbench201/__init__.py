"""NAS-Bench-201: cells with an operation on each edge of a complete graph of 4 nodes."""

from seminas.spaces.nasbench201.space import NASBench201

__all__ = ["NASBench201"]
