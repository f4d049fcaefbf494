"""Traced NumPy code gives NumPy's own values, over every scalar type, and refuses by name what it can't follow."""

import ast
import graphlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import linalg, signal, special

import verification
from verification import finite_difference_jacobian, symbolic_jacobian
from verification.tracing.arrays import TracedArray, entries_of, traced
from verification.tracing.floats import FloatScalars
from verification.tracing.following import trace
from verification.tracing.scalars import (
    ComplexScalars,
    MpmathScalars,
    NotAnalyticError,
    TracingError,
    UndecidedError,
)
from verification.tracing.symbols import Piecewise, SympyScalars, evaluate, real_symbols

X = np.array([0.5, -1.2, 2.0])
W = np.arange(6.0).reshape(2, 3)
EYE = np.eye(3)


def filled_entry_by_entry(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        out[i] = x[i] ** 2
    out[1:] *= 2
    return out


def filled_by_mask(x):
    out = 3 * x
    out[x < 0] = 7.0
    return out


def filled_by_dtype(x):
    out = np.zeros(len(x), dtype=x.dtype)
    for i in range(len(x)):
        out[i] = np.sin(x[i])
    return out


def written_in_place(x):
    x *= 2
    x += 1
    np.exp(x, out=x)
    return x


def branched(x):
    return x * 2 if x[0] > 0 else x * 3


ANALYTIC = {
    "affine": lambda x: W @ x + 1,
    "right product": lambda x: x @ W.T,
    "np.array of entries": lambda x: np.array([x[0] ** 2 * x[1], x[0] + x[1]]),
    "np.asarray": lambda x: np.asarray(x) * 2 + np.exp(np.asarray(x)),
    "list": lambda x: [x[0], x[1] * 3],
    "entry by entry": filled_entry_by_entry,
    "dtype of x": filled_by_dtype,
    "in place": written_in_place,
    "exponentials": lambda x: np.exp(x) + np.exp2(x) + np.expm1(x) + 2.0**x,
    "logarithms": lambda x: np.log(x * x) + np.log2(x + 3) + np.log10(x + 3) + np.log1p(x * x),
    "trigonometric": lambda x: np.sin(x) * np.cos(x) - np.tan(x),
    "arcs": lambda x: np.arcsin(x / 3) + np.arccos(x / 3) + np.arctan(x),
    "hyperbolic": lambda x: np.sinh(x) + np.cosh(x) + np.tanh(x),
    "areas": lambda x: np.arcsinh(x) + np.arccosh(x + 3) + np.arctanh(x / 3),
    "roots": lambda x: np.sqrt(x + 3) + np.cbrt(x) + np.square(x) + np.reciprocal(x) + np.hypot(x, 1),
    "angles": lambda x: np.deg2rad(x) + np.rad2deg(x) + np.radians(x) + np.degrees(x),
    "special": lambda x: special.expit(x) + special.erf(x) + special.erfc(x) + special.ndtr(x),
    "log_expit": special.log_expit,
    "xlogy": lambda x: special.xlogy(x, x * x) + special.logit(np.exp(x) / 10),
    "logaddexp": lambda x: np.logaddexp(x, 0) + np.logaddexp.reduce(x),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(),
    "means": lambda x: np.mean(x) + np.var(x, ddof=1) + np.std(x) + x.mean(keepdims=True),
    "sums": lambda x: x.sum() + np.sum(np.outer(x, x), axis=(0, 1)) + sum(x) + np.add.reduce(x) + np.prod(x),
    "accumulated": lambda x: np.cumsum(x) + np.cumprod(x) + np.add.accumulate(x) + np.multiply.accumulate(x),
    "hypot of all": lambda x: np.hypot.reduce(x, axis=-1, initial=0),
    "determinants": lambda x: np.linalg.det(np.outer(x, x) + EYE),
    "inverse": lambda x: np.linalg.inv(np.outer(x, x) + EYE),
    "solve": lambda x: np.linalg.solve(np.outer(x, x) + EYE, x) + np.linalg.solve(EYE * 2, x),
    "cholesky": lambda x: np.linalg.cholesky(np.outer(x, x) + EYE),
    "einsum": lambda x: np.einsum("i,ji->j", x, W) + np.einsum("i,ij,j", x, np.outer(x, x), x, optimize=True),
    "trace of diag": lambda x: np.trace(np.diag(x)) + np.diagonal(np.outer(x, x)).sum(),
    "products": lambda x: np.kron(x, x).reshape(3, 3) + np.outer(x, x) + np.multiply.outer(x, x),
    "dots": lambda x: np.dot(x, x) + x.dot(x) + np.inner(x, x) + np.dot(2.0, x),
    "tensordot": lambda x: np.tensordot(W, x, 1) + np.matvec(W, x) + np.vecmat(x, W.T),
    "joined": lambda x: np.concatenate([x, [1.0], np.append(x, 2.0), np.hstack([x, x])]),
    "stacked": lambda x: np.stack([x, 2 * x], 1).T + np.vstack([x, x]) + np.block([[x], [x]]),
    "shapes": lambda x: (
        np.expand_dims(x, 0).squeeze(0) + np.ravel(x.reshape(3, 1)) + np.broadcast_to(x, (2, 3))
    ),
    "axes": lambda x: np.moveaxis(np.outer(x, W[0]), 0, 1) + np.swapaxes(np.outer(x, W[1]), 0, 1),
    "transposed": lambda x: np.outer(x, W[0]).T + np.transpose(np.outer(x, W[1])) + np.outer(W[0], x).mT,
    "picked": lambda x: x[[0, 0, 2]] + x[::-1] + np.take(x, [2, 1, 0]) + x[..., None][:, 0],
    "along": lambda x: np.take_along_axis(x, np.array([1, 0, 2]), 0) + np.roll(x, 1) + np.flip(x),
    "repeated": lambda x: np.tile(x, 2) + np.repeat(x, 2),
    "triangles": lambda x: np.tril(np.outer(x, x)) - np.triu(np.outer(x, x), 1),
    "split": lambda x: np.split(x, 3)[1] + np.atleast_1d(x[0]) + np.atleast_2d(x)[0, 2],
    "cross": lambda x: np.cross(x, np.array([1.0, 2.0, 3.0])),
    "padded": lambda x: np.pad(x, 1) + np.pad(np.diff(x), (1, 2)),
    "filled": lambda x: x + np.ones_like(x) * 3 + np.full_like(x, 2.5) + np.empty_like(x) * 0,
    "constant mask": lambda x: np.where(np.array([True, False, True]), x, 0),
    "float32 constants": lambda x: np.float32(0.5) * x + np.int64(3),
    "finite": lambda x: np.isfinite(x) * x + np.nan_to_num(x),
}

BRANCHED = {
    "maximum": lambda x: np.maximum(x, 0) + np.minimum(x, 1) + np.fmax(x, W[0]),
    "where": lambda x: np.where(x > 0, x, np.expm1(x)),
    "where of both": lambda x: np.where((x > 0) & ~(x > 1) | (x == 3), x, -x),
    "clip": lambda x: np.clip(x, -1, 1) + x.clip(0) + np.clip(x, max=1.0),
    "absolute": lambda x: np.abs(x) + abs(x) + np.fabs(x) + np.sign(x) * x,
    "stable softmax": lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
    "extrema": lambda x: np.max(np.outer(x, x), axis=1) + np.min(x) + np.minimum.reduce(x),
    "extreme places": lambda x: x[np.argmax(x)] * x[x.argmin()],
    "norms": lambda x: np.linalg.norm(x) + np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf),
    "matrix norms": lambda x: np.linalg.norm(np.outer(x, x)) + np.linalg.norm(np.outer(x, W[1]), axis=1),
    "conditions as numbers": lambda x: (x > 0) * x + (x > 1).astype(float).sum() + (x > 0) @ W.T[:, 0],
    "slogdet": lambda x: np.linalg.slogdet(np.outer(x, x) - EYE).logabsdet,
    "vdot": lambda x: np.vdot(x, x) + np.vecdot(x, x),
    "mask read": lambda x: x[x > 0],
    "mask written": filled_by_mask,
    "if": branched,
    "heaviside": lambda x: np.heaviside(x, 0.0) + x.real + np.conj(x),
}


