"""Arrays that followed code writes into: entries, slices, views, aliases, masks; as graphs and as compiled code."""

import copy

import numpy as np
import pytest

import backprop
from jacobians import trace
from jacobians.graph import TracingError
from verification import finite_difference_jacobian

X = np.array([0.7, -0.4, 1.3, 0.2, -1.1, 0.9])
A = np.random.default_rng(0).normal(size=(3, 2))


def entries(x):
    z = np.zeros(6)
    for i in range(6):
        z[i] = np.sin(x[i]) * x[i - 1]
    return z


def recurrence(x):
    z = np.zeros(6)
    z[0] = x[0]
    for i in range(1, 6):
        z[i] = np.tanh(z[i - 1]) * x[i] + z[0]
    return z


def read_between(x):
    z = np.ones(3)
    z[1] = x[0] ** 2
    first = z * x[1]
    z[1:] = x[2:4]
    z[0] = first[1]
    return np.concatenate([first, z * z])


def row_views(x):
    z = np.zeros((2, 3))
    for i in range(2):
        row = z[i]
        row[:] = x[3 * i : 3 * i + 3]
        row *= x[0]
    return z * z


def entry_of_row(x):
    z = np.zeros((2, 3))
    for i in range(2):
        for j in range(3):
            z[i][j] = x[i] * x[j + 2]
    return z


def view_sees_later_writes(x):
    z = x.copy()
    top = z[:2]
    z[0] = x[3] * x[4]
    return top * x[5]


def view_of_a_view(x):
    z = np.zeros((3, 2))
    turned = z.T
    turned[1][1:] = x[:2] ** 2
    turned.reshape(2, 3)[0, 0] = x[4]  # a copy: nothing is written into z
    return z * 2 + x[5]


def read_backwards(x):
    z = np.zeros(6)
    z[:] = x**2
    return z[::-1] * x


def reshaped_copy(x):
    z = np.zeros((3, 2))
    z[:] = x.reshape(3, 2)
    flat = z.T.reshape(3, 2)
    flat[0, 0] = x[4] ** 2
    return np.concatenate([z, flat])


def alias(x):
    a = x.copy()
    b = a
    a[0] = x[1] * x[2]
    return a * b


def copy_is_apart(x):
    a = x * 1.5
    b = a.copy()
    a[0] = x[1] * x[2]
    return a * b


def value_before_the_write(x):
    a = x * 1.5
    y = a * a
    a[:] = 0
    return y + a


def flattened_copy(x):
    z = np.zeros((2, 3))
    z[0] = x[:3]
    flat = z.flatten()
    flat[0] = x[5] ** 2
    return np.concatenate([flat, z.ravel()])


def ravel_is_a_view(x):
    z = np.zeros((2, 3))
    z.ravel()[1:4] = x[:3] ** 2
    return z


def in_place(x):
    z = x * 1
    z += x[::-1]
    z[1:] *= z[:-1]
    z[2:4] -= 3
    z /= 2
    z **= 2
    return z


def masked(x):
    z = x.copy()
    z[z < 0] = 0
    return z * z


def masked_number(x):
    z = np.exp(x)
    z[x > 0.5] = x[1] * x[0]
    return z


def masked_rows(x):
    z = x.reshape(3, 2) * 2
    z[np.array([True, False, True])] = x[:2]
    return z


def masked_with_rows_by_value(x):
    z = x.reshape(3, 2) * 2
    z[z[:, 0] > 0.5] = x[4:] ** 2
    return z


def broadcast_writes(x):
    z = np.zeros((3, 2))
    z[:] = x[:2] ** 2
    z[1:, 0] = x[3]
    z[[0, 2], [1, 1]] = x[4] * x[5]
    return z


def same_place_twice(x):
    z = np.zeros(3)
    z[[0, 0, 1]] = x[:3] ** 2
    return z


def diagonal(x):
    z = np.zeros((6, 6))
    z[np.arange(6), np.arange(6)] = x**2
    z[0, 1:] = x[1:]
    return z @ x


def swapped(x):
    z = x * 2
    z[0], z[1] = z[1] * 1, z[0] * 1
    return z * x


def exchanged(x):
    z = x * 2
    z[[0, 1]] = z[[1, 0]]
    return z * x


def shifted_onto_itself(x):
    z = x * 2
    z[1:] = z[:-1]
    return z * x


