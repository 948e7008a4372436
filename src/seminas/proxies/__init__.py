"""Zero-cost proxies: numbers that an untrained network gives in milliseconds, and their use as features."""