def floats(entries):
    return np.array([float(entry) for entry in entries.ravel()]).reshape(entries.shape)


@pytest.mark.parametrize("name", [*ANALYTIC, *BRANCHED])
def test_many_digits_give_numpys_values(name):
    f = {**ANALYTIC, **BRANCHED}[name]
    expected = np.asarray(f(X.copy()))
    found = floats(trace(f, traced(X, MpmathScalars(30))))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", [*ANALYTIC, *BRANCHED])
def test_floats_give_numpys_values_in_as_many_operations(name):
    f = {**ANALYTIC, **BRANCHED}[name]
    scalars, precise = FloatScalars(), MpmathScalars(30)
    found = floats(trace(f, traced(X, scalars)))
    np.testing.assert_allclose(found, np.asarray(f(X.copy())), rtol=1e-13, atol=1e-15)
    trace(f, traced(X, precise))
    assert scalars.operations == precise.operations > 0


def test_floats_follow_ieee_754():
    scalars = FloatScalars()
    with np.errstate(all="ignore"):
        found = trace(lambda x: 1 / x + np.log(x) + np.sqrt(x - 1), traced([0.0, 1.0, np.inf], scalars))
    np.testing.assert_array_equal(floats(found), [np.nan, 1.0, np.inf])


@pytest.mark.parametrize("name", [*ANALYTIC, *BRANCHED])
def test_symbols_give_numpys_values(name):
    f = {**ANALYTIC, **BRANCHED}[name]
    symbols = real_symbols("x", X.shape)
    point = dict(zip(symbols, X.tolist(), strict=True))
    entries = trace(f, TracedArray(symbols, SympyScalars(point)))
    expected = np.asarray(f(X.copy()))
    assert entries.shape == expected.shape
    found = np.array([float(value) for value in evaluate(list(entries.ravel()), point)]).reshape(
        entries.shape
    )
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ANALYTIC)
def test_complex_numbers_give_numpys_values(name):
    entries = trace(ANALYTIC[name], traced(X, ComplexScalars()))
    expected = np.asarray(ANALYTIC[name](X.copy()))
    found = np.array([complex(entry).real for entry in entries.ravel()]).reshape(entries.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", sorted(set(BRANCHED) - {"heaviside"}))
def test_complex_numbers_refuse_what_is_not_analytic(name):
    with pytest.raises(NotAnalyticError, match="not complex analytic"):
        trace(BRANCHED[name], traced(X, ComplexScalars()))


@pytest.mark.parametrize(
    ("f", "named"),
    [
        (np.linalg.norm, "linalg.norm"),
        (np.abs, "absolute"),
        (lambda x: np.maximum(x, 0), "maximum"),
        (np.conj, "conjugate"),
        (lambda x: x.real, "real"),
        (np.max, "max"),
        (lambda x: np.vdot(x, x), "vdot"),
        (lambda x: x > 0, "greater"),
        (lambda x: np.linalg.slogdet(np.diag(x))[1], "linalg.slogdet"),
    ],
)
def test_the_refusal_names_the_operation(f, named):
    with pytest.raises(NotAnalyticError, match=f"^{named}: not complex analytic"):
        trace(f, traced(X, ComplexScalars()))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.linalg.eigh(np.outer(x, x)), r"^np.linalg.eigh: not traced"),
        (lambda x: np.linalg.svd(np.outer(x, x)), r"^np.linalg.svd: not traced"),
        (lambda x: np.partition(x, 1), r"^np.partition: not traced"),
        (lambda x: x.argsort(), r"^ndarray.argsort: not traced"),
        (np.floor, r"^floor: not traced on mpmath scalars"),
        (special.gamma, r"^gamma: not traced on mpmath scalars"),
        (np.round, r"^np.round: piecewise constant"),
        (lambda x: math.exp(x[0]), r"^float\(\) of a traced array"),
        (lambda x: np.asarray(x, dtype=int), r"^np.asarray: dtype int64 of traced entries"),
        (lambda x: np.linalg.norm(np.outer(x, x), 2), r"ord=2 over 2 axes is not traced"),
        (lambda x: np.exp(x, where=np.array([True, False, True])), r"^exp: where= is not traced"),
        (lambda x: np.sum(x, where=np.array([True, False, True])), r"where= is not traced"),
        (lambda x: np.exp(x, out=np.array([0.0, 0.0, 0.0])), r"^out=: found an array of numbers"),
        (lambda x: None, r"^f returned None"),
        (lambda x: x + np.array(["a", "b", "c"]), r"dtype <U1 beside traced ones"),
    ],
)
def test_what_is_not_traced_is_named(f, message):
    with pytest.raises(TracingError, match=message):
        trace(f, traced(X, MpmathScalars(20)))


