"""Elementwise functions: a row each of f, f′, domain and kinks.

The value formulas are those that a reader expects, written so that they neither overflow nor cancel: the symbolic
witness runs them on symbols. At a kink the derivative is the policy's: relu′(0) = 0, leaky_relu′(0) = slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jacobians.layers.activation_derivatives import with_formula
from jacobians.layers.elementwise import Elementwise, InFormulas
from jacobians.numerics.arguments import near, real_number, shown
from jacobians.numerics.libraries import either, in_precision, is_foreign, namespace_of

# --- formulas that take more than a line -----------------------------------------------------------------


def softplus(z: Any) -> Any:
    """Return log(1 + e^z), entry by entry; it neither overflows nor cancels, and hands NaN on without a warning.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    xp = namespace_of(z)
    with np.errstate(invalid="ignore"):  # logaddexp warns of NaN
        return xp.logaddexp(0, z)


def _softplus_slope(z: Any, y: Any) -> Any:
    return -namespace_of(y).expm1(-y)  # σ(z) = 1 − e^−softplus(z)


def _sigmoid(z: Any) -> Any:
    xp = namespace_of(z)
    return xp.exp(-softplus(-z))


def _sigmoid_slope(z: Any) -> Any:
    xp = namespace_of(z)
    # e^−|z|/(1 + e^−|z|)²: exact in both tails, where σ(1 − σ) cancels
    e = xp.exp(-xp.abs(z))
    return e / (1 + e) ** 2


@with_formula(_sigmoid_slope, least=0.1875)
def sigmoid_slope(s: Any, out: Any) -> Any:
    """Return s − s², right for s from ¼ to ¾."""
    return np.subtract(s, np.multiply(s, s, out=out), out=out)


def _tanh(z: Any) -> Any:
    return namespace_of(z).tanh(z)


def _tanh_slope(z: Any) -> Any:
    # 1/cosh² z: exact in both tails, where 1 − tanh² cancels; the reciprocal is squared, for cosh² overflows sooner
    xp = namespace_of(z)
    with np.errstate(over="ignore"):
        sech = np.reciprocal(np.cosh(z)) if xp is np else 1 / xp.cosh(z)
        return sech * sech


@with_formula(_tanh_slope, least=0.25)
def tanh_slope(t: Any, out: Any) -> Any:
    """Return 1 − t², which cancels in the tails: half a unit in the last place of t is four of 1 − t² = ¼ there."""
    return np.subtract(1, np.multiply(t, t, out=out), out=out)


def _relu(z: Any) -> Any:
    xp = namespace_of(z)
    # not maximum(z, 0) alone: a branch by the sign of z is what the witnesses differentiate
    return xp.maximum(z, 0)


def _step(z: Any) -> Any:
    return _leaky_step(z, 0.0) if is_foreign(z) else np.heaviside(z, 0)  # NaN in, NaN out


def _leaky_relu(z: Any, slope: float) -> Any:
    return namespace_of(z).where(z > 0, z, slope * z)


def _leaky_step(z: Any, slope: float) -> Any:
    xp = namespace_of(z)
    return xp.where(xp.isnan(z), z, either(z > 0, 1.0, slope, z))


def _normal_cdf(z: Any) -> Any:
    from scipy.special import ndtr  # SciPy only for those who use GELU

    return ndtr(z)


def _gelu(z: Any) -> Any:
    from scipy.special import erfc

    # Φ(z) = erfc(−z/√2)/2 keeps its relative accuracy for z → −∞, where 1 + erf cancels
    with np.errstate(invalid="ignore"):  # −∞·0
        return z * (erfc(-z / math.sqrt(2.0)) / 2)


