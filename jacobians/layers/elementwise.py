"""Functions entry by entry: f, f′, domain and kinks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.names import class_name
from jacobians.numerics.arguments import (
    checked_callable,
    checked_flag,
    checked_list,
    checked_pair,
    real_number,
    shown,
)
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.libraries import is_foreign, namespace_of
from jacobians.structures import Diagonal, Jacobian
from jacobians.written import is_real

_EVERYWHERE = (-math.inf, math.inf)


class InFormulas(NamedTuple):
    """What the language of formulas needs of a function entry by entry; the rest it takes from the row.

    Attributes
    ----------
    slope : str
        f′(z), in the language.
    code : str
        f as NumPy code of ``{0}``.
    latex, text : str
        The name in LaTeX and in text, where it is another.
    """

    slope: str
    code: str
    latex: str = ""
    text: str = ""


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

    A subclass may state each of those behind df in its body, too: ``rectifier = True``; and `leak`, the slope of a
    rectifier below 0, and `in_formulas`, what the language of formulas needs to know of it.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused; at a point, if f or df does not give a real number for each entry, or an entry at
        the door is outside the domain.

    Examples
    --------
    An activation of one's own is one row:

    >>> cube = Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2)
    >>> cube.jacobian([1.0, 2.0])
    <Diagonal 2×2: 2×2, out (2,), in (2,), 2 of 4 numbers stored>
    """

    vectorized = True
    domain: tuple[float, float] = _EVERYWHERE
    kinks: tuple[float, ...] = ()
    latex: str = ""
    array_api = False
    df_by_value: Callable[[Any, Any], Any] | None = None
    rectifier: bool = False
    step: bool = False
    leak: float = 0.0
    in_formulas: ClassVar[InFormulas | None] = None

    def __init__(
        self,
        name: str,
        f: Callable[[Any], Any],
        df: Callable[[Any], Any],
        *,
        domain: tuple[float, float] | None = None,
        kinks: tuple[float, ...] | None = None,
        latex: str | None = None,
        array_api: bool | None = None,
        df_by_value: Callable[[Any, Any], Any] | None = None,
        rectifier: bool | None = None,
        step: bool | None = None,
    ) -> None:
        stated = type(self)  # what its body says, for what is not given
        domain, kinks = stated.domain if domain is None else domain, stated.kinks if kinks is None else kinks
        latex = stated.latex or None if latex is None else latex
        checked_callable(f, "f", "a function of an array", 1)
        checked_callable(df, "df", "a function of an array", 1)
        if df_by_value is not None:
            checked_callable(df_by_value, "df_by_value", "a function of an array and f of it", 2)
        for argument, text in (("name", name), ("latex", latex)):
            if not isinstance(text, str) and (argument == "name" or text is not None):
                raise TypeError(f"{argument}: found {shown(text)}, expected text")
        self.name, self.f, self.df = name, f, df
        if df_by_value is not None:
            self.df_by_value = df_by_value
        low, high = checked_pair(domain, "domain", infinite=True)
        points = checked_list(kinks, "kinks", "the numbers where f has a kink, such as (0.0,)")
        found = sorted(real_number(kink, f"kinks[{place}]") for place, kink in enumerate(points))
        self.domain, self.kinks = (low, high), tuple(found)
        for flag, value in (("array_api", array_api), ("rectifier", rectifier), ("step", step)):
            setattr(self, flag, checked_flag(getattr(stated, flag) if value is None else value, flag))
        self.latex = latex or rf"\operatorname{{{name}}}(z)"

    @property
    def has_domain(self) -> bool:
        """Whether f is not defined everywhere."""
        return self.domain != _EVERYWHERE or type(self).check_values is not Elementwise.check_values

    def check_values(self, x: Array) -> None:
        """Raise ValueError if an entry is outside the open interval where f is defined."""
        if self.domain == _EVERYWHERE:
            return
        low, high = self.domain
        wrong = (x <= low) | (x >= high)  # NaN is neither
        if bool(namespace_of(x).any(wrong)):
            raise ValueError(
                f"x: found {float(x[wrong][0]):g}, expected numbers between {low:g} and {high:g}, the domain of "
                f"{self.name}"
            )

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return f(x), entry by entry."""
        return self._entries(self.f(x), x, "f")

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0, value: Any = None) -> Jacobian:
        """Return diag(f′(x))."""
        point = x.shape[batch_ndim:]
        by_value = None if value is None else self.df_by_value
        if by_value is None:
            slopes = self._entries(self.df(x), x, "df")
        else:
            slopes = self._entries(by_value(x, value), x, "df_by_value")
        d = slopes
        if len(point) != 1:
            d = namespace_of(x).reshape(slopes, (*x.shape[:batch_ndim], math.prod(point)))
        made = Diagonal.unchecked(d, out_shape=point, in_shape=point)
        if self.step:
            made.zero_one = True
        return made

    def _entries(self, values: Any, x: Any, name: str) -> Any:
        """Return what f or f′ gave, if it is a number for each entry: real, where x is real."""
        shape = getattr(values, "shape", None)
        if shape == x.shape and (values.dtype == x.dtype or not is_real(x)):
            return values
        name = f"{name} of {self.name}"
        if is_real(x) and not is_foreign(values):
            values = real_array(values, name)
        if tuple(np.shape(values)) != tuple(x.shape):
            raise ValueError(
                f"{name}: found values of shape {tuple(np.shape(values))} for x of shape {tuple(x.shape)}, expected "
                f"one for each entry; a function of all entries is a Function of its own"
            )
        return values

    def smooth_piece(self, x: Any) -> Array | None:
        """Return, for each entry, 2·(kinks below it) and one more on a kink."""
        if not self.kinks:
            return None
        kinks = np.asarray(self.kinks)
        entries = np.ravel(x)
        below = np.searchsorted(kinks, entries, side="left")
        return below + np.searchsorted(kinks, entries, side="right")

    def __repr__(self) -> str:
        return f"{class_name(self)}()" if type(self) is not Elementwise else f"Elementwise({self.name!r})"
