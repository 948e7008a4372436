"""Training of single networks: LightningModules and DataModules."""
