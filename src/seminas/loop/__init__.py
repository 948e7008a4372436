"""The search: its plan, its loop, and what shows it. Start reading at ``loop.py``."""
