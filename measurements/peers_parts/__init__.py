"""The parts of ``peers.py``: other frameworks, searches of one problem, and the summary of their results."""
