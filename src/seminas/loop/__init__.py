"""The search: its plan, its loop, and the observers that show its progress. Start reading at ``search.py``."""
