"""Strategies. A strategy selects the architectures to evaluate next."""
