"""Transfer: results of other tasks in the same space, which a search evaluates first and learns from."""
