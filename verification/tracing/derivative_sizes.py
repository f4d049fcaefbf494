"""How large the terms of the derivatives of the elementary functions are, as their usual formulas add them up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _erf(name: str) -> Callable[[float], float]:
    def call(a: float) -> float:
        import scipy.special

        return float(getattr(scipy.special, name)(a))

    return call


def _logistic(a: float, y: float) -> float:
    return float(np.exp(-abs(a)) / (1 + np.exp(-abs(a))) ** 2)


# f, and the size of the terms of the usual formula of f′ as a function of a and f(a)
FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float, float], float]]] = {
    "exp": (np.exp, lambda a, y: y),
    "expm1": (np.expm1, lambda a, y: y + 2),
    "log": (np.log, lambda a, y: 1 / abs(a)),
    "log1p": (np.log1p, lambda a, y: 1 / abs(1 + a)),
    "sqrt": (np.sqrt, lambda a, y: 0.5 / y),
    "cbrt": (np.cbrt, lambda a, y: 1 / (3 * y * y)),
    "sin": (np.sin, lambda a, y: abs(np.cos(a))),
    "cos": (np.cos, lambda a, y: abs(np.sin(a))),
    "tan": (np.tan, lambda a, y: 1 + y * y),
    "arcsin": (np.arcsin, lambda a, y: (1 - a * a) ** -0.5),
    "arccos": (np.arccos, lambda a, y: (1 - a * a) ** -0.5),
    "arctan": (np.arctan, lambda a, y: 1 / (1 + a * a)),
    "sinh": (np.sinh, lambda a, y: np.cosh(a)),
    "cosh": (np.cosh, lambda a, y: y),
    "tanh": (np.tanh, lambda a, y: 1.0),
    "arcsinh": (np.arcsinh, lambda a, y: (1 + a * a) ** -0.5),
    "arccosh": (np.arccosh, lambda a, y: (a * a - 1) ** -0.5),
    "arctanh": (np.arctanh, lambda a, y: 1 / abs(1 - a * a)),
    "expit": (_erf("expit"), lambda a, y: y),
    "log_expit": (_erf("log_expit"), lambda a, y: 1.0),
    "erf": (_erf("erf"), lambda a, y: 2 * np.exp(-a * a)),
    "erfc": (_erf("erfc"), lambda a, y: 2 * np.exp(-a * a)),
    "ndtr": (_erf("ndtr"), lambda a, y: np.exp(-a * a / 2)),
}

# |f′| and |f″|, about: where the usual formula of f′ cancels and another doesn't
SLOPES: dict[str, tuple[Callable[[float, float], float], Callable[[float, float], float]]] = {
    "expm1": (lambda a, y: np.exp(a), lambda a, y: np.exp(a)),
    "sin": (lambda a, y: abs(np.cos(a)), lambda a, y: 1.0),
    "cos": (lambda a, y: abs(np.sin(a)), lambda a, y: 1.0),
    "tanh": (lambda a, y: np.cosh(a) ** -2.0, lambda a, y: 2 * np.cosh(a) ** -2.0),
    "expit": (_logistic, _logistic),
    "log_expit": (lambda a, y: 1 / (1 + np.exp(a)), _logistic),
    "erf": (lambda a, y: 2 * np.exp(-a * a), lambda a, y: 4 * abs(a) * np.exp(-a * a)),
    "erfc": (lambda a, y: 2 * np.exp(-a * a), lambda a, y: 4 * abs(a) * np.exp(-a * a)),
    "ndtr": (lambda a, y: np.exp(-a * a / 2), lambda a, y: abs(a) * np.exp(-a * a / 2)),
}

SINGULAR = frozenset({"log", "sqrt", "cbrt"})  # |f″| is |f′|/|a| in size, not |f′|
