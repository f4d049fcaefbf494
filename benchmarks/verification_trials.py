"""Does `verification` name planted mistakes, and does it never call a right Jacobian wrong? One command shows both.

    python benchmarks/verification_trials.py [--plantings N] [--trials N] [--seed N] [--jobs N] [--quick]

Mistakes are planted in Jacobians that plain NumPy of this file computes, over networks of 1 to 4 layers; a planting
counts as named if the first sentence of the diagnosis has the right name and, for a mistake in the chain rule, the
right layer. Right Jacobians are those of random networks of the catalogue: saturated units, ReLU, float32, losses,
scaled outputs. Each that is called right is checked again with an error of 1e-3 in every entry, up or down; what is
smaller than the rounding of the terms that cancel in it, as behind saturated units, is undecided. Exit status 0 if at
least 95 of 100 are named, no right one is called wrong, and none with the error right; otherwise 1.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import multiprocessing
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import jacobians
from jacobians import Affine, Residual, Sequential
from jacobians.layers.activations import ACTIVATIONS as CATALOGUE
from verification import certified_jacobian, check, diagnose

NAMED = 0.95
"""The part of the planted mistakes that must be named first."""

# --- planted mistakes ------------------------------------------------------------------------------------


def sigmoid(z: Any) -> Any:
    """Return 1/(1 + e^−z)."""
    return 1 / (1 + np.exp(-z))


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "Tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "Sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "Softplus": (lambda z: np.log1p(np.exp(z)), sigmoid),
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


class Planted(NamedTuple):
    """A wrong Jacobian, what is wrong with it, and where: "" for no place."""

    candidate: Any
    name: str
    layer: str


class Chain:
    """A network of this file's own: values and dense factors, input side first, next to the same Sequential."""

    def __init__(self, rng: np.random.Generator, *, square: bool, softmax: bool) -> None:
        depth = int(rng.integers(1, 5))
        sizes = [int(n) for n in rng.integers(2, 6, size=depth + 1)]
        if square:
            sizes = [int(rng.integers(2, 6))] * (depth + 1)
        self.depth = depth
        self.x = rng.normal(size=sizes[0])
        self.values, self.factors, layers = [self.x], [], []
        for d, h in itertools.pairwise(sizes):
            W, b = rng.normal(size=(h, d)), rng.normal(size=h)
            kind = str(rng.choice(list(ACTIVATIONS)))
            f, slope = ACTIVATIONS[kind]
            z = W @ self.values[-1] + b
            self.values += [z, f(z)]
            self.factors += [W, np.diag(slope(z))]
            layers += [Affine(W, b), getattr(jacobians, kind)()]
        if softmax:
            p = np.exp(self.values[-1]) / np.exp(self.values[-1]).sum()
            self.values.append(p)
            self.factors.append(np.diag(p) - np.outer(p, p))
            layers.append(jacobians.Softmax())
        self.net = Sequential(*layers)

    @property
    def terms(self) -> float:
        """How large the terms are that cancel in a Jacobian, at most: those of a φ′ or a softmax are of size 1."""
        sizes = [float(np.linalg.norm(factor)) for factor in self.factors]
        return float(np.prod(np.maximum(sizes, 1))) * max(
            float(np.linalg.norm(value)) for value in self.values
        )

    def slope(self, place: int, at: Any) -> Any:
        """Return diag(φ′) of layer `place` at any value."""
        return np.diag(ACTIVATIONS[type(self.net[place]).__name__][1](at))

    def weight(self, place: int) -> Any:
        """Return the Jacobian of layer `place` by its W: I ⊗ aᵀ."""
        return np.kron(np.eye(len(self.values[place + 1])), self.values[place])

    def jacobian(self, wrt: str, replaced: dict[int, Any] | None = None) -> Any:
        """Return the product of the factors, some of them replaced; by the input or by "k.W", "k.b"."""
        factors = [(replaced or {}).get(k, factor) for k, factor in enumerate(self.factors)]
        if wrt == "input":
            return functools.reduce(lambda J, F: F @ J, factors)
        place, name = int(wrt.partition(".")[0]), wrt[-1]
        own = self.weight(place) if name == "W" else np.eye(len(self.values[place + 1]))
        return functools.reduce(lambda J, F: F @ J, factors[place + 1 :], own)


