"""Explicit Jacobians in the structure that they really have.

Build a function from layers, linearise it, and see every derivative as what it is: identity, diagonal,
``I_h ⊗ xᵀ``, diagonal plus low rank, selection or dense. NumPy is all that importing this package loads.
"""

from typing import TYPE_CHECKING, Any

import jacobians.products  # binds the products of Jacobians
import jacobians.products.sums  # noqa: F401  # binds their sums
from jacobians.cost import Cost
from jacobians.drawn import Drawn
from jacobians.function import Function, Linearization
from jacobians.layers.activations import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from jacobians.layers.affine import Affine
from jacobians.layers.composition import Sequential
from jacobians.layers.elementwise import Elementwise
from jacobians.numerics.arrays import MemoryBudgetError
from jacobians.numerics.blas_threads import keep_blas_threads
from jacobians.spec import Spec
from jacobians.structures import Jacobian

if TYPE_CHECKING:  # what follows is loaded with its first use
    from jacobians.formulas import FormulaError, derive
    from jacobians.graph import Graph, from_numpy, trace
    from jacobians.layers.augmented import AddUnit, AugmentedAffine, DropUnit, PassUnit
    from jacobians.layers.branches import Concatenate, Product, Residual, Sum
    from jacobians.layers.channels import ChannelMaxPool, ChannelMeanPool, ChannelScale
    from jacobians.layers.convolution import Convolution
    from jacobians.layers.cross_entropy import BinaryCrossEntropy, CrossEntropy, SigmoidBinaryCrossEntropy
    from jacobians.layers.determinants import Determinant, Inverse, LogDeterminant
    from jacobians.layers.layer_graph import LayerGraph
    from jacobians.layers.losses import MeanSquaredError, SoftmaxCrossEntropy, SquaredError
    from jacobians.layers.matrix_functions import Gram, GramLoss, LinearMap, QuadraticForm, Trace
    from jacobians.layers.norms import LayerNorm, Norm, Normalize, SquaredNorm
    from jacobians.layers.pooling import Maximum, MaxPool
    from jacobians.layers.reshape import Flatten, Reshape, Transpose
    from jacobians.layers.softmax import LogSoftmax, LogSumExp, Softmax
    from jacobians.products.pairwise import pairwise_products

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "AddUnit",
    "Affine",
    "AugmentedAffine",
    "BinaryCrossEntropy",
    "ChannelMaxPool",
    "ChannelMeanPool",
    "ChannelScale",
    "Concatenate",
    "Convolution",
    "Cost",
    "CrossEntropy",
    "Determinant",
    "DropUnit",
    "Elementwise",
    "Flatten",
    "FormulaError",
    "Function",
    "Gram",
    "GramLoss",
    "Graph",
    "Inverse",
    "Jacobian",
    "LayerGraph",
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
    "derive",
    "from_numpy",
    "keep_blas_threads",
    "pairwise_products",
    "trace",
]

_LATER = {
    "layers.augmented": "AddUnit AugmentedAffine DropUnit PassUnit",
    "layers.channels": "ChannelMaxPool ChannelMeanPool ChannelScale",
    "layers.convolution": "Convolution",
    "layers.layer_graph": "LayerGraph",
    "layers.cross_entropy": "BinaryCrossEntropy CrossEntropy SigmoidBinaryCrossEntropy",
    "layers.determinants": "Determinant Inverse LogDeterminant",
    "formulas": "FormulaError derive",
    "graph": "Graph from_numpy trace",
    "layers.losses": "MeanSquaredError SoftmaxCrossEntropy SquaredError",
    "layers.matrix_functions": "Gram GramLoss LinearMap QuadraticForm Trace",
    "layers.norms": "LayerNorm Norm Normalize SquaredNorm",
    "products.pairwise": "pairwise_products",
    "layers.branches": "Concatenate Product Residual Sum",
    "layers.pooling": "Maximum MaxPool",
    "layers.reshape": "Flatten Reshape Transpose",
    "layers.softmax": "LogSoftmax LogSumExp Softmax",
}
"""The modules that are loaded with the first use of one of their names."""


def _draw(function: Function, x: Any) -> str:
    from jacobians.graph.network_picture import draw  # with the first picture

    return draw(function, x)


Drawn.drawing = staticmethod(_draw)


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names.split():
            from importlib import import_module

            found = import_module(f"{__name__}.{module}")
            globals().update((own, getattr(found, own)) for own in names.split())
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
