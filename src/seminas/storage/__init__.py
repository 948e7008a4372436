"""Atomic file writes, strict JSON, locks, downloads and the cache folder."""