def test_an_assignment_into_numbers_says_what_to_use():
    def f(x):
        out = np.array([0.0, 0.0, 0.0])
        out[0] = x[0]
        return out

    with pytest.raises(
        TracingError, match=r"np\.zeros_like\(x\).*f, line \d+ of test_verification_tracing.py"
    ):
        trace(f, traced(X, MpmathScalars(20)))


def test_traces_are_not_mixed():
    kept = traced(X, MpmathScalars(20))
    with pytest.raises(TracingError, match="two traces are mixed"):
        trace(lambda x: x + kept, traced(X, MpmathScalars(20)))


def test_the_input_is_not_written_to():
    x = traced(X, MpmathScalars(20))
    trace(written_in_place, x)
    assert floats(x.entries).tolist() == X.tolist()


def test_a_branch_by_if_on_its_boundary_is_undecided():
    (symbol,) = real_symbols("x", (1,))
    x = TracedArray(np.array([symbol], dtype=object), SympyScalars({symbol: 0.0}))
    with pytest.raises(UndecidedError, match="exactly on its boundary"):
        trace(branched, x)


def test_branches_are_kept_on_both_sides():
    (symbol,) = real_symbols("x", (1,))
    x = TracedArray(np.array([symbol], dtype=object), SympyScalars({symbol: 3.0}))
    (entry,) = trace(lambda t: np.where(t > 1, t**2, -t), x)
    assert isinstance(entry, Piecewise)
    assert [float(evaluate([entry], {symbol: at})[0]) for at in (-2.0, 1.0, 3.0)] == [2.0, -1.0, 9.0]


