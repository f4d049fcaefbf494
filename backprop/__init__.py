"""Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs."""

from backprop.chain import Chain
from backprop.compare import Comparison, compare
from backprop.datasets import Digits, load_digits
from backprop.execute import Execution
from backprop.network import MLP
from backprop.plan import Plan, Step
from backprop.state import Epoch, TrainingState
from backprop.training import DivergenceError, TrainingResult, fit

__all__ = [
    "MLP",
    "Chain",
    "Comparison",
    "Digits",
    "DivergenceError",
    "Epoch",
    "Execution",
    "Plan",
    "Step",
    "TrainingResult",
    "TrainingState",
    "compare",
    "fit",
    "load_digits",
]
