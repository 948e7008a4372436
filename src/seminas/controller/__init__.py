"""The SemiNAS controller: encoder, head and decoder (Luo et al., NeurIPS 2020). Start reading at ``fit.py``."""
