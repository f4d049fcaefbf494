"""Networks in files: what is data is read, and what runs code on loading only where that was said."""

from __future__ import annotations

from pathlib import Path

from backprop.models.description import from_description
from backprop.models.onnx_models import from_onnx
from backprop.models.scikit_learn import from_sklearn
from backprop.models.torch_models import from_torch
from jacobians import Function
from verification.optional_packages import require_extras

DATA = {".onnx": from_onnx, ".toml": from_description, ".json": from_description}
"""Files that are read as data."""

CODE = (".joblib", ".pkl", ".pt2")
"""Files that run what is in them as they are loaded."""


def is_model_file(text: str) -> bool:
    """Return whether a text is the name of a file that holds a network."""
    return Path(text).suffix in (*DATA, *CODE)


def load_model(path: str, *, run_code: bool = False) -> Function:
    """Return the network in a file, verified against its source.

    Raises
    ------
    PermissionError
        If loading it would run code, and nobody said that it may.
    ValueError, ImportError
        As the importers.
    """
    source = Path(path)
    if source.suffix in DATA:
        return DATA[source.suffix](source)
    if not run_code:
        raise PermissionError(
            f"found {source.name}, which runs code as it is loaded, expected a file .onnx, .toml or .json; allow it by "
            f"--run-code if it comes from somebody you trust"
        )
    if not source.is_file():
        raise ValueError(f"found no file {source.name}, expected a model")
    if source.suffix == ".pt2":
        require_extras("models", "torch")
        import torch

        return from_torch(torch.export.load(source))
    require_extras("models", "joblib")
    import joblib

    return from_sklearn(joblib.load(source))
