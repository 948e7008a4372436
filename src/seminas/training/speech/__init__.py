"""The speech task: corpora, features, measures of attention, and training."""
