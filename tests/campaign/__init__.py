"""A campaign of random kills and faults of the file system: ``python -m campaign --kills 100`` in ``tests``."""