def _gelu_slope(z: Any) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):  # e^−∞ is the 0 that it should be
        return _normal_cdf(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _silu(z: Any) -> Any:
    with np.errstate(invalid="ignore"):  # −∞·0
        return z * _sigmoid(z)


def _silu_slope(z: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return _sigmoid(z) * (1 + z * _sigmoid(-z))


def _elu(z: Any, alpha: float) -> Any:
    # zeros keep the branch that is not taken from overflowing
    xp = namespace_of(z)
    return xp.where(z > 0, z, alpha * xp.expm1(xp.where(z > 0, 0, z)))


def _elu_slope(z: Any, alpha: float) -> Any:
    xp = namespace_of(z)
    return in_precision(xp.where(z > 0, 1.0, alpha * xp.exp(xp.where(z > 0, 0, z))), z)


# --- the rows --------------------------------------------------------------------------------------------


class ReLU(Elementwise):
    """max(z, 0); 1 for z > 0, else 0. Kink at 0, where relu′(0) = 0.

    Examples
    --------
    >>> ReLU().jacobian([-1.0, 0.0, 2.0]).d
    array([0., 0., 1.])
    """

    in_formulas = InFormulas("step(z)", "np.maximum({0}, 0)")

    def __init__(self) -> None:
        super().__init__(
            "relu",
            _relu,
            _step,
            kinks=(0.0,),
            array_api=True,
            rectifier=True,
            step=True,
            latex=r"\max(z, 0)",
        )


class LeakyReLU(Elementwise):
    """z for z > 0, slope·z else; 1 and slope. Kink at 0, where leaky_relu′(0) = slope.

    Parameters
    ----------
    slope : float
        By default 0.01.

    Examples
    --------
    >>> LeakyReLU(0.1).jacobian([-1.0, 0.0, 2.0]).d
    array([0.1, 0.1, 1. ])
    """

    in_formulas = InFormulas("0.01 + 0.99*step(z)", "np.where({0} > 0, {0}, 0.01*({0}))")

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = self.leak = real_number(slope, "slope")
        super().__init__(
            "leaky_relu",
            partial(_leaky_relu, slope=self.slope),
            partial(_leaky_step, slope=self.slope),
            kinks=(0.0,),
            array_api=True,
            rectifier=True,
            latex=rf"\max(z, 0) + {self.slope:g}\min(z, 0)",
        )


class Sigmoid(Elementwise):
    """σ(z) = 1/(1 + e^−z); σ(z)(1 − σ(z)).

    Examples
    --------
    >>> Sigmoid()([0.0, 1000.0, -1000.0])
    array([0.5, 1. , 0. ])
    """

    in_formulas = InFormulas("sigmoid(z).*(1 - sigmoid(z))", "1/(1 + np.exp(-({0})))", r"\sigma", "σ")

    def __init__(self) -> None:
        super().__init__(
            "sigmoid",
            _sigmoid,
            _sigmoid_slope,
            df_by_value=sigmoid_slope,
            array_api=True,
            latex=r"\frac{1}{1 + e^{-z}}",
        )


class Tanh(Elementwise):
    """tanh z; 1 − tanh² z.

    Examples
    --------
    >>> Tanh().jacobian([0.0, 1000.0]).d
    array([1., 0.])
    """

    in_formulas = InFormulas("1 - tanh(z).^2", "np.tanh({0})", r"\tanh")

    def __init__(self) -> None:
        super().__init__("tanh", _tanh, _tanh_slope, df_by_value=tanh_slope, array_api=True, latex=r"\tanh z")


class Softplus(Elementwise):
    """log(1 + e^z); σ(z).

    Examples
    --------
    >>> Softplus()([-1000.0, 1000.0])
    array([   0., 1000.])
    """

    in_formulas = InFormulas("sigmoid(z)", "np.logaddexp(0, {0})")

    def __init__(self) -> None:
        super().__init__(
            "softplus",
            softplus,
            _sigmoid,
            df_by_value=_softplus_slope,
            array_api=True,
            rectifier=True,
            latex=r"\log(1 + e^z)",
        )


class SiLU(Elementwise):
    """z·σ(z); σ(z)(1 + z(1 − σ(z))).

    Examples
    --------
    >>> SiLU()([-1000.0, 0.0, 1000.0]) + 0.0
    array([   0.,    0., 1000.])
    """

    in_formulas = InFormulas("sigmoid(z) + z.*sigmoid(z).*(1 - sigmoid(z))", "({0})/(1 + np.exp(-({0})))")

    def __init__(self) -> None:
        super().__init__("silu", _silu, _silu_slope, array_api=True, rectifier=True, latex=r"z\,\sigma(z)")


class GELU(Elementwise):
    """z·Φ(z) with the normal distribution function Φ; Φ(z) + z·φ(z). The exact form (Hendrycks & Gimpel, 2016).

    Examples
    --------
    >>> GELU()([-1000.0, 0.0, 1000.0]) + 0.0
    array([   0.,    0., 1000.])
    """

    in_formulas = InFormulas(
        "1/2 + erf(z/2^(1/2))/2 + z.*exp(-z.^2/2)/(2*pi)^(1/2)",
        "({0})*(1 + scipy.special.erf(({0})/np.sqrt(2)))/2",
    )

    def __init__(self) -> None:
        super().__init__("gelu", _gelu, _gelu_slope, rectifier=True, latex=r"z\,\Phi(z)")


class ELU(Elementwise):
    """z for z > 0, alpha·(e^z − 1) else; 1 and alpha·e^z (Clevert et al., 2016). Kink at 0 unless alpha = 1.

    Parameters
    ----------
    alpha : float
        By default 1. At 0 the derivative is alpha.

    Examples
    --------
    >>> ELU().jacobian([-1000.0, 0.0, 1000.0]).d
    array([0., 1., 1.])
    """

    in_formulas = InFormulas("exp(-relu(-z))", "np.where({0} > 0, {0}, np.expm1(np.minimum({0}, 0)))")

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = real_number(alpha, "alpha")
        super().__init__(
            "elu",
            partial(_elu, alpha=self.alpha),
            partial(_elu_slope, alpha=self.alpha),
            kinks=() if self.alpha == 1.0 else (0.0,),
            array_api=True,
            rectifier=True,
            latex=rf"z \text{{ if }} z > 0 \text{{ else }} {self.alpha:g}(e^z - 1)",
        )


ACTIVATIONS: dict[str, Callable[[], Elementwise]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softplus": Softplus,
    "silu": SiLU,
    "gelu": GELU,
    "elu": ELU,
}
"""The rows by name, for networks and commands that name an activation."""

_ELSEWHERE = {"logistic": "sigmoid", "swish": "silu", "hyperbolic-tangent": "tanh", "rectifier": "relu"}
"""What others call them."""


IDENTITIES = frozenset(
    ("linear", "identity", "id", "none", "no", "purelin", "affine", "passthrough", "pass_through", "")
)
"""What others call no activation, with _ for -."""


def activation(name: str) -> Elementwise:
    """Return the activation called `name`; hyphens and underscores are the same.

    Raises
    ------
    TypeError, ValueError
        If there is none of that name; the error lists them, and names the nearest.

    Examples
    --------
    >>> activation("leaky-relu")
    LeakyReLU()
    """
    if not isinstance(name, str):
        raise TypeError(f"activation: found {shown(name)}, expected one of {', '.join(ACTIVATIONS)}")
    # a row of one's own may have capitals and hyphens in its name
    written = name if name in ACTIVATIONS else name.replace("-", "_").lower()
    if written in IDENTITIES and written not in ACTIVATIONS:
        raise ValueError(
            f"activation: found {shown(name)}, expected one of {', '.join(ACTIVATIONS)}: affine layers with an "
            f"identity between them are one, of the first and the last size"
        )
    if written not in ACTIVATIONS:
        raise ValueError(
            f"activation: found {shown(name)}, expected one of {', '.join(ACTIVATIONS)}"
            f"{near(written, ACTIVATIONS, _ELSEWHERE)}"
        )
    row: Any = ACTIVATIONS[written]
    try:
        made = None if isinstance(row, Elementwise) else row()
    except TypeError as error:
        raise TypeError(f"{_no_row(written, row)}: {error}") from error
    if not isinstance(made, Elementwise):
        raise TypeError(_no_row(written, row))
    return made


def _no_row(name: str, found: Any) -> str:
    return (
        f"ACTIVATIONS[{name!r}]: found {shown(found)}, expected a class of Elementwise that is made without arguments, "
        f"such as Tanh"
    )
