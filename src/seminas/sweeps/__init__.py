"""A sweep's folder: its jobs, how each stands, what a person sees of it, and going on with it."""
