"""The functions on whose graphs orders of elimination are compared, each written from its mathematics.

Plain code of scalars (or, at the end, of arrays): it runs on floats, on NumPy's arrays, and on whatever traces them.
Another library runs it with its own modules as `np` and `special` of a copy of this one.
Each task is a row of `TASKS`: the function, a point, and where its mathematics stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

Scalars = tuple[Any, ...]

# --- systems of equations --------------------------------------------------------------------------------


def human_heart_dipole(a: Any, b: Any, c: Any, d: Any, t: Any, u: Any, v: Any, w: Any) -> Scalars:
    """Return the residuals of the eight equations for two dipoles in the heart; sums of moments are data."""
    mx, my, sa, sb, sc, sd, se, sf = 0.485, -0.0019, -0.0581, 0.015, 0.105, 0.0406, 0.167, -0.399
    tt, uu, vv, ww = t * t, u * u, v * v, w * w
    return (
        a + b - mx,
        c + d - my,
        t * a + u * b - v * c - w * d - sa,
        v * a + w * b + t * c + u * d - sb,
        a * (tt - vv) - 2 * c * t * v + b * (uu - ww) - 2 * d * u * w - sc,
        c * (tt - vv) + 2 * a * t * v + d * (uu - ww) + 2 * b * u * w - sd,
        a * t * (tt - 3 * vv) + c * v * (vv - 3 * tt) + b * u * (uu - 3 * ww) + d * w * (ww - 3 * uu) - se,
        c * t * (tt - 3 * vv) - a * v * (vv - 3 * tt) + d * u * (uu - 3 * ww) - b * w * (ww - 3 * uu) - sf,
    )


def propane_combustion(*x: Any) -> Scalars:
    """Return the residuals of the eleven equations for the products of propane burnt in air at 40 atmospheres."""
    x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11 = x
    k5, k6, k7, k8, k9, k10 = 1.930e-1, 2.597e-3, 3.448e-3, 1.799e-5, 2.155e-4, 3.846e-5
    air = 10.0
    pressure = 40.0 / x11
    root = np.sqrt(pressure)
    root1, root2, root4 = np.sqrt(x1), np.sqrt(x2), np.sqrt(x4)
    return (
        x1 + x4 - 3.0,
        2 * x1 + x2 + x4 + x7 + x8 + x9 + 2 * x10 - air,
        2 * x2 + 2 * x5 + x6 + x7 - 8.0,
        2 * x3 + x5 - 4 * air,
        k5 * x2 * x4 - x1 * x5,
        k6 * root2 * root4 - root1 * x6 * root,
        k7 * root1 * root2 - root4 * x7 * root,
        k8 * x1 - x4 * x8 * pressure,
        k9 * x1 * np.sqrt(x3) - x4 * x9 * root,
        k10 * x1 * x1 - x4 * x4 * x10 * pressure,
        x11 - x1 - x2 - x3 - x4 - x5 - x6 - x7 - x8 - x9 - x10,
    )


# --- kinematics ------------------------------------------------------------------------------------------

ARM = (  # Denavit and Hartenberg's table of an arm with six turning joints: offset, length, twist of each link
    (0.4, 0.025, 0.5 * math.pi),
    (0.0, 0.455, 0.0),
    (0.0, 0.035, 0.5 * math.pi),
    (0.42, 0.0, -0.5 * math.pi),
    (0.0, 0.0, 0.5 * math.pi),
    (0.08, 0.0, 0.0),
)


def robot_arm(*angles: Any) -> Scalars:
    """Return the place of the hand and its roll, pitch and yaw (about x, y, z), by six joint angles.

    The frame of a link is Rz(θ)·Tz(offset)·Tx(length)·Rx(twist); what is known to be 0 or 1 is not computed.
    """
    columns: list[list[Any]] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]  # of the rotation so far
    place: list[Any] = [0, 0, 0]
    for angle, (offset, length, twist) in zip(angles, ARM, strict=True):
        cosine, sine = np.cos(angle), np.sin(angle)
        x = [_sum(_times(cosine, p), _times(sine, q)) for p, q in zip(columns[0], columns[1], strict=True)]
        y = [
            _sum(_times(cosine, q), _times(sine, p, -1)) for p, q in zip(columns[0], columns[1], strict=True)
        ]
        z = columns[2]
        place = [
            _sum(_sum(p, _times(offset, k)), _times(length, i)) for p, i, k in zip(place, x, z, strict=True)
        ]
        turn, lift = round(math.cos(twist)), round(math.sin(twist))
        columns = [
            x,
            [_sum(_times(turn, j), _times(lift, k)) for j, k in zip(y, z, strict=True)],
            [_sum(_times(turn, k), _times(lift, j, -1)) for j, k in zip(y, z, strict=True)],
        ]
    first, second, third = columns
    roll = np.arctan2(second[2], third[2])
    pitch = np.arctan2(-first[2], np.sqrt(first[0] * first[0] + first[1] * first[1]))
    yaw = np.arctan2(first[1], first[0])
    return (*place, roll, pitch, yaw)


def _times(a: Any, b: Any, sign: int = 1) -> Any:
    """Return sign·a·b, computed only as far as neither is the number 0, 1 or −1."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, int | float):
            if one == 0:
                return 0
            if abs(one) == 1:
                return other if sign * one == 1 else -other
    return a * b if sign == 1 else -(a * b)


