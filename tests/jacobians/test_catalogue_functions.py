"""Every function of the catalogue: against differences, closed forms and symbols; shapes, batches, dtypes, doors."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from function_cases import CASES, Case
from numpy.testing import assert_allclose, assert_array_equal

import jacobians
from jacobians import Function, Linearization
from jacobians.layers.activations import ACTIVATIONS

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_derivative = pytest.mark.parametrize(
    ("case", "wrt"), [pytest.param(c, n, id=f"{c.name} by {n}") for c in CASES for n in c.names]
)
# the derivative doesn't depend on the point
CONSTANT_DERIVATIVE = {
    *("Convolution of a signal", "Convolution of an image with padding and steps", "Convolution in groups"),
    *("ChannelMeanPool", "ChannelMeanPool without its padding"),
    *("ChannelScale of an image", "ChannelScale of a vector"),
    *(
        "Affine",
        "Affine of a matrix",
        "AugmentedAffine",
        "AugmentedAffine of a matrix",
        "AddUnit",
        "DropUnit",
    ),
    *("AugmentedAffine that carries the unit", "AugmentedAffine that carries a row of units", "Transpose"),
    "Transpose of three axes",
    *(
        "LinearMap",
        "LinearMap A x",
        "LinearMap A X",
        "LinearMap X B",
        "Trace of A X",
        "Trace",
        "Reshape",
        "Flatten",
    ),
}
INVERTED = {"Inverse", "LogDeterminant"}


def differences(case: Case, x: Any, wrt: str) -> Any:
    """Return central differences of the forward pass, an (m, n) array."""
    f = case.function
    point = np.array(x if wrt == "input" else f.parameters[wrt], dtype=float)
    columns = []
    for index in np.ndindex(*point.shape):
        step = 1e-6 * max(1.0, abs(point[index]))
        values = []
        for sign in (1, -1):
            moved = point.copy()
            moved[index] += sign * step
            values.append(f(moved) if wrt == "input" else f.replace({wrt: moved})(x))
        columns.append(np.ravel(values[0] - values[1]) / (2 * step))
    return np.stack(columns, axis=-1)


def close(found: Any, expected: Any, tolerance: float) -> None:
    assert np.shape(found) == np.shape(expected)
    scale = max(1.0, float(np.max(np.abs(expected))))
    assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def test_every_public_function_has_a_case() -> None:
    public = {
        name
        for name in jacobians.__all__
        if inspect.isclass(getattr(jacobians, name)) and issubclass(getattr(jacobians, name), Function)
    }
    covered = {type(case.function).__name__ for case in CASES}
    assert public - covered == {"Function"}


def test_every_function_is_public() -> None:
    def leaves(cls: type) -> set[type]:
        return {cls, *(leaf for sub in cls.__subclasses__() for leaf in leaves(sub))}

    ours = {cls.__name__ for cls in leaves(Function) if cls.__module__.startswith("jacobians.")}
    private = {name for name in ours if name.startswith("_")}
    assert ours - private - {"Composition"} <= set(jacobians.__all__)


# --- values and derivatives ------------------------------------------------------------------------------


@each_derivative
def test_jacobian_is_what_differences_give(case: Case, wrt: str) -> None:
    for x in case.points:
        close(case.function.jacobian(x, wrt=wrt).dense(), differences(case, x, wrt), 1e-8)


@pytest.mark.parametrize(
    ("case", "wrt"), [pytest.param(c, n, id=f"{c.name} by {n}") for c in CASES for n in c.truth]
)
def test_jacobian_is_the_closed_form(case: Case, wrt: str) -> None:
    for x in case.points:
        close(case.function.jacobian(x, wrt=wrt).dense(), case.truth[wrt](x), 1e-13)


@each_derivative
def test_symbols_run_through_the_forward_pass(case: Case, wrt: str) -> None:
    from verification import symbolic_jacobian

    x = case.points[0]
    close(case.function.jacobian(x, wrt=wrt).dense(), symbolic_jacobian(case.function, x, wrt).value, 1e-12)


@each_derivative
def test_structure_and_storage(case: Case, wrt: str) -> None:
    if wrt in case.structure:
        structure, storage = case.structure[wrt]
        J = case.function.jacobian(case.points[0], wrt=wrt)
        assert (J.structure, J.storage) == (structure, storage)
    else:
        m, n = case.function.jacobian(case.points[0], wrt=wrt).shape
        assert case.function.jacobian(case.points[0], wrt=wrt).storage <= max(m * n, 3 * n)


@each_derivative
def test_shapes_are_those_of_value_and_argument(case: Case, wrt: str) -> None:
    f, x = case.function, case.points[0]
    J = f.jacobian(x, wrt=wrt)
    argument = np.shape(x) if wrt == "input" else f.parameters[wrt].shape
    value = f(x)
    assert isinstance(value, np.ndarray)
    assert (J.out_shape, J.in_shape, J.batch_shape) == (value.shape, argument, ())
    assert J.tensor("mixed").shape == value.shape + argument
    assert J.tensor("numerator").shape == value.shape + argument[::-1]
    assert J.tensor("denominator").shape == argument + value.shape[::-1]


@each_derivative
def test_chain_multiplies_to_the_jacobian(case: Case, wrt: str) -> None:
    f, x = case.function, case.points[0]
    result: Any = np.eye(f(x).size)
    for factor in f.chain(x, wrt=wrt):
        result = result @ factor.dense()
    close(result, f.jacobian(x, wrt=wrt).dense(), 1e-12)


@each_derivative
def test_directional_is_the_matrix_times_the_direction(case: Case, wrt: str) -> None:
    f, x = case.function, case.points[0]
    J = f.jacobian(x, wrt=wrt)
    direction = np.random.default_rng(3).normal(size=J.in_shape)
    found = J.directional(direction)
    assert found.shape == f(x).shape
    close(np.ravel(found), J.dense() @ direction.ravel(), 1e-12)
    # the other form, a tensor in numerator layout contracted with the direction: tr(∂f/∂X · Y) for a scalar f
    axes = len(J.in_shape)
    other = np.tensordot(J.tensor("numerator"), direction.T, axes=axes)
    close(other, found, 1e-12)


# --- batches ---------------------------------------------------------------------------------------------


@each_case
def test_batched_values_are_stacked_points(case: Case) -> None:
    f = case.function
    found = f(case.points, batched=True)
    close(found, np.stack([f(x) for x in case.points]), 1e-13)


@each_derivative
def test_batched_jacobians_are_stacked_points(case: Case, wrt: str) -> None:
    f = case.function
    J = f.jacobian(case.points, wrt=wrt, batched=True)
    single = [f.jacobian(x, wrt=wrt) for x in case.points]
    assert J.batch_shape == (len(case.points),)
    assert (J.out_shape, J.in_shape) == (single[0].out_shape, single[0].in_shape)
    assert J.structure == single[0].structure
    close(J.dense(), np.stack([one.dense() for one in single]), 1e-12)


@each_case
def test_linearization_ends_in_the_value(case: Case) -> None:
    line = case.function.linearize(case.points, batched=True)
    assert isinstance(line, Linearization)
    close(line.value, case.function(case.points, batched=True), 1e-14)


# --- dtypes and doors ------------------------------------------------------------------------------------


@each_derivative
def test_float32_stays_float32(case: Case, wrt: str) -> None:
    f, points = case.make(np.float32), case.points.astype(np.float32)
    value, J = f(points, batched=True), f.jacobian(points, wrt=wrt, batched=True)
    assert value.dtype == np.float32
    assert J.dense().dtype == J.dtype == np.float32
    close(value, case.function(case.points, batched=True), 3e-6)
    close(J.dense(), case.function.jacobian(case.points, wrt=wrt, batched=True).dense(), 1e-5)


@each_case
def test_integers_and_bools_become_float64(case: Case) -> None:
    f = case.function
    ones = np.eye(*case.points.shape[1:]) if case.name in INVERTED else np.ones(case.points.shape[1:])
    for dtype in (np.int64, np.bool_):
        value = f(ones.astype(dtype))
        assert value.dtype == np.float64
        assert_array_equal(value, f(ones))
        assert_array_equal(f.jacobian(ones.astype(dtype)).dense(), f.jacobian(ones).dense())


@each_case
def test_nan_in_nan_out(case: Case) -> None:
    f, x = case.function, np.array(case.points[0])
    # one entry; of a trace, which most entries don't enter, all
    x[...] = np.where(np.arange(x.size).reshape(x.shape) == max(x.size - 2, 0), np.nan, x)
    if case.name == "Trace":
        x.fill(np.nan)
    assert np.isnan(f(x)).any()
    if case.name not in CONSTANT_DERIVATIVE:
        assert np.isnan(f.jacobian(x).dense()).any()


@each_derivative
def test_what_is_given_is_not_written_to(case: Case, wrt: str) -> None:
    f, points = case.function, case.points.copy()
    points.flags.writeable = False
    parameters = {name: value.copy() for name, value in f.parameters.items()}
    f(points, batched=True)
    f.jacobian(points, wrt=wrt, batched=True)
    assert_array_equal(points, case.points)
    for name, value in f.parameters.items():
        assert_array_equal(value, parameters[name])


REFUSED = {
    "None": (lambda x: None, "x: found None, expected an array of real numbers"),
    "complex": (
        lambda x: x * 1j,
        "x: found dtype complex128, expected real numbers; pass .real and .imag separately",
    ),
    "object": (
        lambda x: np.array(x, dtype=object),
        "x: found ndarray of dtype object, expected an array of real numbers",
    ),
    "masked": (
        lambda x: np.ma.masked_array(x, mask=False),
        "x: found a masked array, expected a plain array; fill it first (.filled(…))",
    ),
    "empty": (
        lambda x: np.zeros(0),
        "x: found shape (0,) with an empty axis, expected at least one entry",
    ),
    "text": (lambda x: "text", "x: found str of dtype <U4, expected an array of real numbers"),
    "ragged": (lambda x: [[1.0], [1.0, 2.0]], "x: found a ragged sequence, expected rows of equal length"),
}


@pytest.mark.parametrize("kind", REFUSED)
@each_case
def test_what_is_no_real_array_is_refused_by_name(case: Case, kind: str) -> None:
    make, sentence = REFUSED[kind]
    for door in (case.function, case.function.jacobian, case.function.linearize):
        with pytest.raises((TypeError, ValueError)) as error:
            door(make(case.points[0]))
        assert str(error.value) == sentence


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@each_case
def test_np_matrix_is_refused_by_name(case: Case) -> None:
    with pytest.raises(
        TypeError, match=r"x: found np\.matrix, expected a plain array; convert it with np\.asarray"
    ):
        case.function(np.asmatrix(np.eye(2)))


ANY_SHAPE = {
    "Tanh",
    "Elementwise",
    "Norm",
    "SquaredNorm",
    "Normalize",
    "Flatten",
    "ReLU",
    "LeakyReLU",
    "Sigmoid",
}
ANY_SHAPE |= {type(make()).__name__ for make in ACTIVATIONS.values()} | {"Residual of a diagonal"}
ANY_SHAPE |= {"AddUnit", "DropUnit", "PassUnit", "Maximum of two halves"}


@each_case
def test_a_wrong_shape_is_one_clear_sentence(case: Case) -> None:
    wrong = np.ones((2, 3, 5, 7))
    if {case.name, type(case.function).__name__} & ANY_SHAPE:
        assert case.function.jacobian(wrong).in_shape == wrong.shape
        return
    for door in (case.function, case.function.jacobian):
        with pytest.raises(
            ValueError, match=r"x: found (a prediction of )?shape \(2, 3, 5, 7\).*expected"
        ) as error:
            door(wrong)
        assert "\n" not in str(error.value)


@each_case
def test_an_unknown_parameter_is_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="wrt: found 'nothing', expected one of 'input'"):
        case.function.jacobian(case.points[0], wrt="nothing")


@each_case
def test_smooth_piece_tells_points_that_a_kink_parts(case: Case) -> None:
    f = case.function
    for x in case.points:
        piece = f.smooth_piece(x)
        near = f.smooth_piece(x + 1e-9)
        if piece is None:
            assert near is None
        else:
            assert np.asarray(piece).dtype.kind == "i"
            assert_array_equal(piece, near)  # the points are away from kinks
