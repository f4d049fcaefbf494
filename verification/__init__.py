"""Is it right? Independent witnesses for Jacobians."""
