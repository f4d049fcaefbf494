"""Functions that are followed as what they are made of, stacks of matrices, joins by index: against differences."""

import numpy as np
import pytest
import scipy.linalg as sl
import scipy.special  # its functions are followed where it is loaded
from numpy_programs import M, R, T, V

import backprop
from jacobians import trace
from jacobians.graph import TracingError
from jacobians.graph.composed import COMPOSED
from jacobians.graph.composed_scipy import load_scipy
from verification import finite_difference_jacobian

SQUARES = np.stack([M, M.T + 0.3, M @ M])
LENGTHS = np.array([0.5, 1.0, 2.0, 0.25])


def positive(A):
    return A @ np.swapaxes(A, -1, -2)


def copied(x, src, where=True):
    out = np.zeros(4)
    np.copyto(out, x)
    np.copyto(out, src, where=where)
    return out * x


def with_diagonal(A, d):
    out = A * 2
    np.fill_diagonal(out, d)
    return out @ out


def put(X, v):
    out = X * 1
    np.put_along_axis(out, np.array([[2], [0]]), v, axis=1)
    return out * X


def added_at(x, values):
    out = x * 2
    np.add.at(out, [0, 2, 0, 0], values)
    np.subtract.at(out, (np.array([1, 1]),), values[:2] * x[3])
    return out * out


