"""Traced code run on plain floats: what it does, step by step, at the price of little more than the steps."""

from __future__ import annotations

import math
import operator
from typing import Any, ClassVar

import numpy as np

from verification.tracing.scalars import Primitive, Scalars


class FloatScalars(Scalars):
    """Numbers of double precision that follow IEEE 754 everywhere: 1/0 is ∞, the root of −1 is NaN.

    Examples
    --------
    >>> scalars = FloatScalars()
    >>> scalars.primitives["sqrt"](scalars.constant(4))
    np.float64(2.0)
    """

    name: ClassVar[str] = "float"

    def constant(self, value: Any) -> Any:
        """Return the number in double precision; bools stay bools."""
        return bool(value) if isinstance(value, bool | np.bool_) else np.float64(value)

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a number of double precision or a decided comparison."""
        return isinstance(value, np.float64 | bool | np.bool_)

    def decide(self, condition: Any) -> bool:
        """Return the truth value; numbers are true unless 0, as in Python."""
        return bool(condition)

    def magnitude(self, value: Any) -> float | None:
        """Return |value|, for pivoting."""
        return float(abs(value))

    def table(self) -> dict[str, Primitive]:
        """Return NumPy's functions, and comparisons."""
        functions = (
            "exp expm1 log log1p log10 logaddexp sqrt cbrt hypot sin cos tan sinh cosh tanh arcsin arccos arctan "
            "arcsinh arccosh arctanh isnan isinf"
        )
        relations = {"less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq"}
        return {
            "pi": lambda: np.float64(math.pi),
            **{name: getattr(np, name) for name in functions.split()},
            **{name: getattr(operator, own) for name, own in {**relations, "not_equal": "ne"}.items()},
            "erf": lambda a: np.float64(math.erf(a)),
            "erfc": lambda a: np.float64(math.erfc(a)),
            "xlogy": lambda a, b: a if a == 0 and b == 0 else a * np.log(b),
        }