def test_floats_keep_every_digit_and_rationals_come_on_request():
    (symbol,) = real_symbols("x", (1,))
    inexact, exact = SympyScalars({symbol: 0.0}), SympyScalars({symbol: 0.0}, exact=True)
    assert exact.constant(0.1) == 3602879701896397 / exact.constant(2**55)
    assert (inexact.constant(0.1) - exact.constant(0.1)) == 0
    assert inexact.constant(3.0).is_Integer
    assert not inexact.constant(0.1).is_Rational


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_symbolic_inverses_need_no_pivots(size):
    rng = np.random.default_rng(size)
    matrix = rng.normal(size=(size, size))
    matrix[0, 0] = 0.0  # the first pivot of an elimination without exchanges
    if size == 1:
        matrix[0, 0] = 2.0
    scalars = SympyScalars({})
    found = entries_of(np.linalg.inv(TracedArray(entries_of(matrix, scalars), scalars)), scalars)
    np.testing.assert_allclose(floats(found), np.linalg.inv(matrix), rtol=1e-11)
    mp = MpmathScalars(30)
    found = entries_of(np.linalg.det(TracedArray(entries_of(matrix, mp), mp)), mp)
    np.testing.assert_allclose(floats(found), np.linalg.det(matrix), rtol=1e-12)


def test_large_symbolic_inverses_are_refused():
    scalars = SympyScalars({})
    with pytest.raises(TracingError, match="9×9 matrix of sympy scalars is too large"):
        np.linalg.inv(TracedArray(entries_of(np.eye(9), scalars), scalars))


def test_operations_are_counted():
    scalars = MpmathScalars(20)
    trace(lambda x: np.tanh(W @ x), traced(X, scalars))
    assert scalars.operations == 2 * 6 + 2


def _matrix(x):
    return np.array([[x[0] + 2, x[1]], [x[1], x[2]]])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.solve(_matrix(x), np.ones(2)),
        lambda x: np.linalg.inv(np.asarray([[x[0] + 2, x[1]], [x[1], x[2]]])),
        lambda x: np.linalg.det(_matrix(x)),
        lambda x: np.linalg.slogdet(_matrix(x))[1],
        lambda x: np.linalg.cholesky(_matrix(x)),
        lambda x: np.asarray(x, dtype=np.float32) @ np.eye(3),
        lambda x: np.array([np.array([x[0], 1.0]), [x[1], 2.0]], ndmin=3) * 2,
    ],
)
def test_arrays_that_are_built_of_traced_numbers_are_followed(f):
    own = np.array, np.asarray, np.asanyarray
    x = np.array([0.5, 0.2, 1.7])
    found = symbolic_jacobian(f, x).value
    assert (np.array, np.asarray, np.asanyarray) == own
    g = lambda x: np.asarray(f(x), dtype=np.float64)  # noqa: E731
    tolerance = 1e-3 if g(x).size == 3 else 1e-7  # that in float32
    assert np.allclose(found, finite_difference_jacobian(g, x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: linalg.cho_solve((np.eye(2), True), x[:2]), "scipy.linalg.cho_solve"),
        (lambda x: linalg.expm(_matrix(x)), "scipy.linalg.expm"),
        (lambda x: signal.convolve2d(_matrix(x), np.eye(2)), "scipy.signal.convolve2d"),
        (lambda x: linalg.solve(_matrix(x), np.ones(2)), "scipy.linalg.solve"),
    ],
)
def test_library_functions_that_traced_numbers_went_into_are_named_with_their_line(f, name):
    line = f.__code__.co_firstlineno
    with pytest.raises(TracingError, match=rf"^{re.escape(name)} \(line {line}\) can't be traced: "):
        symbolic_jacobian(f, [1.0, 0.5, 2.0])


def test_no_file_imports_one_that_imports_it():
    files = {f"verification.{path.stem}": path for path in Path(verification.__file__).parent.glob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing = {
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for part in ast.walk(node)
        }
        froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n not in typing and n.module]
        graph[name] = {part for n in froms for part in (n.module, *(f"{n.module}.{a.name}" for a in n.names))}
        graph[name] &= files.keys()
    tuple(graphlib.TopologicalSorter(graph).static_order())  # CycleError names the files
