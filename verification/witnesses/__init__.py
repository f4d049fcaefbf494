"""The witnesses: each finds the Jacobian in a way of its own."""
