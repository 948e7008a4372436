"""The controller's networks as plain modules, and architectures as the tensors that they read."""
