"""Explicit Jacobians in the structure that they really have.

Build a function from layers, linearise it, and see every derivative as what it is: identity, diagonal,
``I_h ⊗ xᵀ``, diagonal plus low rank, selection or dense. NumPy is all that importing this package loads.
"""

from jacobians.activations import ELU, GELU, Elementwise, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from jacobians.affine import Affine
from jacobians.arrays import MemoryBudgetError
from jacobians.composition import Sequential
from jacobians.cost import Cost
from jacobians.cross_entropy import BinaryCrossEntropy, CrossEntropy, SigmoidBinaryCrossEntropy
from jacobians.function import Function, Linearization
from jacobians.losses import MeanSquaredError, SoftmaxCrossEntropy, SquaredError
from jacobians.norms import LayerNorm, Norm, Normalize, SquaredNorm
from jacobians.softmax import LogSoftmax, LogSumExp, Softmax
from jacobians.spec import Spec
from jacobians.structures import Jacobian

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "Affine",
    "BinaryCrossEntropy",
    "Cost",
    "CrossEntropy",
    "Elementwise",
    "Function",
    "Jacobian",
    "LayerNorm",
    "LeakyReLU",
    "Linearization",
    "LogSoftmax",
    "LogSumExp",
    "MeanSquaredError",
    "MemoryBudgetError",
    "Norm",
    "Normalize",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SigmoidBinaryCrossEntropy",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Spec",
    "SquaredError",
    "SquaredNorm",
    "Tanh",
]
