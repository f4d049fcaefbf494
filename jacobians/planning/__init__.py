"""Plans on graphs: which vertex is eliminated when, at what cost."""
