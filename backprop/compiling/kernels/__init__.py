"""Loops that Numba compiles (extra `fast`): products of matrices, and activations with their slopes."""