def _sum(a: Any, b: Any) -> Any:
    """Return a + b, computed only where neither is the number 0."""
    if isinstance(a, int) and a == 0:
        return b
    return a if isinstance(b, int) and b == 0 else a + b


# --- gas dynamics ----------------------------------------------------------------------------------------

GAMMA = 1.4


def roe_flux_1d(rl: Any, ml: Any, el: Any, rr: Any, mr: Any, er: Any) -> Scalars:
    """Return Roe's flux between two states (density, momentum, energy) of a gas along a line (Roe, 1981)."""
    ul, ur = ml / rl, mr / rr
    pl = (GAMMA - 1) * (el - 0.5 * ml * ul)
    pr = (GAMMA - 1) * (er - 0.5 * mr * ur)
    hl, hr = (el + pl) / rl, (er + pr) / rr
    wl, wr = np.sqrt(rl), np.sqrt(rr)
    weight = wl + wr
    u = (wl * ul + wr * ur) / weight
    h = (wl * hl + wr * hr) / weight
    cc = (GAMMA - 1) * (h - 0.5 * u * u)
    c = np.sqrt(cc)
    density = wl * wr
    dr, du, dp = rr - rl, ur - ul, pr - pl
    jump = density * c * du
    a1 = np.abs(u - c) * (dp - jump) / (2 * cc)
    a2 = np.abs(u) * (dr - dp / cc)
    a3 = np.abs(u + c) * (dp + jump) / (2 * cc)
    uc = u * c
    return (
        0.5 * (ml + mr - (a1 + a2 + a3)),
        0.5 * (ml * ul + pl + mr * ur + pr - (a1 * (u - c) + a2 * u + a3 * (u + c))),
        0.5 * (ml * hl + mr * hr - (a1 * (h - uc) + a2 * (0.5 * u * u) + a3 * (h + uc))),
    )


def roe_flux_3d(*q: Any) -> Scalars:
    """Return Roe's flux along x between two states (density, three momenta, energy) of a gas in space."""
    rl, ml, nl, ol, el, rr, mr, nr, or_, er = q
    ul, vl, sl = ml / rl, nl / rl, ol / rl
    ur, vr, sr = mr / rr, nr / rr, or_ / rr
    pl = (GAMMA - 1) * (el - 0.5 * (ml * ul + nl * vl + ol * sl))
    pr = (GAMMA - 1) * (er - 0.5 * (mr * ur + nr * vr + or_ * sr))
    hl, hr = (el + pl) / rl, (er + pr) / rr
    wl, wr = np.sqrt(rl), np.sqrt(rr)
    weight = wl + wr
    u, v, s, h = ((wl * a + wr * b) / weight for a, b in ((ul, ur), (vl, vr), (sl, sr), (hl, hr)))
    kinetic = 0.5 * (u * u + v * v + s * s)
    cc = (GAMMA - 1) * (h - kinetic)
    c = np.sqrt(cc)
    density = wl * wr
    dr, du, dv, ds, dp = rr - rl, ur - ul, vr - vl, sr - sl, pr - pl
    jump = density * c * du
    a1 = np.abs(u - c) * (dp - jump) / (2 * cc)
    a2 = np.abs(u) * (dr - dp / cc)
    a5 = np.abs(u + c) * (dp + jump) / (2 * cc)
    shear = np.abs(u) * density
    a3, a4 = shear * dv, shear * ds
    uc = u * c
    a125 = a1 + a2 + a5
    return (
        0.5 * (ml + mr - a125),
        0.5 * (ml * ul + pl + mr * ur + pr - (a1 * (u - c) + a2 * u + a5 * (u + c))),
        0.5 * (ml * vl + mr * vr - (a125 * v + a3)),
        0.5 * (ml * sl + mr * sr - (a125 * s + a4)),
        0.5 * (ml * hl + mr * hr - (a1 * (h - uc) + a2 * kinetic + a3 * v + a4 * s + a5 * (h + uc))),
    )


# --- finance ---------------------------------------------------------------------------------------------


