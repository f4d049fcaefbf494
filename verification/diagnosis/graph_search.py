"""Which mutation of the graph of plain code gives a candidate: each is one sweep, and all that fit are ranked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.operations.elementwise import spread
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.constant_factors import ratio
from verification.diagnosis.constants import forgotten
from verification.diagnosis.cross_entropy import wrong_gradients
from verification.diagnosis.hypotheses import USES, Hypothesis, hypotheses
from verification.diagnosis.layers import layer_hypotheses
from verification.diagnosis.mutations import ELEMENTWISE, REDUCTIONS, name_of, pool, value_name
from verification.diagnosis.scaled import scaled, updated
from verification.diagnosis.tape import Edge, Pull, Tape, pull_of
from verification.diagnosis.values import LEAST, other_values

WORK = 150_000
"""The edges that all sweeps together may pass."""
FITS = 1e-4
"""The part of a deviation that may be left over."""
NEARLY = 1e-7
"""The part of a square within which a prediction is looked at closely."""
PAIRS = 24
"""Edges of which every two are left out at once."""
EXCHANGED = 8
"""Values of one shape of which the gradients of every two are exchanged."""


class Target(NamedTuple):
    """The candidate, or what is left of it without a form that it may have.

    Attributes
    ----------
    cost : float
        0 for the candidate itself.
    name, sentence : str
        The form; "" for none.
    rows : numpy.ndarray, shape (k, n)
        Combinations of its rows.
    """

    cost: float
    name: str
    sentence: str
    rows: Array


class Fit(NamedTuple):
    """A mistake that gives the candidate; the cheapest is named first."""

    cost: float
    name: str
    sentence: str


class Search:
    """The candidate's forms against what each mutation gives."""

    def __init__(
        self, tape: Tape, right: Array, rows: Array, targets: list[Target], factors: Mapping[float, str]
    ) -> None:
        self.tape, self.rows, self.factors = tape, rows, factors
        self.whole, self.right = right, tape.along(right)
        self.base = tape.adjoints(rows)
        self.fits: list[Fit] = []
        self.zero = bool(targets) and not any(
            np.abs(target.rows).max() > 1e-13 * np.abs(right).max() for target in targets
        )
        self.targets = targets
        self.null: dict[Edge, Pull | None] = {}

    def agrees(self) -> bool:
        """Say whether the graph gives the expected answer: the hypotheses make sense only then."""
        found = self.base.get(0, np.zeros_like(self.right))
        self.size = float(np.linalg.norm(found))
        if float(np.linalg.norm(found - self.right)) > 1e-5 * float(np.linalg.norm(self.right)):
            return False
        self.right = found  # what differences measured has their errors
        away = [float(np.linalg.norm(target.rows - found)) for target in self.targets]
        kept = [
            k for k, one in enumerate(away) if one > 1e-10 * self.size
        ]  # others their form alone explains
        self.targets, self.away = [self.targets[k] for k in kept], [away[k] for k in kept]
        self.flat = np.array([one.rows.reshape(-1) for one in self.targets]).reshape(-1, found.size)
        self.squares = np.sum(self.flat**2, axis=1)
        return True

    def predicted(self, one: Hypothesis, null: Mapping[Edge, Pull | None] | None = None) -> Array:
        """Return what a hypothesis gives, (k, n)."""
        edges = {**(null or {}), **one.edges}
        return self.base[0] + self.tape.changed(self.base, edges, one.added, self.tape.active)

    def consider(self, prediction: Array, cost: float, name: str, sentence: str) -> bool:
        """Note the fits of a prediction; return whether there was one."""
        if not np.isfinite(prediction).all():
            return False
        prediction = self.tape.along(prediction)
        size = float(np.linalg.norm(prediction))
        if self.zero:
            if size <= 1e-12 * self.size and name != Slip.MISSING_PATH:
                self.fits.append(Fit(cost, Slip.FACTOR, sentence))
                return True
            return False
        if size == 0 or float(np.linalg.norm(prediction - self.right)) <= 1e-9 * size:
            return False
        before = len(self.fits)
        dots = self.flat @ prediction.reshape(-1)
        near = self.squares + size**2 - 2 * dots <= NEARLY * np.maximum(self.squares, size**2)
        multiple = self.squares - dots**2 / size**2 <= NEARLY * self.squares
        for k in np.flatnonzero(near | multiple):
            target, away = self.targets[k], self.away[k]
            left = float(np.linalg.norm(target.rows - prediction))
            if left <= FITS * min(away, size):
                self._note(target, cost, name, sentence)
                continue
            known = None if target.name else _known(dots[k] / size**2, self.factors)
            if known is not None and prediction.size > 2:
                value, said = known
                if float(np.linalg.norm(target.rows - value * prediction)) <= FITS * min(
                    away, abs(value) * size
                ):
                    second = "the sign is wrong" if value == -1 else f"a factor {said} is there"
                    second_name = Slip.SIGN if value == -1 else Slip.FACTOR
                    both = f"two mistakes: {sentence}, and {second}"
                    self._note(target, cost + 2.0, f"{name}+{second_name}", both)
        return len(self.fits) > before

    def _note(self, target: Target, cost: float, name: str, sentence: str) -> None:
        if target.name:
            name, sentence = f"{target.name}+{name}", f"two mistakes: {target.sentence}, and {sentence}"
        self.fits.append(Fit(cost + target.cost, name, sentence))

    def run(self) -> None:
        """Try every mutation, the simplest first, until there is no work left."""
        if 0 not in self.base:
            return
        made = sorted([*layer_hypotheses(self.tape), *hypotheses(self.tape)], key=lambda one: one.cost)
        paths: list[tuple[Hypothesis, Array]] = []
        size = float(np.linalg.norm(self.right))
        drops = [
            one
            for one in made
            if one.name == Slip.MISSING_PATH and all(pull is None for pull in one.edges.values())
        ]
        for one in drops:
            share = self.base[0] - self.predicted(one)
            if float(np.linalg.norm(share)) <= 1e-12 * size:
                self.null |= one.edges
            elif float(np.linalg.norm(share - self.base[0])) > 1e-9 * size:
                paths.append((one, share))
        if self.null:
            rest = self.predicted(Hypothesis(0, "", "", self.null, {}))
            if float(np.linalg.norm(rest - self.base[0])) > 1e-9 * size:
                self.null = {}
        for one in [*self._statistics([one for one, _ in paths]), *made]:
            if self.tape.spent > WORK:
                break
            if not self.null or not self.consider(
                self.predicted(one, self.null), one.cost, one.name, one.sentence
            ):
                self.consider(self.predicted(one), one.cost, one.name, one.sentence)
        self._shares(paths)
        self._regularisation(paths)
        for cost, name, sentence, prediction in itertools.chain(
            self._gradients(),
            self._exchanged(),
            self._elsewhere(),
            self._coefficients(),
            scaled(self.tape, self.whole),
        ):
            self.consider(prediction, cost, name, sentence)
        if not self.fits:
            self._pairs([one for one, _ in paths][:PAIRS])
        if any(fit.cost < LEAST for fit in self.fits):
            return
        self._updated()
        if any(fit.cost < LEAST for fit in self.fits):
            return
        for cost, name, sentence, tape in itertools.chain(forgotten(self.tape), other_values(self.tape)):
            self.tape.spent += tape.spent
            other = tape.adjoints(self.rows).get(0)
            if other is not None:
                self.consider(other, cost, name, sentence)
            if self.tape.spent > WORK:
                break

    def _statistics(self, drops: list[Hypothesis]) -> Iterator[Hypothesis]:
        """Yield what it gives to hold two or all sums, means, … constant that reach the output beside another path."""
        held = [
            one
            for one in drops
            if all(
                pull is None and name_of(self.tape.calls[edge.target]) in REDUCTIONS
                for edge, pull in one.edges.items()
            )
        ]
        several = [list(pair) for pair in itertools.combinations(held, 2)] if len(held) <= USES else []
        for chosen in (*several, *([held] if len(held) > 2 else [])):
            edges = {edge: pull for one in chosen for edge, pull in one.edges.items()}
            where = ", ".join(dict.fromkeys(_of_reduction(self.tape, one) for one in chosen))
            yield Hypothesis(0.95, Slip.MISSING_PATH, f"statistics are held constant: {where}", edges, {})

    def _shares(self, paths: list[tuple[Hypothesis, Array]]) -> None:
        """Note where a path is there with another factor."""
        for one, share in paths:
            for target in self.targets:
                off = target.rows - self.right
                value = ratio(off, share)
                factor = round(1 + value, 9)
                known = _known(factor, {**self.factors, -1.0: "−1"})
                if share.size < 3 or known is None or not np.linalg.norm(off):
                    continue
                if float(np.linalg.norm(off - value * share)) <= FITS * float(np.linalg.norm(off)):
                    said = one.sentence.replace(" is left out", f" has a factor {known[1]} too much")
                    if factor == -1:
                        said = one.sentence.replace(" is left out", " has the wrong sign")
                    self._note(target, 1.6, Slip.SIGN if factor == -1 else Slip.FACTOR, said)

    def _regularisation(self, paths: list[tuple[Hypothesis, Array]]) -> None:
        """Note a multiple of the parameter, or of a part of it, that is too much or missing."""
        theta = np.asarray(self.tape.values[0], dtype=float)
        if self.right.shape[0] > 1 or theta.size < 3:
            return
        name = self.tape.names[0]
        parts = [(theta, name)]
        for axis in range(theta.ndim if theta.ndim > 1 else 0):
            for index, which in ((0, "first"), (-1, "last")):
                only = np.zeros_like(theta)
                place = (slice(None),) * axis + (index,)
                only[place] = theta[place]
                what = {0: "row", 1: "column"}.get(axis, f"entry along axis {axis}")
                parts += [
                    (only, f"the {which} {what} of {name}"),
                    (theta - only, f"{name} without its {which} {what}"),
                ]
        looked = [(self.tape.along(part.reshape(1, -1)).reshape(-1), what) for part, what in parts
                  if np.count_nonzero(part) > 1]  # fmt: skip
        bases = [(self.right, "")] + [(self.right - share, one.sentence) for one, share in paths]
        for target in self.targets:
            scaled = ratio(target.rows, self.right) * self.right
            away = float(np.linalg.norm(target.rows - self.right))
            if float(np.linalg.norm(target.rows - scaled)) <= FITS * away:
                continue  # a constant factor of the whole says it simpler
            for base, beside in bases:
                off = (target.rows - base).reshape(-1) / self.rows[0, 0]
                size = float(np.linalg.norm(off))
                if size * abs(self.rows[0, 0]) <= 1e-9 * float(np.linalg.norm(base)):
                    continue
                for part, what in looked:
                    value = ratio(off, part)
                    if np.linalg.norm(off - value * part) <= FITS * size:
                        number = f"{abs(value) / self._above():.6g}"
                        wrong = "is missing" if value < 0 else "is there that should not be"
                        said = f"regularisation: {number} times {what} {wrong}"
                        cost = 0.8
                        if beside:
                            said, cost = f"two mistakes: {said}, and {beside}", 3.0
                        self._note(target, cost, Slip.REGULARISATION, said)

    def _above(self) -> float:
        """Return the size of the gradient from above, where it is one number: the code's own numbers are without it."""
        found = [self.tape.values[vertex] for vertex, name in self.tape.names.items() if name == "dout"]
        return abs(float(np.ravel(found[0])[0])) or 1.0 if found and np.size(found[0]) == 1 else 1.0

    def _gradients(self) -> Iterator[tuple[float, str, str, Array]]:
        """Yield what slips in the gradient of a cross entropy by the scores give."""
        if len(self.rows) == 1:
            for cost, name, said, vertex, wrong in wrong_gradients(self.tape, self.base):
                off = wrong.reshape(1, -1) - self.base[vertex]
                yield cost, name, said, self.base[0] + self.tape.carried_back({vertex: off})

    def _exchanged(self) -> Iterator[tuple[float, str, str, Array]]:
        """Yield what it gives to exchange the gradients by two values of one shape."""
        by_shape: dict[tuple[Any, str], list[int]] = {}
        for vertex in sorted(self.tape.active & set(self.base) - {0, self.tape.output}):
            call = self.tape.calls.get(vertex)
            if (
                call is not None
                and call.function not in ELEMENTWISE
                and np.size(self.tape.values[vertex]) > 1
            ):
                by_shape.setdefault((np.shape(self.tape.values[vertex]), call.name), []).append(vertex)
        for vertices in by_shape.values():
            for one, two in itertools.combinations(vertices[:EXCHANGED], 2):
                if two in self.tape.reaching([one]):
                    continue
                off = self.base[two] - self.base[one]
                names = f"{value_name(self.tape, one)} and by {value_name(self.tape, two)}"
                said = f"the gradients by {names} are exchanged"
                yield 1.6, Slip.PLACE, said, self.base[0] + self.tape.carried_back({one: off, two: -off})

    def _elsewhere(self) -> Iterator[tuple[float, str, str, Array]]:
        """Yield the answers of other inputs, and what stands before the last step."""
        size = self.whole.shape[1]
        for vertex, rows in self.base.items():
            if vertex == 0 or rows.shape[1] != size or vertex == self.tape.output:
                continue
            if vertex in self.tape.names:
                said = (
                    f"it is the answer by {self.tape.names[vertex]}, expected the one by {self.tape.names[0]}"
                )
                yield 1.5, Slip.SHIFTED, said, rows
            elif vertex in self.tape.active:
                said = f"it is the derivative by {value_name(self.tape, vertex)}: the way from there to "
                yield 2.6, Slip.MISSING_PATH, f"{said}{self.tape.names[0]} is left out", rows

    def _coefficients(self) -> Iterator[tuple[float, str, str, Array]]:
        """Yield what other values in place of the coefficient give where the input is only scaled: x for x̂."""
        tape, here, name = self.tape, 0, self.tape.names[0]
        scaling = (np.multiply, np.divide)
        while True:
            used = [edge for edges in tape.edges for edge in edges if edge.source == here]
            if len(used) != 1 or getattr(tape.calls.get(used[0].target), "function", None) not in scaling:
                return
            here = used[0].target
            shape = np.shape(tape.values[here])
            if len(np.shape(tape.values[0])) > len(shape) or here not in self.base:
                return
            summed = pull_of(spread(None, shape, np.shape(tape.values[0])))
            for label, value in pool(tape, np.asarray(tape.values[here])):
                said = f"{label} stands for what {name} is multiplied by"
                yield 1.8, Slip.WRONG_VALUE, said, summed(self.base[here] * value.reshape(-1))

    def _updated(self) -> None:
        """Note where a parameter that was updated before, W − c·∂/∂W, stands for W."""
        if self.right.shape[0] > 1 or self.right.size < 3:
            return
        size = float(np.linalg.norm(self.right))
        for share, name, call in updated(
            self.tape, self.base, lambda edges: self.predicted(Hypothesis(0, "", "", edges, {}))
        ):
            for target in self.targets if float(np.linalg.norm(share)) > 1e-9 * size else ():
                off = target.rows - self.right
                value, away = ratio(off, share), float(np.linalg.norm(off))
                if value < 0 and away > 1e-7 * size and np.linalg.norm(off - value * share) <= FITS * away:
                    line = f" (line {call.frames[0].line})" if call.frames else ""
                    rate = f"{-value * self.rows[0, 0]:.4g}"
                    said = f"{name} was updated before: {name} − {rate}·∂/∂{name} stands for it at {name_of(call)}"
                    self._note(target, 1.4, Slip.WRONG_VALUE, said + line)

    def _pairs(self, drops: list[Hypothesis]) -> None:
        """Note two edges that are left out at once."""
        for one, two in itertools.combinations(drops, 2):
            if self.tape.spent > WORK:
                return
            both = Hypothesis(0, "", "", {**one.edges, **two.edges}, {})
            sentence = f"{one.sentence}, and {two.sentence}"
            self.consider(self.predicted(both, self.null), one.cost + two.cost, Slip.MISSING_PATH, sentence)


def _of_reduction(tape: Tape, one: Hypothesis) -> str:
    call = tape.calls[next(iter(one.edges)).target]
    return f"{name_of(call)} in line {call.frames[0].line}" if call.frames else name_of(call)


def _known(value: float, factors: Mapping[float, str]) -> tuple[float, str] | None:
    for one, said in factors.items():
        if math.isclose(value, one, rel_tol=1e-6):
            return one, said
    return None


def ranked(fits: Iterable[Fit]) -> list[Fit]:
    """Return fits with the cheapest first, each sentence once."""
    best: dict[str, Fit] = {}
    for fit in sorted(fits, key=lambda one: (one.cost, len(one.sentence))):
        best.setdefault(fit.sentence, fit)
    return list(best.values())
