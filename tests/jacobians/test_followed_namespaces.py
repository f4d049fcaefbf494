"""Every public function of NumPy and of SciPy's linear algebra and special functions: followed right, or refused."""

import re
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from jacobians import trace
from jacobians.graph import TracingError
from verification import finite_difference_jacobian

V = np.array([0.3, 0.7, 0.2, 0.55])
S = np.array(0.4)
M = np.array([[1.9, 0.4, 0.35], [0.38, 1.6, 0.15], [0.31, 0.18, 1.5]])
T = np.stack([M, M[::-1, ::-1] + 0.07])
C = np.array([1.0, 2.0, 0.5, 0.1])
CALLS = {
    "x": (lambda f, x: f(x), (V, M, S, T)),
    "x, 0.4 + x backwards": (lambda f, x: f(x, x[::-1] + 0.43), (V,)),
    "x, constant": (lambda f, x: f(x, C), (V,)),
    "constant, x": (lambda f, x: f(C, x), (V,)),
    "x, its transpose": (lambda f, x: f(x, x.T + 0.9), (M,)),
    "matrix, vector": (lambda f, x: f(x, C[:3]), (M,)),
    "x, 1": (lambda f, x: f(x, 1), (V, M)),
    "1, x": (lambda f, x: f(1, x), (V,)),
    "x, 1, 2": (lambda f, x: f(x, 1, 2), (V,)),
    "1, 1, x": (lambda f, x: f(1, 1, x), (V,)),
    "three": (lambda f, x: f(x, x + 1, x + 2), (V,)),
    "list": (lambda f, x: f([x, x * 2]), (V,)),
    "tuple": (lambda f, x: f((x, x * 2)), (V,)),
}
ROOMS = {
    "numpy": np,
    "numpy.linalg": np.linalg,
    "numpy.fft": np.fft,
    "scipy.special": scipy.special,
    "scipy.linalg": scipy.linalg,
}
# they write files, print, set states, or run the tests of NumPy
LEFT_OUT = {
    "save", "savez", "savez_compressed", "savetxt", "load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "memmap",
    "info", "test", "show_config", "show_runtime", "set_printoptions", "get_printoptions", "printoptions", "seterr",
    "seterrcall", "geterr", "geterrcall", "errstate", "setbufsize", "getbufsize", "get_include", "empty", "empty_like",
}  # fmt: skip
# what jumps at the points, or changes between pieces there: differences see no derivative
JUMPS = {"divmod", "floor_divide", "fmod", "mod", "remainder", "round", "around", "rint", "std", "nanstd"}


def functions(room):
    for name in sorted(vars(ROOMS[room])):
        function = getattr(ROOMS[room], name)
        if callable(function) and not isinstance(function, type) and name[0] != "_" and name not in LEFT_OUT:
            yield name, function


def real_values(value):
    """Return the values as arrays if all are finite real numbers, or None."""
    values = value if isinstance(value, tuple | list) else (value,)
    known = all(isinstance(one, np.ndarray | float | np.floating) for one in values)
    known = known and all(np.asarray(one).dtype.kind == "f" and np.all(np.isfinite(one)) for one in values)
    return [np.asarray(one) for one in values] if known and values else None


def problem(name, f, x):
    """Return what is wrong with the answer to following f at x, or None."""
    values = real_values(f(x.copy()))
    try:
        graph = trace(f, x)
        found = graph.plan("reverse").execute().jacobians
    except TracingError as error:
        named = re.match(r"(line \d+: \S|f: )", str(error))
        return None if named else f"refused without a line: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if values is None or name in JUMPS:
        return None
    for k, output in enumerate(graph.outputs):

        def of_one(z, k=k):
            value = f(z)
            return np.asarray(value[k] if isinstance(value, tuple | list) else value)

        expected = finite_difference_jacobian(of_one, x, method="richardson")
        if not np.allclose(found[output, graph.inputs[0]].dense(), expected, rtol=1e-5, atol=1e-6):
            return f"wrong by {np.abs(found[output, graph.inputs[0]].dense() - expected).max()}"
    return None


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_is_followed_right_or_refused_by_line(room):
    problems, followed = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated, and of points outside a domain
        for name, function in functions(room):
            for called, (call, points) in CALLS.items():
                for x in points:

                    def f(z, call=call, function=function):
                        return call(function, z)

                    try:
                        f(x.copy())
                    except Exception:  # it isn't called like this
                        continue
                    followed += 1
                    found = problem(name, f, x)
                    if found is not None:
                        problems.append(f"{name}({called}) at shape {x.shape}: {found}")
    assert problems == []
    assert followed > 20