KINDS = (
    "transposed", "vec-order", "sign", "factor", "function-for-derivative", "derivative-at-output",
    "missing-derivative", "matrix-transposed", "order", "wrong-point", "bias-column", "softmax-elementwise",
    "shifted", "entry", "row", "column", "noise",
)  # fmt: skip
BATCH = 32


def planted(rng: np.random.Generator, kind: str) -> tuple[Chain, str, Any, Planted] | None:
    """Return a network, by what to differentiate, the right Jacobian and a wrong one; None if nothing is wrong."""
    square = kind in ("matrix-transposed", "order", "wrong-point", "shifted")
    chain = Chain(rng, square=square, softmax=kind == "softmax-elementwise" or bool(rng.random() < 0.2))
    activation = 2 * int(rng.integers(chain.depth)) + 1
    if kind == "vec-order":
        wrt = f"{2 * int(rng.integers(chain.depth))}.W"
    elif kind in ("wrong-point", "shifted"):
        if chain.depth == 1:
            return None
        wrt = f"{2 * int(rng.integers(kind == 'wrong-point', chain.depth))}.W"
    elif kind in ("sign", "factor", "function-for-derivative", "derivative-at-output", "missing-derivative"):
        before = [f"{2 * k}.{name}" for k in range(activation // 2 + 1) for name in "Wb"]
        wrt = str(rng.choice(["input", *before]))
    else:
        wrt = "input"
    J = chain.jacobian(wrt)
    wrong = _mistaken(rng, kind, chain, wrt, J, activation)
    if wrong is None:
        return None
    candidate, place = wrong
    if candidate.shape == J.shape and np.linalg.norm(candidate - J) <= 1e-5 * np.linalg.norm(J):
        return None  # dead units and symmetric matrices hide some mistakes
    return chain, wrt, J, Planted(candidate, kind, place)


def _mistaken(
    rng: np.random.Generator, kind: str, chain: Chain, wrt: str, J: Any, activation: int
) -> tuple[Any, str] | None:
    """Return the wrong Jacobian, and the layer that the diagnosis must name."""
    m, n = J.shape
    here = f"layer {activation} "
    z, a = chain.values[activation], chain.values[activation + 1]
    i, j = int(rng.integers(m)), int(rng.integers(n))
    wrong = J.copy()
    match kind:
        case "transposed":
            return J.T, ""
        case "vec-order":
            order = np.arange(n).reshape(chain.net.parameters[wrt].shape).ravel(order="F")
            return J[:, order], ""
        case "sign":
            return -J, ""
        case "factor":
            return float(rng.choice([2, 0.5, 1 / BATCH, BATCH])) * J, ""
        case "function-for-derivative":
            return chain.jacobian(wrt, {activation: np.diag(a)}), here
        case "derivative-at-output":
            return chain.jacobian(wrt, {activation: chain.slope(activation, a)}), here
        case "missing-derivative":
            return chain.jacobian(wrt, {activation: np.eye(len(z))}), here
        case "matrix-transposed":
            affine = activation - 1
            return chain.jacobian(wrt, {affine: chain.factors[affine].T}), f"layer {affine} "
        case "order":
            first, second = activation - 1, activation
            swapped = {first: chain.factors[second], second: chain.factors[first]}
            return chain.jacobian(wrt, swapped), here
        case "wrong-point":
            place = int(wrt.partition(".")[0])
            other = int(rng.choice([k for k in range(len(chain.values) - 1) if k != place]))
            own = np.kron(np.eye(len(chain.values[place + 1])), chain.values[other])
            return functools.reduce(lambda K, F: F @ K, chain.factors[place + 1 :], own), f"layer {place} "
        case "shifted":
            others = [name for name in chain.net.parameters if name.endswith("W") and name != wrt]
            other_name = str(rng.choice(others))
            return chain.jacobian(other_name), f"by {other_name}"
        case "bias-column":
            z0 = chain.factors[0]
            bias = functools.reduce(lambda K, F: F @ K, chain.factors[1:], np.ones((len(z0), 1)))
            return np.hstack([bias, J] if rng.random() < 0.5 else [J, bias]), ""
        case "softmax-elementwise":
            p, last = chain.values[-1], len(chain.factors) - 1
            return chain.jacobian(
                wrt, {last: np.diag(p if rng.random() < 0.5 else p * (1 - p))}
            ), f"layer {last} "
        case "entry":
            wrong[i, j] += np.abs(J).max() * rng.uniform(0.5, 2)
        case "row":
            wrong[i] += np.abs(J).max() * rng.uniform(0.5, 2, size=n)
        case "column":
            wrong[:, j] += np.abs(J).max() * rng.uniform(0.5, 2, size=m)
        case "noise":
            wrong *= 1 + 10.0 ** rng.uniform(-4.5, -3.5) * rng.normal(size=J.shape)
    return wrong, ""


class Miss(NamedTuple):
    """A planting that was not named first."""

    number: int
    planted: Planted
    wrt: str
    net: str
    found: str


def plantings(count: int, seed: int) -> tuple[Counter[str], list[Miss]]:
    """Plant mistakes, kind after kind; return how many of each, and those that were not named first.

    Parameters
    ----------
    count : int
        How many.
    seed : int
        Planting k is the same for every count.
    """
    of_kind: Counter[str] = Counter()
    misses = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        rng = np.random.default_rng([seed, 1, number])
        found = None
        while found is None or not np.any(found[2]):  # a Jacobian of dead units is zero: any mistake is none
            found = planted(rng, kind)
        chain, wrt, J, mistake = found
        same = (
            np.abs(J - chain.net.jacobian(chain.x, wrt=wrt).dense())
            <= 1e-6 * np.abs(J).max() + 1e-12 * chain.terms
        )
        assert same.all(), f"planting {number}: this file and the library have different Jacobians"
        answer = diagnose(mistake.candidate, J, f=chain.net, x=chain.x, wrt=wrt, batch_size=BATCH)
        of_kind[kind] += 1
        if answer.name != kind or mistake.layer not in answer.sentence:
            misses.append(Miss(number, mistake, wrt, repr(chain.net), f"{answer.name}: {answer}"))
    return of_kind, misses


# --- right Jacobians -------------------------------------------------------------------------------------

LAYERS = tuple(kind.__name__ for kind in CATALOGUE.values())
ENDS = (
    "none", "none", "Softmax", "LogSoftmax", "LogSumExp", "LayerNorm", "Norm", "SquaredNorm", "SquaredError",
    "MeanSquaredError", "BinaryCrossEntropy", "CrossEntropy", "SoftmaxCrossEntropy", "scaled",
)  # fmt: skip


def right_problem(rng: np.random.Generator) -> tuple[Any, Any, str]:
    """Return a random network, a point, and by what to differentiate it."""
    dtype = np.float32 if rng.random() < 0.3 else np.float64
    scale = float(rng.choice([0.3, 1.0, 1.0, 5.0, 30.0]))  # the larger ones saturate

    def numbers(*shape: int) -> Any:
        return (scale * rng.normal(size=shape)).astype(dtype)

    depth = int(rng.integers(1, 5))
    size = int(rng.integers(1, 5))
    x = rng.normal(size=size).astype(dtype)
    if rng.random() < 0.1:
        x = np.round(x)  # zeros and ties: kinks
    layers: list[Any] = []
    for _ in range(depth):
        h = int(rng.integers(1, 5))
        layers += [Affine(numbers(h, size), numbers(h) if rng.random() < 0.8 else None)]
        size = h
        layers += [getattr(jacobians, str(rng.choice(LAYERS)))()]
        if rng.random() < 0.15:
            layers += [Residual(Sequential(Affine(numbers(size, size), numbers(size)), jacobians.Tanh()))]
    layers += _end(rng, str(rng.choice(ENDS)), size, dtype)
    net = Sequential(*layers)
    return net, x, str(rng.choice(["input", *net.parameters]))


def _end(rng: np.random.Generator, end: str, size: int, dtype: Any) -> list[Any]:
    target = rng.random(size).astype(dtype)
    match end:
        case "none":
            return []
        case "scaled":
            return [Affine((10.0 ** rng.integers(-9, 10) * np.eye(size)).astype(dtype), None)]
        case "SquaredError" | "MeanSquaredError":
            return [getattr(jacobians, end)(target)]
        case "BinaryCrossEntropy":
            return [jacobians.Sigmoid(), jacobians.BinaryCrossEntropy(np.round(target))]
        case "CrossEntropy":
            return [jacobians.Softmax(), jacobians.CrossEntropy(target / target.sum())]
        case "SoftmaxCrossEntropy":
            return [jacobians.SoftmaxCrossEntropy(target / target.sum())]
        case _:
            return [getattr(jacobians, end)()]


OFF = 1e-3
"""The relative error that is always wrong."""


class Trial(NamedTuple):
    """What a check said of a right Jacobian, and of one off in every entry: "raised" stands for an exception."""

    verdict: str
    dtype: str
    report: str
    set_aside: tuple[str, ...]
    off: str = "not asked"
    off_report: str = ""


def _has_finite_jacobian(f: Any, x: Any, wrt: str) -> bool:
    try:
        return bool(np.isfinite(f.jacobian(x, wrt=wrt).dense()).all())
    except ValueError:  # 0·∞ in its product
        return False


def trial(number: int, seed: int) -> Trial:
    """Check one right Jacobian: the first whose own numbers are finite, those before it are set aside.

    What isn't finite is no right Jacobian: where f isn't finite, or 1/p overflows for a denormal p on the way.
    """
    rng = np.random.default_rng([seed, 2, number])
    set_aside: list[str] = []
    while True:
        f, x, wrt = right_problem(rng)
        with np.errstate(all="ignore"):
            if _has_finite_jacobian(f, x, wrt):
                break
            set_aside.append(f"{f!r} by {wrt}, {x.dtype}" if np.isfinite(f(x)).all() else "")
    # the certified witness is slower: it is asked about some, and where the others can't tell
    witnesses = ["finite-difference", "complex-step", *(["certified"] if number % 10 == 0 else [])]
    try:
        report = check(f, x, wrt=wrt, witnesses=witnesses)
        if report.verdict == "undecided":
            witnesses = ["finite-difference", "complex-step", "certified"]
            report = check(f, x, wrt=wrt, witnesses=witnesses)
        verdict, text = report.verdict, f"{f!r} by {wrt}\n{report}"
    except Exception as error:  # a check must not raise: this is a figure of this script
        verdict, text = "raised", f"{f!r} at {x!r} by {wrt}: {error!r}"
    told = Trial(verdict, str(x.dtype), text if verdict in ("wrong", "raised") else "", tuple(set_aside))
    if verdict != "right":
        return told
    J = f.jacobian(x, wrt=wrt).dense()
    candidate = (J * (1 + OFF * rng.choice([-1, 1], size=J.shape))).astype(J.dtype)
    exact = f.jacobian(x.astype(np.float64), wrt=wrt).dense()
    lost = np.any(
        np.abs(J - exact) > 1e-4 * np.abs(exact)
    )  # by the rounding of float32: then J itself is off
    if lost or not J.any() or np.any(np.abs(candidate - J)[J != 0] < 0.9 * OFF * np.abs(J[J != 0])):
        return told  # zeros are the same with a relative error; in denormal numbers there is none that small
    report = check(f, x, candidate, wrt, witnesses=witnesses)
    if report.verdict == "undecided":
        report = check(f, x, candidate, wrt, witnesses=["finite-difference", "complex-step", "certified"])
    if report.verdict == "right" and not _is_off(candidate, f, x, wrt):
        return told  # J itself is rounding, which took the error out of some entries again
    return told._replace(
        off=report.verdict, off_report=f"{f!r} by {wrt}\n{report}" if report.verdict == "right" else ""
    )


def _is_off(candidate: Any, f: Any, x: Any, wrt: str) -> bool:
    """Say whether every entry is off by the error: by enclosures of the right ones, where they are known."""
    try:
        right = certified_jacobian(f, x.astype(np.float64), wrt=wrt).middle
    except (ImportError, ValueError, ArithmeticError):
        return True
    return bool(np.all(np.abs(candidate - right)[right != 0] >= 0.9 * OFF * np.abs(right[right != 0])))


class Trials(NamedTuple):
    """All verdicts on right Jacobians.

    Attributes
    ----------
    counts, off : Counter
        Verdicts by precision: on right Jacobians, and on those with a relative error in every entry.
    wrong, missed, set_aside : list of tuple
        Numbers of trials with the reports of right Jacobians that are called wrong, and of those with an error that
        are called right, and with the networks set aside.
    """

    counts: Counter[tuple[str, str]]
    off: Counter[tuple[str, str]]
    wrong: list[tuple[int, str]]
    missed: list[tuple[int, str]]
    set_aside: list[tuple[int, str]]


def right_trials(count: int, seed: int, jobs: int) -> Trials:
    """Return the verdicts on so many right Jacobians, and on these with an error."""
    trials = Trials(Counter(), Counter(), [], [], [])
    one = functools.partial(trial, seed=seed)
    with multiprocessing.get_context("spawn").Pool(jobs) if jobs > 1 else contextlib.nullcontext() as pool:
        for number, found in enumerate(pool.imap(one, range(count), 50) if pool else map(one, range(count))):
            trials.counts[found.verdict, found.dtype] += 1
            trials.off[found.off, found.dtype] += 1
            trials.set_aside.extend((number, text) for text in found.set_aside)
            if found.report:
                trials.wrong.append((number, found.report))
            if found.off_report:
                trials.missed.append((number, found.off_report))
    return trials


# --- the command -----------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Run both, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--plantings", type=int, default=1000, help="planted mistakes (default: 1000)")
    parser.add_argument("--trials", type=int, default=10_000, help="right Jacobians (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--quick", action="store_true", help="100 plantings and 500 right Jacobians")
    options = parser.parse_args(arguments)
    if options.quick:
        options.plantings, options.trials = 100, 500
    if min(options.plantings, options.trials) < 1:
        parser.error("nothing to count: expected at least one planting and one trial")
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, explicit-jacobians {jacobians.__version__}, "
        f"seed {options.seed}"
    )
    start = time.perf_counter()
    of_kind, misses = plantings(options.plantings, options.seed)
    missed = Counter(miss.planted.name for miss in misses)
    print(f"\n{'planted mistake':26}{'planted':>8}{'named first':>13}")
    for kind in [kind for kind in KINDS if of_kind[kind]]:
        print(f"{kind:26}{of_kind[kind]:8}{of_kind[kind] - missed[kind]:13}")
    named = options.plantings - len(misses)
    print(f"{'all':26}{options.plantings:8}{named:13}   {100 * named / options.plantings:.1f} of 100")
    for miss in misses:
        where = f" in {miss.planted.layer}" if miss.planted.layer else ""
        print(
            f"  missed {miss.number}: {miss.planted.name}{where} by {miss.wrt} of {miss.net}\n    {miss.found}"
        )
    print(f"{time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    trials = right_trials(options.trials, options.seed, options.jobs)
    _table("right Jacobians", ("right", "undecided", "wrong", "raised"), trials.counts)
    _table(f"error {OFF:g} in every entry", ("wrong", "undecided", "right"), trials.off)
    for number, report in (*trials.wrong, *trials.missed):
        print(f"  trial {number}: {report}")
    without = sum(not network for _, network in trials.set_aside)
    print(f"{without} networks set aside, where f and its Jacobian are not finite; and where f is finite:")
    for number, network in trials.set_aside:
        if network:
            print(f"  before trial {number}: {network}")
    passed = len(trials.missed)
    print(
        f"{len(trials.wrong)} of {options.trials} called wrong, and with the error {passed} right; "
        f"{time.perf_counter() - start:.0f} s"
    )
    return 0 if named >= NAMED * options.plantings and not trials.wrong and not passed else 1


def _table(title: str, verdicts: tuple[str, ...], counts: Counter[tuple[str, str]]) -> None:
    print(f"\n{title:26}{'float64':>8}{'float32':>13}")
    for verdict in verdicts:
        print(f"called {verdict:19}{counts[verdict, 'float64']:8}{counts[verdict, 'float32']:13}")


if __name__ == "__main__":
    sys.exit(main())
