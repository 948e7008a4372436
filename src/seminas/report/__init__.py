"""Reports that compare finished runs: statistics, tables, figures, pages, and a W&B view."""
