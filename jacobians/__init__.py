"""Explicit Jacobians in the structure that they really have.

Build a function from layers, linearise it, and see every derivative as what it is: identity, diagonal,
``I_h ⊗ xᵀ``, diagonal plus low rank, selection or dense. NumPy is all that importing this package loads.
"""

from jacobians.activations import ELU, GELU, Elementwise, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from jacobians.affine import Affine
from jacobians.arrays import MemoryBudgetError
from jacobians.augmented import AddUnit, AugmentedAffine, DropUnit, PassUnit
from jacobians.composition import Sequential
from jacobians.cost import Cost
from jacobians.cross_entropy import BinaryCrossEntropy, CrossEntropy, SigmoidBinaryCrossEntropy
from jacobians.determinants import Determinant, Inverse, LogDeterminant
from jacobians.function import Function, Linearization
from jacobians.losses import MeanSquaredError, SoftmaxCrossEntropy, SquaredError
from jacobians.matrix_functions import Gram, GramLoss, LinearMap, QuadraticForm, Trace, Transpose
from jacobians.norms import LayerNorm, Norm, Normalize, SquaredNorm
from jacobians.pairs import pairwise_products
from jacobians.paths import Concatenate, Product, Residual, Sum
from jacobians.pooling import Maximum, MaxPool
from jacobians.reshape import Flatten, Reshape
from jacobians.softmax import LogSoftmax, LogSumExp, Softmax
from jacobians.spec import Spec
from jacobians.structures import Jacobian

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "AddUnit",
    "Affine",
    "AugmentedAffine",
    "BinaryCrossEntropy",
    "Concatenate",
    "Cost",
    "CrossEntropy",
    "Determinant",
    "DropUnit",
    "Elementwise",
    "Flatten",
    "Function",
    "Gram",
    "GramLoss",
    "Inverse",
    "Jacobian",
    "LayerNorm",
    "LeakyReLU",
    "LinearMap",
    "Linearization",
    "LogDeterminant",
    "LogSoftmax",
    "LogSumExp",
    "MaxPool",
    "Maximum",
    "MeanSquaredError",
    "MemoryBudgetError",
    "Norm",
    "Normalize",
    "PassUnit",
    "Product",
    "QuadraticForm",
    "ReLU",
    "Reshape",
    "Residual",
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
    "Sum",
    "Tanh",
    "Trace",
    "Transpose",
    "pairwise_products",
]
