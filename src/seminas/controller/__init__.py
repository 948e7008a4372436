"""The SemiNAS controller: encoder, head and decoder (Luo et al., NeurIPS 2020). Read ``fit.py`` first."""
