"""Arrays that carry symbols, many digits or balls through plain NumPy code, and the graph of what was computed."""
