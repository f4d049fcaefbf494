"""Functions entry by entry: f, f′, domain and kinks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.arrays import Array
from jacobians.function import INPUT, Function
from jacobians.namespaces import namespace_of
from jacobians.structures import Diagonal, Jacobian


class Elementwise(Function):
    """y_i = f(x_i) for an array of any shape: the Jacobian is diag(f′(x)).

    Parameters
    ----------
    name : str
        For tables.
    f, df : callable
        The function and its derivative, in plain NumPy, entry by entry.
    domain : tuple of float
        The open interval where f is defined.
    kinks : tuple of float
        Where f is continuous but not differentiable; df gives the value to use there.
    latex : str, optional
        f(z) as LaTeX.
    array_api : bool
        Whether f and df take arrays of other libraries: see :class:`~jacobians.Function`.
    df_by_value : callable, optional
        f′ as a function of z and f(z), as right as df: taken where the value is at hand, as it is behind a forward
        pass. For e^z it is ``lambda z, y: y``.
    rectifier : bool
        Whether about half of a symmetric input passes: the layer before it starts with He's variance.
    step : bool
        Whether f′ is 0 or 1 everywhere: compiled code then multiplies only what meets a 1.

    Raises
    ------
    TypeError
        If f, df or df_by_value is not callable.

    Examples
    --------
    An activation of one's own is one row:

    >>> cube = Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2)
    >>> cube.jacobian([1.0, 2.0])
    <Diagonal 2×2: 2×2, out (2,), in (2,), 2 of 4 numbers stored>
    """

    vectorized = True

    def __init__(
        self,
        name: str,
        f: Callable[[Any], Any],
        df: Callable[[Any], Any],
        *,
        domain: tuple[float, float] = (-math.inf, math.inf),
        kinks: tuple[float, ...] = (),
        latex: str | None = None,
        array_api: bool = False,
        df_by_value: Callable[[Any, Any], Any] | None = None,
        rectifier: bool = False,
        step: bool = False,
    ) -> None:
        for argument, function in (("f", f), ("df", df), ("df_by_value", df_by_value)):
            if not callable(function) and (argument != "df_by_value" or function is not None):
                raise TypeError(f"{argument}: found {function!r}, expected a function of an array")
        self.name, self.f, self.df, self.df_by_value = name, f, df, df_by_value
        self.domain, self.kinks = domain, tuple(sorted(kinks))
        self.array_api, self.rectifier, self.step = array_api, rectifier, step
        self.latex = latex or rf"\operatorname{{{name}}}(z)"

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return f(x), entry by entry."""
        return self.f(x)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0, value: Any = None) -> Jacobian:
        """Return diag(f′(x))."""
        point = x.shape[batch_ndim:]
        by_value = None if value is None else self.df_by_value
        slopes = self.df(x) if by_value is None else by_value(x, value)
        d = namespace_of(x).reshape(slopes, (*x.shape[:batch_ndim], math.prod(point)))
        made = Diagonal.unchecked(d, out_shape=point, in_shape=point)
        if self.step:
            made.zero_one = True
        return made

    def smooth_piece(self, x: Any) -> Array | None:
        """Return, for each entry, 2·(kinks below it) and one more on a kink."""
        if not self.kinks:
            return None
        kinks = np.asarray(self.kinks)
        entries = np.ravel(x)
        below = np.searchsorted(kinks, entries, side="left")
        return below + np.searchsorted(kinks, entries, side="right")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()" if type(self) is not Elementwise else f"Elementwise({self.name!r})"
