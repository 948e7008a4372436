"""Files that are whole or absent, strict JSON, locks, and the cache."""
