"""Explicit Jacobians in the structure that they really have.

Build a function from layers, linearise it, and see every derivative as what it is: identity, diagonal,
``I_h ⊗ xᵀ``, diagonal plus low rank, selection or dense. NumPy is all that importing this package loads.
"""

from typing import TYPE_CHECKING, Any

import jacobians.products  # binds the products of Jacobians
import jacobians.sums  # noqa: F401  # binds their sums
from jacobians.activations import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from jacobians.affine import Affine
from jacobians.arrays import MemoryBudgetError
from jacobians.composition import Sequential
from jacobians.cost import Cost
from jacobians.elementwise import Elementwise
from jacobians.function import Function, Linearization
from jacobians.spec import Spec
from jacobians.structures import Jacobian

if TYPE_CHECKING:  # what follows is loaded with its first use
    from jacobians.augmented import AddUnit, AugmentedAffine, DropUnit, PassUnit
    from jacobians.cross_entropy import BinaryCrossEntropy, CrossEntropy, SigmoidBinaryCrossEntropy
    from jacobians.determinants import Determinant, Inverse, LogDeterminant
    from jacobians.graph import Graph, from_numpy, trace
    from jacobians.losses import MeanSquaredError, SoftmaxCrossEntropy, SquaredError
    from jacobians.matrix_functions import Gram, GramLoss, LinearMap, QuadraticForm, Trace, Transpose
    from jacobians.norms import LayerNorm, Norm, Normalize, SquaredNorm
    from jacobians.pairs import pairwise_products
    from jacobians.paths import Concatenate, Product, Residual, Sum
    from jacobians.pooling import Maximum, MaxPool
    from jacobians.reshape import Flatten, Reshape
    from jacobians.softmax import LogSoftmax, LogSumExp, Softmax

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
    "Graph",
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
    "from_numpy",
    "pairwise_products",
    "trace",
]

_LATER = {
    "augmented": "AddUnit AugmentedAffine DropUnit PassUnit",
    "cross_entropy": "BinaryCrossEntropy CrossEntropy SigmoidBinaryCrossEntropy",
    "determinants": "Determinant Inverse LogDeterminant",
    "graph": "Graph from_numpy trace",
    "losses": "MeanSquaredError SoftmaxCrossEntropy SquaredError",
    "matrix_functions": "Gram GramLoss LinearMap QuadraticForm Trace Transpose",
    "norms": "LayerNorm Norm Normalize SquaredNorm",
    "pairs": "pairwise_products",
    "paths": "Concatenate Product Residual Sum",
    "pooling": "Maximum MaxPool",
    "reshape": "Flatten Reshape",
    "softmax": "LogSoftmax LogSumExp Softmax",
}
"""The modules that are loaded with the first use of one of their names."""


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name == module or name in names.split():
            from importlib import import_module

            found = import_module(f"{__name__}.{module}")
            globals().update((own, getattr(found, own)) for own in names.split())
            return found if name == module else globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LATER})
