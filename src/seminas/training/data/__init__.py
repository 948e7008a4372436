"""Images: splits, transforms, and loading that goes on in the middle of an epoch."""
