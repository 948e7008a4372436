"""Strategies: which architectures to evaluate next."""

from seminas.strategies.base import Strategy

__all__ = ["Strategy"]