CASES = {
    "average": [(np.average, V), (lambda x, w: np.average(x, weights=w), V, LENGTHS),
                (lambda x, w: np.average(x, axis=1, weights=w), R, V[:3])],
    "ptp": [(np.ptp, V), (lambda x: np.ptp(x, axis=1), R)],
    "quantile": [(lambda x: np.quantile(x, 0.3), V), (lambda x: np.quantile(x, 1, axis=0, keepdims=True), R)],
    "percentile": [(lambda x: np.percentile(x, 40, axis=1), R)],
    "median": [(np.median, V), (lambda x: np.median(x, axis=1), R), (lambda x: np.median(x, axis=0), R)],
    "select": [(lambda x: np.select([x < 0.4, x < 0.65], [x**2, 3 * x], x**3), V)],
    "copyto": [(lambda x: copied(x, x**2, V > 0.5), V), (lambda x: copied(x, x[1]), V)],
    "fill_diagonal": [(with_diagonal, M, V[:3]), (with_diagonal, M, V[0])],
    "put_along_axis": [(put, R, R[:, :1] + 0.4)],
    "matrix_power": [(lambda A, n=n: np.linalg.matrix_power(A, n), M) for n in (1, 2, 5, -2)],
    "multi_dot": [(lambda A, B, x: np.linalg.multi_dot([A, B, x]), R, M, V[:3])],
    "trapezoid": [(np.trapezoid, V), (lambda y, x: np.trapezoid(y, x), V, np.cumsum(LENGTHS)),
                  (lambda y: np.trapezoid(y, dx=0.3, axis=0), R)],
    "interp": [(lambda x, f: np.interp(x, [0.0, 0.4, 0.5, 1.0], f), V, LENGTHS),
               (lambda x: np.interp(x * 3 - 0.7, [0.0, 0.4, 0.5, 1.0], LENGTHS), V)],
    "polyval": [(np.polyval, V, LENGTHS)],
    "cov": [(np.cov, R), (lambda x: np.cov(x, rowvar=False, bias=True), R), (lambda x, y: np.cov(x, y), V, LENGTHS)],
    "corrcoef": [(np.corrcoef, M), (lambda x, y: np.corrcoef(x, y), V, LENGTHS)],
    "apply_along_axis": [(lambda A: np.apply_along_axis(lambda row: row * row[0], 0, A), M),
                         (lambda A: np.apply_along_axis(np.sum, 1, A), T)],
    "broadcast_arrays": [(lambda x, y: np.multiply(*np.broadcast_arrays(x, y)), R, V[:3])],
    "meshgrid": [(lambda x, y: np.multiply(*np.meshgrid(x, y)), V, V[:3]),
                 (lambda x, y: np.multiply(*np.meshgrid(x, y, indexing="ij", sparse=True)), V, V[:3])],
    "divmod": [(lambda x, y: sum(np.divmod(x, y)), V, np.array([0.25, 0.4, 0.2, 0.23]))],
    "real": [(lambda x: np.real(x) * x.real + x.imag, V)],
    "real_if_close": [(np.real_if_close, V)],
    "ascontiguousarray": [(lambda x: np.ascontiguousarray(x.T) ** 2, R)],
    "asfortranarray": [(lambda x: np.asfortranarray(x) ** 2, R)],
    "asarray_chkfinite": [(lambda x: np.asarray_chkfinite(x) ** 2, R)],
    "vecdot": [(np.vecdot, R, R + 0.2)],
    "matrix_transpose": [(np.matrix_transpose, T), (np.linalg.matrix_transpose, T)],
    "vector_norm": [(np.linalg.vector_norm, R), (lambda x: np.linalg.vector_norm(x, axis=1, ord=3), R)],
    "matrix_norm": [(np.linalg.matrix_norm, T)],
    "cross": [(np.linalg.cross, V[:3], V[1:])],
    "diagonal": [(np.linalg.diagonal, T)],
    "matmul": [(np.linalg.matmul, R, M)],
    "outer": [(np.linalg.outer, V, V[:2])],
    "tensordot": [(lambda a, b: np.linalg.tensordot(a, b, axes=1), R, M)],
    "trace": [(np.linalg.trace, SQUARES), (lambda x: np.linalg.trace(x, offset=1), SQUARES)],
    "solve_triangular": [(lambda A, b, o=o: sl.solve_triangular(A, b, **o), M, V[:3])
                         for o in ({}, {"lower": True}, {"trans": "T"}, {"unit_diagonal": True, "lower": True})],
    "cholesky": [(lambda A: sl.cholesky(positive(A)), M), (lambda A: sl.cholesky(positive(A), lower=True), M)],
    "cho_factor": [(lambda A, o=o: sl.cho_factor(positive(A), lower=o)[0], M) for o in (True, False)],
    "cho_solve": [(lambda A, b, o=o: sl.cho_solve(sl.cho_factor(positive(A), o), b), M, V[:3]) for o in (True, False)],
    "solve": [(sl.solve, M, V[:3])],
    "inv": [(sl.inv, M)],
    "det": [(sl.det, M)],
    "norm": [(sl.norm, R), (lambda x: sl.norm(x, 3), V)],
    "block_diag": [(lambda A, b: sl.block_diag(A, b, A), R, V)],
    # beside them
    "stack of matrices: inv": [(np.linalg.inv, SQUARES)],
    "stack of matrices: det": [(np.linalg.det, SQUARES)],
    "stack of matrices: slogdet": [(lambda A: np.linalg.slogdet(A)[1], SQUARES)],
    "stack of matrices: solve": [(np.linalg.solve, SQUARES, V[:3]), (np.linalg.solve, SQUARES, SQUARES[:, :, :2] + 0.1),
                                 (np.linalg.solve, M, SQUARES)],
    "stack of matrices: cholesky": [(lambda A: np.linalg.cholesky(positive(A)), SQUARES)],
    "norms by singular values": [(lambda A, p=p: np.linalg.norm(A - 0.5, p), R) for p in ("nuc", 2, -2)]
    + [(lambda A: np.linalg.norm(A, "nuc", axis=(0, 2)), T)],
    "c_": [(lambda x, y: np.c_[x, y, np.ones(4), x], V, LENGTHS), (lambda A, x: np.c_[A, x], M, V[:3])],
    "r_": [(lambda x, y: np.r_[x, 1.0, y[0], 0:3, y[:2]], V, LENGTHS), (lambda A: np.r_[A, A * 2], M)],
    "full": [(lambda x: np.full(3, x[0]) * x[1:], V), (lambda x: np.full((2, 4), x), V)],
    "add.at": [(added_at, V, LENGTHS)],
    "columns first": [(lambda x: x.flatten("F") * x.ravel(order="F") + np.ravel(x, "F")[0], R),
                      (lambda x: x.reshape(3, 2, order="F") ** 2, R)],
    "lists": [(lambda x: np.stack([x[0] * row for row in np.array([x, 2 * x])]), V)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "k"), [(name, k) for name, cases in CASES.items() for k in range(len(cases))]
)
def test_what_functions_are_made_of_has_the_jacobian_that_differences_see(name, k):
    f, *points = CASES[name][k]
    graph = trace(f, *points)
    np.testing.assert_allclose(graph.vertices[graph.outputs[0]].value, f(*points), rtol=1e-9)
    plan = graph.plan("reverse")
    execution = plan.execute()
    assert execution.cost == plan.cost
    for place, point in enumerate(points):

        def of_one(x, place=place):
            return np.asarray(f(*points[:place], x, *points[place + 1 :]))

        expected = finite_difference_jacobian(of_one, point, method="richardson")
        found = execution.jacobians[graph.outputs[0], graph.inputs[place]].dense()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_every_function_that_is_made_of_others_has_a_case():
    load_scipy()
    assert {function.__name__ for function in COMPOSED} - set(CASES) == set()


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (
            lambda x: sl.expm(np.outer(x, x)),
            r"line \d+: scipy\.linalg\.expm is not in the table of operations",
        ),
        (
            lambda x: sl.solve_triangular(np.diag(x), x, overwrite_b=True),
            "solve_triangular takes a, b, trans, lower",
        ),
        (
            lambda x: np.vectorize(lambda t: t * 2)(x),
            r"line \d+: .*a conversion to a plain array loses the derivative",
        ),
        (
            lambda x: np.ma.array(x) * 2,
            r"line \d+: array: a conversion to a plain array loses the derivative",
        ),
        (lambda x: np.arange(x[0]), r"line \d+: arange: a conversion"),
        (lambda x: np.median(x, axis=(0,)), "an axis of .* is not followed here"),
        (
            lambda x: np.average(x, weights=x, returned=True),
            "numpy.average takes a, axis, weights, keepdims here",
        ),
        (lambda x: np.quantile(x, x[0]), "a quantile is followed of one number q that is no operand"),
        (lambda x: np.linalg.norm(x, 0), r"ord 0 of 1 axes is not followed"),
        (
            lambda x: np.r_["0,2", x, x],
            r"numpy.r_ with a text of axes is not followed; use numpy.concatenate",
        ),
        (lambda x: np.frombuffer(x), r"line \d+: frombuffer can't be followed here"),
        (lambda x: scipy.special.zeta(x + 1, x), r"zeta"),
        (lambda x: np.linalg.svd(np.outer(x, x)), r"numpy\.linalg\.svd is not in the table of operations"),
    ],
)
def test_what_is_not_followed_is_refused_by_name(f, words):
    with pytest.raises(TracingError, match=words):
        trace(f, V)


def test_an_error_of_the_code_itself_stays_what_it_is():
    with pytest.raises(ZeroDivisionError, match="by zero"):
        trace(lambda x: x * (1 // 0), V)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        trace(lambda A: np.linalg.inv(A), np.zeros((2, 2)))


@pytest.mark.parametrize(
    "name", ["average", "trapezoid", "c_", "r_", "meshgrid", "vecdot", "stack of matrices: inv", "full"]
)
def test_what_they_are_made_of_is_compiled(name):
    f, *points = CASES[name][0]
    compiled = backprop.compile(f, *points)
    found = compiled(*points)
    found = found if isinstance(found, tuple | list) else [found]
    expected = finite_difference_jacobian(
        lambda x: np.asarray(f(x, *points[1:])), points[0], method="richardson"
    )
    np.testing.assert_allclose(np.asarray(found[0]), expected, rtol=1e-6, atol=1e-8)
