"""Strategies: which architectures to evaluate next."""
