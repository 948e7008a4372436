"""Parts of ``measurements/gpu.py``. Each returns numbers from one run, and ratios computed from them."""
