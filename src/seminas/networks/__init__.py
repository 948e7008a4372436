"""Networks that the spaces build: plain ``nn.Module``."""