def black_scholes_gradient(spot: Any, strike: Any, rate: Any, volatility: Any, years: Any) -> Scalars:
    """Return the derivatives of a European call's price by its five arguments (Black and Scholes, 1973).

    The Jacobian of this function is the price's Hessian. With N the normal distribution and φ its density:
    S·φ(d₁) = K·e^(−rT)·φ(d₂).
    """
    root = np.sqrt(years)
    spread = volatility * root
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / spread
    d2 = d1 - spread
    discount = np.exp(-rate * years)
    n1, n2 = special.ndtr(d1), special.ndtr(d2)
    density = np.exp(-0.5 * d1 * d1) * (1 / math.sqrt(2 * math.pi))
    vega = spot * density * root
    bond = discount * n2
    debt = strike * bond
    return n1, -bond, years * debt, vega, rate * debt + 0.5 * volatility * vega / years


# --- networks --------------------------------------------------------------------------------------------


def softmax_rows(a: Any) -> Any:
    """Return the softmax of each row."""
    e = np.exp(a - np.max(a, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def layer_norm_rows(a: Any, gain: Any, shift: Any) -> Any:
    """Return each row with mean 0 and variance 1, times a gain, plus a shift."""
    centred = a - np.mean(a, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return gain * (centred / np.sqrt(variance + 1e-6)) + shift


def perceptron(x: Any, w1: Any, b1: Any, gain: Any, shift: Any, w2: Any, b2: Any, y: Any) -> Any:
    """Return the cross-entropy of a two-layer perceptron whose hidden layer is normalised; y is one-hot."""
    hidden = layer_norm_rows(np.tanh(w1 @ x + b1), gain, shift)
    z = w2 @ hidden + b2
    shifted = z - np.max(z)
    return np.log(np.sum(np.exp(shifted))) - np.sum(y * shifted)


def encoder(
    x: Any, wq: Any, wk: Any, wv: Any, w1: Any, b1: Any, w2: Any, b2: Any, gain: Any, shift: Any
) -> Any:
    """Return a transformer's encoder block of one head: attention and perceptron, each added and normalised."""
    q, k, v = x @ wq, x @ wk, x @ wv
    attended = softmax_rows(q @ k.T / math.sqrt(wq.shape[1])) @ v
    middle = layer_norm_rows(x + attended, gain, shift)
    return layer_norm_rows(middle + (np.maximum(middle @ w1 + b1, 0) @ w2 + b2), gain, shift)


# --- the table -------------------------------------------------------------------------------------------


class Task(NamedTuple):
    """A function, the point at which its graph is drawn, and where its mathematics stands."""

    name: str
    function: Callable[..., Any]
    point: tuple[Any, ...]
    source: str


def _arrays(seed: int, *shapes: tuple[int, ...]) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) / math.sqrt(shape[-1]) for shape in shapes)


TASKS = (
    Task("RoeFlux_1d", roe_flux_1d, (1.0, 0.75, 2.78, 0.125, 0.1, 0.29), "Roe, J. Comput. Phys. 43 (1981)"),
    Task("RobotArm_6DOF", robot_arm, (0.3, -0.4, 0.5, 0.7, -0.6, 0.2), "Denavit and Hartenberg (1955)"),
    Task(
        "HumanHeartDipole", human_heart_dipole,
        (0.299, 0.186, -0.0273, 0.0254, -0.474, 0.474, -0.0892, 0.0892), "MINPACK-2, Moré, Garbow and Hillstrom",
    ),
    Task(
        "PropaneCombustion", propane_combustion,
        (0.05, 5.0, 40.0, 1.0, 0.5, 1.0, 0.5, 1.0, 0.1, 0.2, 20.0), "MINPACK-2",
    ),
    Task(
        "RoeFlux_3d", roe_flux_3d,
        (1.0, 0.75, 0.1, -0.2, 2.9, 0.125, 0.1, 0.02, 0.03, 0.4), "Roe, J. Comput. Phys. 43 (1981)",
    ),
    Task("BlackScholes_Jacobian", black_scholes_gradient, (100.0, 95.0, 0.03, 0.2, 0.75), "Black and Scholes (1973)"),
    Task(
        "Perceptron", perceptron,
        (*_arrays(0, (4,), (8, 4), (8,), (8,), (8,), (4, 8), (4,)), np.eye(4)[1]), "two layers, layer norm",
    ),
    Task(
        "Encoder", encoder,
        _arrays(1, (4, 8), (8, 8), (8, 8), (8, 8), (8, 16), (16,), (16, 8), (8,), (8,), (8,)),
        "one head, post-norm (Vaswani et al., 2017)",
    ),
)  # fmt: skip
