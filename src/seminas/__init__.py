"""Semi-supervised neural architecture search (SemiNAS) as an experiment framework."""

from importlib.metadata import version

__version__ = version("seminas")
