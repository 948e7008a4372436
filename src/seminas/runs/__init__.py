"""The folder of a run: its lock, its history, its result, and its loggers. Start reading at ``folder.py``."""
