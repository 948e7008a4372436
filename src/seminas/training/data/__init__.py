"""Images for training: splits, transforms, and loaders that can continue in the middle of an epoch."""
