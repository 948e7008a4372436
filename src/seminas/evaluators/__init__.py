"""Evaluators: what an architecture is worth."""

from seminas.evaluators.base import Evaluation, Evaluator

__all__ = ["Evaluation", "Evaluator"]