def explicit_steps(x):
    u = x.copy()
    for _ in range(3):
        new = u.copy()
        new[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u = new
    return u


def all_by_flat(x):
    z = np.zeros((2, 3))
    z.flat = x**2
    z[1] *= x[0]
    return z


def few_by_flat(x):
    z = x * 2
    z.flat = [x[1], 3.0]
    return z


def sorted_in_place(x):
    z = np.sin(x)
    top = z[:4]
    top.sort()
    return z * x


def copied_deeply(x):
    z = x * 2
    y, w = copy.deepcopy(z), copy.copy(z)
    y[0], w[1] = 1.0, x[2] ** 2
    return y * w + z


def ravelled_copy(x):
    z = (x * 2).reshape(2, 3)
    y, w = z.ravel(order="F"), z.T.reshape(-1)
    y[0], w[1] = 1.0, x[2] ** 2
    return z.ravel() * y + w


def results_by_out(x):
    z, y = x * 2, np.zeros((2, 6))
    np.cumsum(z, out=z)
    np.dot(z, np.eye(6), out=y[0])
    z.round(0, y[1])
    np.clip(z, -1, 1, out=z)
    return y * z


def back_substitution(x):
    M = np.stack([x[:3], x[3:], x[:3] * x[3:] + 1])
    b, z = x[:3] * 1, np.zeros(3)
    for i in range(3):
        for k in range(i + 1, 3):
            factor = M[k, i] / M[i, i]
            M[k] -= factor * M[i]
            b[k] -= factor * b[i]
    for i in range(2, -1, -1):
        z[i] = (b[i] - M[i, i + 1 :] @ z[i + 1 :]) / M[i, i]
    return z


PROGRAMS = [
    entries, recurrence, read_between, row_views, entry_of_row, view_sees_later_writes, view_of_a_view, alias,
    read_backwards, reshaped_copy,
    copy_is_apart, value_before_the_write, flattened_copy, ravel_is_a_view, in_place, masked, masked_number,
    masked_rows, masked_with_rows_by_value, broadcast_writes, same_place_twice, diagonal, swapped, exchanged,
    shifted_onto_itself, explicit_steps, all_by_flat, few_by_flat, sorted_in_place, back_substitution,
    copied_deeply, ravelled_copy, results_by_out,
]  # fmt: skip


def truth(f):
    return finite_difference_jacobian(f, X, method="richardson")


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("strategy", ["reverse", "markowitz"])
def test_code_that_writes_into_arrays_is_followed(f, strategy):
    graph = trace(f, X)
    np.testing.assert_array_equal(graph.vertices[graph.outputs[0]].value, f(X))
    plan = graph.plan(strategy)
    execution = plan.execute()
    assert execution.cost == plan.cost
    found = execution.jacobians[graph.outputs[0], graph.inputs[0]].dense()
    np.testing.assert_allclose(found, truth(f), rtol=1e-7, atol=1e-9)


# choices by values, constant Jacobians and long ones have no form entry by entry
ARRAYS_ONLY = {
    masked, masked_number, masked_rows, masked_with_rows_by_value, explicit_steps, all_by_flat, few_by_flat,
    sorted_in_place, results_by_out,
}  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("form", ["arrays", "scalars"])
def test_code_that_writes_into_arrays_is_compiled(f, form):
    if form == "scalars" and f in ARRAYS_ONLY:
        with pytest.raises(ValueError, match="form: found 'scalars' for Jacobians without that form"):
            backprop.compile(f, X, form=form)
        form = "auto"
    compiled = backprop.compile(f, X, form=form)
    for point in (X, -X, 2 * X[::-1] + 0.05):
        expected = finite_difference_jacobian(f, point, method="richardson")
        np.testing.assert_allclose(np.asarray(compiled(point)), expected, rtol=1e-7, atol=1e-8)


def test_filling_an_array_makes_a_vertex_an_entry_and_one_array():
    n = 50

    def fill(x):
        z = np.zeros(n)
        for i in range(n):
            z[i] = x[i] ** 2
        return z

    graph = trace(fill, np.ones(n))
    assert len(graph.vertices) == 1 + 2 * n + 1
    assert graph.vertices[graph.outputs[0]].line == f"line {fill.__code__.co_firstlineno + 3}"


def test_reading_an_entry_that_was_written_is_what_was_written():
    def f(x):
        z = np.zeros(2)
        z[0] = np.exp(x[0])
        return z[0]

    assert [vertex.operation for vertex in trace(f, X).vertices] == ["input", "indexing", "numpy.exp"]


def write_through_a_broadcast(x):
    z = x * 1
    np.broadcast_to(z, (2, 6))[0] = 1.0
    return z


def write_into_an_argument_through_a_view(x):
    x[:2][0] = 1.0
    return x


def resized(x):
    z = x * 1
    z.resize((2, 3))
    return z


def number_by_flat(x):
    z = x * 1
    z.flat[2] = x[0] ** 2
    return z


def whole_numbers(x):
    z = np.zeros_like(x, dtype=int)
    z[0] = x[0]
    return z


def add_to_an_argument(x):
    x += 1
    return x


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (write_through_a_broadcast, r"line \d+: a write into a view that NumPy makes read-only"),
        (
            write_into_an_argument_through_a_view,
            r"line \d+: a write into an argument is not followed; take a copy",
        ),
        (resized, r"line \d+: the method resize is not followed; use numpy.resize"),
        (number_by_flat, r"line \d+: the attribute flat is not followed; use numpy.ravel"),
        (whole_numbers, r"line \d+: a write into an array that isn't followed"),
        (add_to_an_argument, r"line \d+: a write into an argument is not followed; take a copy"),
    ],
)
def test_writes_that_cannot_be_followed_are_refused_by_line(f, words):
    with pytest.raises(TracingError, match=words):
        trace(f, X)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x[x > 0].sum(), "a mask as an index: its result has no fixed shape; use np.where"),
        (lambda x: np.sum(x[np.nonzero(x > 0)]), "can't be compiled"),
    ],
)
def test_arrays_whose_size_depends_on_values_are_not_compiled(f, words):
    with pytest.raises(TypeError, match=words):
        backprop.compile(f, X)
