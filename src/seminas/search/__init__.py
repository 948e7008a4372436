"""The search: how many architectures are evaluated and when, the loop, and what shows it. Start reading at ``loop.py``."""
