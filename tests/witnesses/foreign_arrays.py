"""Arrays of other libraries and the ways there and back; libraries that aren't installed are skipped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jacobians.numerics.libraries import is_foreign
from jacobians.structures import Jacobian

LIBRARIES = ("array_api_strict", "torch")


class Library:
    """One library: the type of its arrays, and the ways there and back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = pytest.importorskip(name, reason=f"{name} is not installed")
        if name == "torch":
            pytest.importorskip(
                "array_api_compat", reason="array_api_compat, which torch needs, is not installed"
            )
        self.type = self.module.Tensor if name == "torch" else type(self.module.zeros(1))

    def array(self, numbers: Any) -> Any:
        """Return NumPy's array, or numbers, as an array of the library, in its precision."""
        return self.module.asarray(np.array(numbers))

    def numbers(self, array: Any) -> NDArray[Any]:
        """Return the numbers of an array of the library; anything else is a mistake of what is tested."""
        assert type(array) is self.type, f"{type(array)} is no array of {self.name}"
        return np.asarray(array)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """Each library in turn."""
    return Library(request.param)


def moved_to(library: Library, jacobian: Jacobian) -> Jacobian:
    """Return the same Jacobian with its numbers in arrays of the library, through the public doors."""
    return jacobian.mapped(lambda array: array if array.dtype.kind == "i" else library.array(array))


def stored(jacobian: Jacobian) -> list[Any]:
    """Return all arrays that a Jacobian stores, those of its parts included."""
    return [array for name, array in jacobian.flatten().items() if not name.endswith("indices")]


def none_is_numpy(jacobian: Jacobian) -> bool:
    """Return whether every array that a Jacobian stores belongs to another library."""
    return all(is_foreign(array) for array in stored(jacobian))


__all__ = ["LIBRARIES", "Library", "library", "moved_to", "none_is_numpy", "stored"]
