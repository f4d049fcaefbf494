"""Multiply Jacobians: chains of them, what each order of multiplication costs, and what comes out."""

from backprop.datasets import Digits, load_digits

__all__ = ["Digits", "load_digits"]
