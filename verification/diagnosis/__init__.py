"""Which known mistake gives the candidate."""
