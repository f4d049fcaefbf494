"""Networks of other libraries as Functions: each import is verified against its source before it is given out."""

from backprop.models.description import from_description
from backprop.models.keras_models import from_keras
from backprop.models.onnx_models import from_onnx
from backprop.models.scikit_learn import from_sklearn
from backprop.models.torch_models import from_torch
from backprop.models.verified import ImportCheck, UnsupportedError

__all__ = [
    "ImportCheck",
    "UnsupportedError",
    "from_description",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
]
