"""Parallel execution: worker processes, Ray tasks and ranks, and how they end."""
