"""The functions of the language, a row each: derivative, where it holds, kinks, NumPy, LaTeX.

An elementwise row's derivative is written in the language itself, in z. The rows of activations come from the table
of the activations.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, cast

import numpy as np

from jacobians.layers import elementwise as layers
from jacobians.layers.activations import ACTIVATIONS
from jacobians.layers.elementwise import InFormulas


@dataclass(frozen=True)
class Elementwise:
    """A function entry by entry.

    Parameters
    ----------
    slope : str
        f′(z), in the language.
    code : str
        f(z) as NumPy code.
    f : callable
        f on arrays.
    domain : str
        Where f is defined, as a condition on ``{0}``; empty for everywhere.
    kinks : str
        What must hold of ``{0}`` so that f′ exists; empty for smooth functions.
    latex : str
        The name in LaTeX.
    text : str
        The name in text, where it is another.
    """

    slope: str
    code: str
    f: Callable[[Any], Any]
    domain: str = ""
    kinks: str = ""
    latex: str = ""
    text: str = ""

    @cached_property
    def at_zero(self) -> Fraction | None:
        """f(0), if it is 0, 1/2 or 1."""
        with np.errstate(all="ignore"):
            value = float(self.f(np.float64(0)))
        return Fraction(value) if value in (0, 0.5, 1) else None


def _erf(z: Any) -> Any:
    from scipy.special import erf  # SciPy only for those who use it

    return erf(z)


def _activation(row: layers.Elementwise) -> Elementwise:
    slope, code, latex, text = cast(InFormulas, row.in_formulas)
    kinks = " and ".join(f"{{0}} ≠ {kink:g}" for kink in row.kinks)
    return Elementwise(slope, code, row.f, kinks=kinks, latex=latex, text=text)


_NEVER_ZERO = "{0} ≠ 0"

ELEMENTWISE: dict[str, Elementwise] = {
    "exp": Elementwise("exp(z)", "np.exp({0})", np.exp, latex=r"\exp"),
    "log": Elementwise("1./z", "np.log({0})", np.log, domain="{0} > 0", latex=r"\log"),
    "sin": Elementwise("cos(z)", "np.sin({0})", np.sin, latex=r"\sin"),
    "cos": Elementwise("-sin(z)", "np.cos({0})", np.cos, latex=r"\cos"),
    "tan": Elementwise("1 + tan(z).^2", "np.tan({0})", np.tan, domain="cos({0}) ≠ 0", latex=r"\tan"),
    "sinh": Elementwise("cosh(z)", "np.sinh({0})", np.sinh, latex=r"\sinh"),
    "cosh": Elementwise("sinh(z)", "np.cosh({0})", np.cosh, latex=r"\cosh"),
    "arcsin": Elementwise("1./(1 - z.^2).^(1/2)", "np.arcsin({0})", np.arcsin, domain="|{0}| < 1", latex=r"\arcsin"),
    "arccos": Elementwise("-1./(1 - z.^2).^(1/2)", "np.arccos({0})", np.arccos, domain="|{0}| < 1", latex=r"\arccos"),
    "arctan": Elementwise("1./(1 + z.^2)", "np.arctan({0})", np.arctan, latex=r"\arctan"),
    "arcsinh": Elementwise("1./(1 + z.^2).^(1/2)", "np.arcsinh({0})", np.arcsinh),
    "arctanh": Elementwise("1./(1 - z.^2)", "np.arctanh({0})", np.arctanh, domain="|{0}| < 1"),
    "erf": Elementwise("2/pi^(1/2)*exp(-z.^2)", "scipy.special.erf({0})", _erf),
    "abs": Elementwise("sign(z)", "np.abs({0})", np.abs, kinks=_NEVER_ZERO),
    "sign": Elementwise("0", "np.sign({0})", np.sign, kinks=_NEVER_ZERO),
    "step": Elementwise("0", "np.heaviside({0}, 0)", lambda z: np.heaviside(z, 0), kinks=_NEVER_ZERO),
    **{name: _activation(row) for name, kind in ACTIVATIONS.items() if (row := kind()).in_formulas},
}  # fmt: skip
"""Functions entry by entry, by name."""


@dataclass(frozen=True)
class Whole:
    """A function of whole arrays: how many arguments it takes, its NumPy code, condition and LaTeX."""

    arguments: tuple[int, ...] = (1,)
    code: str = ""
    domain: str = ""
    latex: str = ""
    axis: bool = False


MATRIX_SLOPES = {
    "expm": "expm(Z)",
    "sinm": "cosm(Z)",
    "cosm": "-sinm(Z)",
    "logm": "inv(Z)",
    "sqrtm": "inv(sqrtm(Z))/2",
}
"""f′ of functions of matrices, in Z: the derivative of tr f(Z) is f′(Z)ᵀ."""

_KHATRI_RAO = "np.einsum('ik,jk->ijk', {0}, {1}).reshape(-1, ({1}).shape[1])"
_SVD = "(lambda u, _, v: {})(*np.linalg.svd({{0}}, full_matrices=False))"

_VECTOR = "(lambda e, v: v[:, np.argmax(e.real)].real)(*np.linalg.eig({0}))"
_EIGENPAIR = (
    "(lambda u, v: np.outer(u, v) / (u @ v))("
    + _VECTOR.format("({0}).T")
    + ", "
    + _VECTOR.format("{0}")
    + ")"
)

WHOLE: dict[str, Whole] = {
    "inv": Whole(code="np.linalg.inv({0})", domain="{0} is invertible"),
    "det": Whole(code="np.linalg.det({0})", latex=r"\det"),
    "logdet": Whole(code="np.linalg.slogdet({0})[1]", domain="det({0}) > 0", latex=r"\log\det"),
    "tr": Whole(code="np.trace({0})", latex=r"\operatorname{tr}"),
    "sum": Whole(code="np.sum({0})", latex=r"\operatorname{sum}", axis=True),
    "mean": Whole(code="np.mean({0})", axis=True),
    "logsumexp": Whole(code="scipy.special.logsumexp({0})", axis=True),
    "softmax": Whole(code="scipy.special.softmax({0})", axis=True),
    "logsoftmax": Whole(code="scipy.special.log_softmax({0})", axis=True),
    "norm2": Whole(code="np.linalg.norm({0})"),
    "norm1": Whole(code="np.sum(np.abs({0}))"),
    "normF": Whole(code="np.linalg.norm({0})"),
    "diag": Whole(code="np.diag({0})", latex=r"\operatorname{diag}"),
    "vec": Whole(code="np.ravel({0})", latex=r"\operatorname{vec}"),
    "vech": Whole(code="", latex=r"\operatorname{vech}"),
    "kron": Whole((2,), "np.kron({0}, {1})"),
    "khatri": Whole((2,), _KHATRI_RAO),
    "transpose": Whole(code="({0}).T"),
    "dot": Whole((2,), "np.dot({0}, {1})"),
    "outer": Whole((2,), "np.outer({0}, {1})"),
    "max": Whole((1, 2), "np.maximum({0}, {1})", latex=r"\max", axis=True),
    "min": Whole((1, 2), "np.minimum({0}, {1})", latex=r"\min", axis=True),
    "hardmax": Whole(code="np.eye(np.size({0}))[np.argmax({0})]", axis=True),
    "where": Whole((3,), "np.where({0}, {1}, {2})"),
    "specnorm": Whole(code="np.linalg.norm({0}, 2)"),
    "specpair": Whole(code=_SVD.format("np.outer(u[:, 0], v[0])")),
    "nuclear": Whole(code="np.linalg.norm({0}, 'nuc')"),
    "polar": Whole(code=_SVD.format("u @ v")),
    "eigmax": Whole(code="np.linalg.eigvals({0}).real.max()"),
    "eigpair": Whole(code=_EIGENPAIR),
    "expm": Whole(code="scipy.linalg.expm({0})"),
    "sinm": Whole(code="scipy.linalg.sinm({0})"),
    "cosm": Whole(code="scipy.linalg.cosm({0})"),
    "logm": Whole(code="scipy.linalg.logm({0})"),
    "sqrtm": Whole(code="scipy.linalg.sqrtm({0})"),
    "unvec": Whole((3,), "np.reshape({0}, ({1}, {2}))"),
    "sqrt": Whole(code="np.sqrt({0})"),
    "square": Whole(code="({0})**2"),
    "eye": Whole(code="np.eye({0})"),
    "ones": Whole((1, 2), "np.ones({0})"),
    "zeros": Whole((1, 2), "np.zeros({0})"),
    "K": Whole((2,)),
}
"""Functions of whole arrays, by name. Those that are no node of their own become products, sums and powers."""

ALIASES = {
    "σ": "sigmoid", "sigma": "sigmoid", "logistic": "sigmoid", "expit": "sigmoid", "ln": "log", "trace": "tr",
    "norm": "norm2", "Tr": "tr", "atan": "arctan", "asin": "arcsin", "acos": "arccos", "log_softmax": "logsoftmax",
    "T": "transpose", "heaviside": "step", "swish": "silu", "arsinh": "arcsinh", "artanh": "arctanh",
    "inverse": "inv", "fro": "normF", "I": "eye", "khatri_rao": "khatri",
    "commutation": "K", "lse": "logsumexp", "sgn": "sign",
    "log_det": "logdet", "maximum": "max", "minimum": "min", "Diag": "diag",
    "lambda_max": "eigmax", "spectral_norm": "specnorm", "norm_nuc": "nuclear", "onehot_max": "hardmax",
}  # fmt: skip
"""Other names of the same functions."""


def known_function(name: str) -> bool:
    """Return whether the language has a function of that name."""
    return name in ELEMENTWISE or name in WHOLE


def closest_function(name: str) -> str:
    """Return a hint at the function whose name is nearest, or nothing."""
    near = difflib.get_close_matches(name, [*ELEMENTWISE, *WHOLE, *ALIASES], n=1, cutoff=0.6)
    return f" (nearest: {near[0]})" if near else ""
