"""The networks of the controller, and the tensors that represent architectures."""
