"""Evaluators. An evaluator measures the accuracy of architectures."""
