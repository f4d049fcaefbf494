"""Multiply Jacobians from the left, from the right or in the cheapest order, with exact costs."""

from backprop.chain import Chain
from backprop.compare import Comparison, compare
from backprop.compiling.compiled import compile  # noqa: A004  # backprop.compile, as re.compile
from backprop.compiling.compiled_graphs import CompiledGraph
from backprop.compiling.gradients import CompiledGradients, compile_gradients
from backprop.compiling.jacobians import CompiledJacobian
from backprop.compiling.products import CompiledProducts, compile_products
from backprop.compiling.products_at import ProductsAt
from backprop.execute import Execution
from backprop.families import NetworkShape, Sweep, sweep
from backprop.formula_costs import FormulaCosts, formula_costs
from backprop.images.gradient_descent import Descent, DivergenceError, gradient_descent
from backprop.images.saliency import ClassScore, MaximizedInput, Saliency, maximize_input, saliency
from backprop.images.style import match_style, style_gradient
from backprop.layer_costs import LayerCosts, layer_costs
from backprop.learning.datasets import Digits, load_digits
from backprop.learning.network import MLP
from backprop.learning.state import Epoch, TrainingState, load_state, save_state
from backprop.learning.tangent_kernel import tangent_kernel
from backprop.learning.training import TrainingResult, fit
from backprop.models import (
    ImportCheck,
    UnsupportedError,
    from_description,
    from_keras,
    from_onnx,
    from_sklearn,
    from_torch,
)
from backprop.picture import Picture, picture
from backprop.plan import Plan, Step
from backprop.symbolic_costs import SymbolicCosts, symbolic_costs
from jacobians import __version__

__all__ = [
    "MLP",
    "Chain",
    "ClassScore",
    "Comparison",
    "CompiledGradients",
    "CompiledGraph",
    "CompiledJacobian",
    "CompiledProducts",
    "Descent",
    "Digits",
    "DivergenceError",
    "Epoch",
    "Execution",
    "FormulaCosts",
    "ImportCheck",
    "LayerCosts",
    "MaximizedInput",
    "NetworkShape",
    "Picture",
    "Plan",
    "ProductsAt",
    "Saliency",
    "Step",
    "Sweep",
    "SymbolicCosts",
    "TrainingResult",
    "TrainingState",
    "UnsupportedError",
    "__version__",
    "compare",
    "compile",
    "compile_gradients",
    "compile_products",
    "fit",
    "formula_costs",
    "from_description",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "gradient_descent",
    "layer_costs",
    "load_digits",
    "load_state",
    "match_style",
    "maximize_input",
    "picture",
    "saliency",
    "save_state",
    "style_gradient",
    "sweep",
    "symbolic_costs",
    "tangent_kernel",
]
