"""Where work runs: processes of this machine, Ray, ranks, and what happens when they are told to end."""
