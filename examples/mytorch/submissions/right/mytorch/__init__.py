"""A package that was handed in."""
