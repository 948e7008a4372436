"""Interfaces to other frameworks. Each needs its framework, and nothing else in seminas imports them."""
