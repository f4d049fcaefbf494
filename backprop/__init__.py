"""Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs."""

from backprop.chain import Chain
from backprop.compare import Comparison, compare
from backprop.datasets import Digits, load_digits
from backprop.execute import Execution
from backprop.plan import Plan, Step

__all__ = ["Chain", "Comparison", "Digits", "Execution", "Plan", "Step", "compare", "load_digits"]
