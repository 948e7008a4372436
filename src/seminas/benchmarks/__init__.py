"""Benchmarks: tables of evaluated architectures."""
