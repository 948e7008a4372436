"""Training of networks and supernets with PyTorch Lightning."""
