"""The parts of ``objectives.py``: other frameworks, and the problem with its true front."""
