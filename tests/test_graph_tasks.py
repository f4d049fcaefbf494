"""The functions of the benchmark on graphs are what their names say: each against a property or another formula."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import graph_tasks as tasks

import backprop
from verification import finite_difference_jacobian

POINTS = {task.name: task.point for task in tasks.TASKS}


def flux(r, m, e):
    p = (tasks.GAMMA - 1) * (e - 0.5 * m * m / r)
    return np.array([m, m * m / r + p, (e + p) * m / r])


def flux_in_space(q):
    r, m, n, o, e = q
    p = (tasks.GAMMA - 1) * (e - 0.5 * (m * m + n * n + o * o) / r)
    return np.array([m, m * m / r + p, m * n / r, m * o / r, (e + p) * m / r])


def test_the_flux_between_equal_states_is_the_flux():
    np.testing.assert_allclose(
        tasks.roe_flux_1d(1.0, 0.5, 2.0, 1.0, 0.5, 2.0), flux(1.0, 0.5, 2.0), rtol=1e-13
    )
    q = (1.2, 0.5, -0.3, 0.2, 2.0)
    np.testing.assert_allclose(tasks.roe_flux_3d(*q, *q), flux_in_space(q), rtol=1e-13)


def test_the_flux_of_a_supersonic_flow_is_the_flux_upwind():
    left, right = (1.0, 3.0, 7.0), (0.9, 2.8, 6.5)
    np.testing.assert_allclose(tasks.roe_flux_1d(*left, *right), flux(*left), rtol=1e-12)
    left, right = (1.0, 3.0, 0.2, -0.1, 7.0), (0.9, 2.8, 0.1, 0.3, 6.5)
    np.testing.assert_allclose(tasks.roe_flux_3d(*left, *right), flux_in_space(left), rtol=1e-12)


def test_the_flux_in_space_is_the_flux_along_a_line_without_motion_across():
    left, right = POINTS["RoeFlux_1d"][:3], POINTS["RoeFlux_1d"][3:]
    space = tasks.roe_flux_3d(left[0], left[1], 0.0, 0.0, left[2], right[0], right[1], 0.0, 0.0, right[2])
    line = tasks.roe_flux_1d(*left, *right)
    np.testing.assert_allclose(np.array(space)[[0, 1, 4]], line, rtol=1e-13)
    np.testing.assert_array_equal(np.array(space)[[2, 3]], 0.0)


def test_the_arm_is_the_product_of_its_frames():
    frame = np.eye(4)
    for angle, (offset, length, twist) in zip(POINTS["RobotArm_6DOF"], tasks.ARM, strict=True):
        c, s, turn, lift = math.cos(angle), math.sin(angle), math.cos(twist), math.sin(twist)
        frame = frame @ np.array(
            [
                [c, -s * turn, s * lift, length * c],
                [s, c * turn, -c * lift, length * s],
                [0, lift, turn, offset],
                [0, 0, 0, 1],
            ]
        )
    *place, roll, pitch, yaw = tasks.robot_arm(*POINTS["RobotArm_6DOF"])
    np.testing.assert_allclose(place, frame[:3, 3], atol=1e-13)
    rx = np.array([[1, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]])
    ry = np.array([[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]])
    rz = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    np.testing.assert_allclose(rz @ ry @ rx, frame[:3, :3], atol=1e-13)


def test_the_dipoles_are_moments_of_two_complex_numbers():
    """Four of the equations are real and imaginary parts of sums of (a + ci)(t + vi)^k, the others of k = 0, 1."""
    a, b, c, d, t, u, v, w = POINTS["HumanHeartDipole"]
    sums = [(a + 1j * c) * (t + 1j * v) ** k + (b + 1j * d) * (u + 1j * w) ** k for k in range(4)]
    data = [0.485 - 0.0019j, -0.0581 + 0.015j, 0.105 + 0.0406j, 0.167 - 0.399j]
    found = tasks.human_heart_dipole(a, b, c, d, t, u, v, w)
    expected = [part for s, k in zip(sums, data, strict=True) for part in ((s - k).real, (s - k).imag)]
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_the_moles_of_propane_burnt_add_up():
    """Carbon, oxygen and hydrogen of C3H8 with air are kept by x1 … x10, and x11 is their sum."""
    x = np.array(POINTS["PropaneCombustion"])
    found = np.array(tasks.propane_combustion(*x))
    assert found[0] == pytest.approx(x[0] + x[3] - 3)
    assert found[10] == pytest.approx(x[10] - x[:10].sum())
    balanced = np.array([1.0, 2, 18, 2, 1, 1, 1, 1, 1, 0, 0])
    balanced[10] = balanced[:10].sum()
    balanced[4] = (8 - 2 * 2 - 1 - 1) / 2
    balanced[2] = (40 - balanced[4]) / 2
    residuals = np.array(tasks.propane_combustion(*balanced))
    np.testing.assert_allclose(residuals[[0, 1, 2, 3]], [0, 2 + 2 + 2 + 3 - 10, 0, 0], atol=1e-13)
    assert residuals[4] == pytest.approx(0.193 * 2 * 2 - 1 * balanced[4])


def test_the_derivatives_of_the_price_are_those_of_the_price():
    from scipy.special import ndtr

    def price(spot, strike, rate, volatility, years):
        spread = volatility * np.sqrt(years)
        d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / spread
        return spot * ndtr(d1) - strike * np.exp(-rate * years) * ndtr(d1 - spread)

    point = np.array(POINTS["BlackScholes_Jacobian"])
    differences = []
    for j, step in enumerate(1e-5 * np.abs(point)):
        shift = np.eye(5)[j] * step
        differences.append((price(*(point + shift)) - price(*(point - shift))) / (2 * step))
    np.testing.assert_allclose(tasks.black_scholes_gradient(*point), differences, rtol=1e-6)


def test_the_networks_keep_their_invariants():
    x, w1, b1, gain, shift, w2, b2, y = POINTS["Perceptron"]
    loss = tasks.perceptron(x, w1, b1, gain, shift, w2, b2, y)
    assert loss == pytest.approx(
        tasks.perceptron(x, w1, b1, gain, shift, w2, b2 + 7.0, y)
    )  # logits shifted alike
    assert loss > 0
    out = tasks.encoder(*POINTS["Encoder"][:-2], np.ones(8), np.zeros(8))
    np.testing.assert_allclose(out.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=-1), 1, rtol=1e-4)
    order = [2, 0, 3, 1]  # an encoder without positions takes its rows in any order
    turned = tasks.encoder(POINTS["Encoder"][0][order], *POINTS["Encoder"][1:-2], np.ones(8), np.zeros(8))
    np.testing.assert_allclose(turned, out[order], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("task", tasks.TASKS, ids=lambda task: task.name)
def test_the_code_of_each_task_gives_the_jacobians_that_differences_see(task):
    compiled = backprop.compile(task.function, *task.point, evaluations=200)
    answer = compiled(*task.point)
    value = task.function(*task.point)
    rows = answer if isinstance(value, tuple) else (answer,)
    for k, row in enumerate(rows):
        for place, matrix in enumerate(row):

            def of_one(x, k=k, place=place):
                result = task.function(*task.point[:place], x, *task.point[place + 1 :])
                return np.asarray(result[k] if isinstance(result, tuple) else result)

            expected = finite_difference_jacobian(of_one, task.point[place], method="richardson")
            np.testing.assert_allclose(matrix, expected, rtol=1e-6, atol=1e-7)
