"""One verdict on a Jacobian, from independent witnesses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from numpy.typing import ArrayLike

from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_flag, checked_option, shown
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.keywords import checked_keywords, keywords_of
from jacobians.numerics.layouts import TensorLayout, VecOrder
from jacobians.structures import Jacobian
from verification.candidate import Form
from verification.causes import Cause
from verification.judgement import LARGEST_DENSE, Options, judge
from verification.options import require_absolute, require_options, witness_names
from verification.problem import EvaluationError
from verification.questions import Batched, Way, question_of
from verification.report import CheckReport, Reveal
from verification.several import is_several, of_several
from verification.witnesses.asking import Budget


@without_float_errors
def check(
    f: Any,
    x: Any,
    jacobian: Any = None,
    wrt: str | Sequence[str] = INPUT,
    *,
    layout: TensorLayout | None = None,
    vec: VecOrder = "row",
    on: Any = None,
    batched: Batched = False,
    order: int = 1,
    differential: bool = False,
    symbols: Sequence[Any] | None = None,
    witnesses: Iterable[str] | None = None,
    rtol: float | None = None,
    atol: float = 0.0,
    budget: Budget | None = None,
    max_bytes: int = LARGEST_DENSE,
    seed: int = 0,
) -> CheckReport:
    """Return a verdict, right, wrong or undecided, on the Jacobian of f at x, and what it rests on.

    Every entry of the candidate is compared with ∂f_i/∂x_j as each witness finds it, by a tolerance that is
    relative to the expected answer and follows the precision of x: zeros for a function that is scaled by 1e-9 are
    wrong, and a relative error of 1e-3 in every entry is wrong always. Numerator layout, row-major vec.

    Parameters
    ----------
    f : Function, callable or sympy expression
        A Function, whose own Jacobian is checked unless another is given; plain NumPy code; or an expression, a list or
        a matrix of sympy's.
    x : array_like, or tuple of arrays
        The point. Never written to. A tuple of arrays holds the arguments of plain code, and each array of floats among
        them is asked about.
    jacobian : Jacobian, array_like of shape (m, n), or callable, optional
        The candidate; a callable is called with x. m and n are the sizes of f(x) and x, 1 for a scalar; shapes
        must be equal, (3,) is not (3, 1). Of one output the gradient in the shape of x is one too. A function of
        two arguments is the map (x, dx) ↦ df. Of several arguments: one for each, in a tuple, list or dict.
    wrt : str or sequence of str
        "input", or the name of a parameter of a Function; several of them, or of the arguments of plain code.
    layout : {"numerator", "mixed", "denominator"}, optional
        Says that `jacobian` is a tensor: of shape out_shape + reversed(in_shape), out_shape + in_shape, or
        in_shape + reversed(out_shape).
    vec : {"row", "column"}
        The vec order of an array of shape (m, n): "column" for rows and columns counted down the columns.
    on : {"symmetric", "lower"} or array_like of shape (p, …), optional
        The set that x lies in: the candidate is compared along its directions alone, E_ij + E_ji for symmetric
        matrices, or the p directions that are given in the shape of x.
    batched : bool, "sum" or "mean"
        True: x holds points along its first axis, f(x)[k] is the value at x[k], and the candidate holds the Jacobian of
        each point, (N, m, n). "sum" or "mean": the candidate is that of all of them.
    order : 1 or 2
        2: the candidate is the Hessian, (n, n) or of the shape of x twice; of several outputs (m·n, n). It is judged as
        the Jacobian of the gradient, which is found by running the code of f. Of several arguments: of two the mixed
        one, ∂²f/∂x∂W of shape (sizes of x and W) or of both shapes; the whole Hessian; one for each by its name, or
        for pairs of names, ``{("x", "W"): …}``.
    differential : bool
        True: the candidate is the map dx ↦ df, as in df = A dA + dA A.
    symbols : sequence of sympy symbols, optional
        Those of f and of the candidate in the order of x; by default the symbols of f by name, x2 before x10.
    witnesses : iterable of str, optional
        Which to ask, out of "finite-difference", "block-identity", "complex-step", "symbolic", "certified"; by
        default all, the Taylor test beside them, and the one-sided derivatives of f where a step of it has a kink.
        "projections" alone compares J v for random directions v, a fraction of the work for a large Jacobian, which
        is not formed.
    rtol : float, optional
        The relative tolerance of an entry; by default 1e-6 for float64, 2e-4 for float32, 1e-2 for float16.
    atol : float
        An absolute tolerance of every entry, 0 unless asked for: as where a right backward pass leaves 6e-16 of 0.
        Random projections don't use it.
    budget : Budget, optional
        What the witnesses that trace may spend; a larger one asks them about larger problems.
    max_bytes : int
        A structured candidate whose dense form is larger is checked by random projections.
    seed : int
        For the random projections.

    Returns
    -------
    CheckReport
        Its ``passed`` is True for "right" alone: NaN, an empty comparison, None, a function that is random or
        writes to its input, and a kink never pass. Of several arguments it has a part for each, ``report["W"]``.

    Raises
    ------
    TypeError, ValueError
        If the call makes no sense: x is refused, `wrt` is no parameter, a witness or layout is unknown, plain code
        comes without a Jacobian.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import Softmax
    >>> check(Softmax(), [0.5, -1.0, 2.0]).verdict
    'right'
    >>> report = check(np.tanh, [0.5, 1.0], np.diag([0.0, 0.0]))
    >>> report.passed, report.disagreeing[0]
    (False, 'finite-difference')

    Several arguments, a map, and a Hessian:

    >>> W, x = np.array([[1.0, 2.0]]), np.array([3.0, 4.0])
    >>> print(check(lambda W, x: W @ x, (W, x), (x[None], 2 * W)).reason)
    1 of 2 derivatives is right; wrong: x
    >>> A = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> check(lambda A: A @ A, A, lambda A, dA: A @ dA + dA @ A).verdict
    'right'
    >>> check(lambda x: np.sum(x**3), x, np.diag(6 * x), order=2).verdict
    'right'
    """
    names = witness_names(witnesses)
    require_options(rtol, budget, max_bytes, seed)
    require_absolute(atol)
    asked = Options(tuple(names), witnesses is None, rtol, atol, budget or Budget(), max_bytes, int(seed), on)
    form = Form(layout, vec, differential=checked_flag(differential, "differential"))
    way = Way(form, batched, order, symbols)

    def judged(one: Any, point: Any, candidate: Any, name: str) -> CheckReport:
        return judge(question_of(one, point, candidate, name, way), asked)

    def mixed(one: Any, point: Any, candidates: Any, arguments: Any, by: Any) -> Any:
        from verification.mixed import questions_of

        found = questions_of(one, point, candidates, arguments, by, form)
        return None if found is None else [(label, judge(question, asked)) for label, question in found]

    if on is not None and batched:
        raise ValueError(
            f"on: found {shown(on)} with batched={batched!r}, expected one point: a set has the directions of one"
        )
    try:
        if not isinstance(wrt, str) or is_several(x, wrt):
            if on is not None and (isinstance(wrt, str) or len(wrt) > 1):
                raise ValueError(
                    f"on: found {shown(on)} with several arguments, expected one: ask about it alone by wrt=[…]"
                )
            return of_several(f, x, jacobian, wrt, judged, mixed if order == 2 and not batched else None)
        return judged(f, x, jacobian, wrt)
    except EvaluationError as error:
        return CheckReport("undecided", str(error), cause=Cause.NO_VALUE)


def assert_jacobian(
    f: Callable[..., Any],
    jacobian: Jacobian | ArrayLike | Callable[[Array], Any] | None = None,
    *,
    at: ArrayLike,
    reveal: Reveal = "all",
    **options: Any,
) -> None:
    """Raise AssertionError, with the report, unless the Jacobian of f is right; for tests.

    Parameters
    ----------
    f, jacobian
        As for :func:`check`.
    at : array_like
        The point.
    reveal : {"verdict", "diagnosis", "worst", "all"}
        What the message tells; in a cell for students "all" would print the answer.
    **options
        Further arguments of :func:`check`.

    Raises
    ------
    AssertionError
        If the verdict is "wrong" or "undecided".

    Examples
    --------
    >>> import numpy as np
    >>> assert_jacobian(np.sin, np.diag(np.cos([0.5, 1.0])), at=[0.5, 1.0])
    """
    __tracebackhide__ = True  # pytest shows the line that called
    checked_option(reveal, "reveal", get_args(Reveal))
    checked_keywords(options, "assert_jacobian", ["wrt", "reveal", *keywords_of(check)])
    report = check(f, at, jacobian, **options)
    if not report.passed:
        raise AssertionError(report.told(reveal))
