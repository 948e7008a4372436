"""Settings: their types, defaults and bounds, how a config is composed and checked, and what it builds."""
