"""Networks in files: what is data is read, and what runs code on loading only where that was said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backprop.models.description import from_description
from backprop.models.keras_models import from_keras
from backprop.models.onnx_models import from_onnx
from backprop.models.scikit_learn import from_sklearn
from backprop.models.torch_models import from_torch, quiet
from jacobians import Function
from verification.optional_packages import require_extras

DATA = {".onnx": from_onnx, ".toml": from_description, ".json": from_description}
"""Files that are read as data."""


def _pickled(source: Path) -> Any:
    require_extras("models", "joblib")
    import joblib

    return joblib.load(source)


def _exported(source: Path) -> Any:
    require_extras("torch", "torch")
    import torch

    with quiet():
        return torch.export.load(source)


def _saved(source: Path) -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # read as keras is imported for the first time
    require_extras("keras", "keras")
    import keras

    return keras.saving.load_model(source, compile=False)


CODE: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Function]]] = {
    ".joblib": (_pickled, from_sklearn),
    ".keras": (_saved, from_keras),
    ".pkl": (_pickled, from_sklearn),
    ".pt2": (_exported, from_torch),
}
"""Files that run what is in them as they are loaded: what loads one, and the importer of what is loaded."""


OTHERS = {
    **dict.fromkeys(
        (".pt", ".pth", ".ckpt"), "write a module by torch.export.save(torch.export.export(…), 'net.pt2')"
    ),
    **dict.fromkeys((".h5", ".hdf5"), "write a model by model.save('net.keras')"),
    **dict.fromkeys((".pb", ".tflite", ".mlmodel", ".safetensors", ".npz", ".npy"), "convert it to ONNX"),
    **dict.fromkeys((".yaml", ".yml"), "describe it in TOML"),
}
"""Files of networks, or of weights alone, that aren't taken: the way out of each."""


def is_model_file(text: str) -> bool:
    """Return whether a text is the name of a file that holds a network, of those that aren't taken, too."""
    return Path(text).suffix.lower() in (*DATA, *CODE, *OTHERS)


def load_model(path: str, *, run_code: bool = False) -> Function:
    """Return the network in a file, verified against its source.

    Raises
    ------
    PermissionError
        If loading it would run code, and nobody said that it may.
    ValueError, ImportError
        As the importers, and if the file can't be loaded.
    """
    source = Path(path)
    kind = source.suffix.lower()
    if kind in OTHERS:
        taken = ", ".join((*DATA, *CODE))
        raise ValueError(f"found {source.name}, expected a file {taken}; {OTHERS[kind]}")
    if kind in DATA:
        return DATA[kind](source)
    if not run_code:
        raise PermissionError(
            f"found {source.name}, which runs code as it is loaded, expected a file .onnx, .toml or .json; allow it by "
            f"--run-code if it comes from somebody you trust"
        )
    if not source.is_file():
        raise ValueError(f"found no file {source.name}, expected a model")
    load, importer = CODE[kind]
    try:
        model = load(source)
    except ImportError:
        raise
    except Exception as error:  # each library has errors of its own, and a pickle runs any code
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"found {source.name}, which can't be loaded ({reason[:200]}), expected a file that its library wrote"
        ) from None
    return importer(model)
