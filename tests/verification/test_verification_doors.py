"""Junk at the doors of the checks: one line of this package's own words, that names the argument."""

import re

import numpy as np
import pytest
import sympy

from verification import (
    adjoint_test,
    check,
    finite_difference_jacobian,
    taylor_test,
)
from verification.course import eval_numerical_gradient_array

X = np.array([0.3, 0.7])
J = np.diag(np.cos(X))
JUNK = [
    np.ones((2, 2)),
    [np.ones(2)],
    object(),
    [[1], [2, 3]],
    10**400,
    10**5000,
    {},
    sympy.Symbol("x"),
    1j,
    b"x",
]
FOREIGN = "ambiguous|inhomogeneous|too large to convert|not callable|integer string conversion|as_coefficient"


def own(error: pytest.ExceptionInfo[Exception], name: str) -> bool:
    said = str(error.value)
    return said.startswith(f"{name}: found ") and "expected" in said and not re.search(FOREIGN, said)


@pytest.mark.parametrize("name", ["witnesses", "layout", "wrt", "rtol", "atol", "budget", "seed"])
@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_options_that_are_junk_are_refused_by_name(name, junk):
    if name == "seed" and isinstance(junk, int):
        assert check(np.sin, X, J, seed=junk).passed
        return
    with pytest.raises((TypeError, ValueError)) as error:
        check(np.sin, X, J, **{name: junk})
    assert own(error, name), str(error.value)


@pytest.mark.parametrize("junk", JUNK[:-1], ids=range(len(JUNK) - 1))
def test_steps_methods_and_functions_that_are_junk_are_refused_by_name(junk):
    for name, call in (
        ("method", lambda: finite_difference_jacobian(np.sin, X, junk)),
        ("step", lambda: finite_difference_jacobian(np.sin, X, step=junk)),
        ("f", lambda: finite_difference_jacobian(junk, X)),
        ("f", lambda: eval_numerical_gradient_array(junk, X, X)),
        ("f", lambda: check(junk, X, J)),
    ):
        if name == "step" and isinstance(junk, list | np.ndarray) and np.shape(junk[0]) == (2,):
            continue  # a shape that is named, not junk
        with pytest.raises((TypeError, ValueError)) as error:
            call()
        assert own(error, name), str(error.value)


def test_a_number_in_place_of_a_function_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^f: found int, expected a Function or a function of one array$"):
        eval_numerical_gradient_array(3, X, X)
    for seed in (object(), X, {}, -1, 1.5):
        for call in (lambda s: taylor_test(np.sin, X, J, seed=s), lambda s: adjoint_test(J, seed=s)):
            with pytest.raises((TypeError, ValueError), match=r"^seed: found .*, expected an integer"):
                call(seed)


def test_a_matrix_of_sympy_is_taken_as_its_numbers():
    exact = sympy.diag(*(sympy.cos(sympy.Rational(k, 10)) for k in (3, 7)))
    for form in (exact, exact.as_immutable(), exact.tolist(), lambda x: exact):
        assert check(np.sin, X, form).passed
        assert check(np.sin, X, 2 * exact).verdict == "wrong"
    t = sympy.Symbol("t")
    assert check(np.sin, X, sympy.diag(t, 1)).reason.startswith(
        "jacobian: found the symbols t of sympy, expected numbers"
    )


def test_functions_of_sympy_are_named_with_the_way_out():
    for f in (sympy.sin, sympy.Lambda(sympy.Symbol("x"), 2)):
        with pytest.raises(
            TypeError, match=r"^f: found .* of sympy, expected a function of arrays, such as sympy.lambdify"
        ):
            check(f, [1.0], [[1.0]])
    x = sympy.Symbol("x")
    assert check(sympy.lambdify(x, sympy.sin(x)), X, J).passed


@pytest.mark.parametrize(
    "candidate", [[[1, 2], [3]], 10**400, [[10**400, 0], [0, 1]], {}, object(), "abc", [["1"]]]
)
def test_a_candidate_that_is_no_array_is_wrong_with_a_sentence(candidate):
    for form in (candidate, lambda x: candidate):
        report = check(np.sin, X, form)
        assert report.verdict == "wrong"
        assert re.match(r"jacobian: found .*, expected", report.reason)
