"""A run's folder: who works in it, its history, its typed result, and its loggers. Start reading at ``folder.py``."""
