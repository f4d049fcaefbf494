"""Does `verification.diagnose` name mistakes in the gradients of plain NumPy code? One command shows it.

    python benchmarks/diagnosis_trials.py [--trials N] [--seed N]

Random functions are written as Python code, a statement an operation, and differentiated backwards by rules of this
file; in each one rule is replaced by a wrong one. A planted mistake counts as named first if the diagnosis has its name
and its line before any other; where several mistakes give the same numbers, they are told apart by nobody, and it is
counted beside if it is told at all. Right gradients, rounded to float64 or float32, must get no name. Exit status 0 if
at least 90 of 100 are named first, at most 1 of 100 right ones gets a name, and the median takes at most 1 s of CPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from verification import Diagnosis, diagnose, finite_difference_jacobian

NAMED, FALSE, SECONDS = 0.90, 0.01, 1.0

Rule = Callable[..., list[Any]]
"""u, the operands, the result: what each operand that follows x gets."""


def sigmoid(z: Any) -> Any:
    """Return 1/(1 + e^−z)."""
    return 1 / (1 + np.exp(-z))


def softmax(z: Any) -> Any:
    """Return e^z over its sum along rows."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Wrong(NamedTuple):
    """A wrong rule, and the names that say what is wrong with it."""

    names: tuple[str, ...]
    rule: Rule


class Kind(NamedTuple):
    """An operation: how it is written, its rule, and wrong ones."""

    code: str
    rule: Rule
    wrong: tuple[Wrong, ...]


def elementwise(code: str, f: Any, slope: Any, *more: Wrong, changes: bool = True) -> Kind:
    """Return the row of an activation, with the mistakes that all have."""
    wrong = [Wrong(("missing-derivative",), lambda u, v, y: [u]), *more]
    if changes:
        wrong += [
            Wrong(("function-for-derivative",), lambda u, v, y: [u * y]),
            Wrong(("derivative-at-output",), lambda u, v, y: [u * slope(y)]),
        ]
    return Kind(code, lambda u, v, y: [u * slope(v)], tuple(wrong))


LEFT_OUT, PATH = ("missing-factor", "factor", "missing-derivative", "zero"), ("missing-path", "one-use")
AT_VALUE = ("function-for-derivative", "derivative-at-output")  # 2·x² is both for x²
KINDS: dict[str, Kind] = {
    "tanh": elementwise(
        "np.tanh({a})", np.tanh, lambda v: 1 - np.tanh(v) ** 2,
        Wrong(("wrong-point",), lambda u, v, y: [u * (1 - v**2)]),
        Wrong(("missing-factor",), lambda u, v, y: [u * (1 - y)]),
    ),
    "sigmoid": elementwise(
        "sigmoid({a})", sigmoid, lambda v: sigmoid(v) * (1 - sigmoid(v)),
        Wrong(("wrong-point",), lambda u, v, y: [u * v * (1 - v)]),
        Wrong(("other-derivative",), lambda u, v, y: [u * (1 - y**2)]),
    ),
    "softplus": elementwise("np.log1p(np.exp({a}))", None, sigmoid),
    "sine": elementwise(
        "np.sin({a})", np.sin, np.cos, Wrong(("missing-factor", "sign"), lambda u, v, y: [-u * np.cos(v)]),
    ),
    "relu": elementwise("np.maximum({a}, 0)", None, lambda v: 1.0 * (v > 0), changes=False),
    "square": Kind(
        "{a} ** 2", lambda u, v, y: [2 * u * v],
        (Wrong(LEFT_OUT, lambda u, v, y: [u * v]), Wrong(AT_VALUE, lambda u, v, y: [2 * u * y])),
    ),
    "root": Kind(
        "np.sqrt(1.5 + {a} ** 2)", lambda u, v, y: [u * v / y],
        (Wrong(("missing-factor", "factor"), lambda u, v, y: [2 * u * v / y]),
         Wrong(("missing-factor", "function-for-derivative"), lambda u, v, y: [u * v * y])),
    ),
    "softmax": Kind(
        "softmax({a})", lambda u, v, y: [y * (u - (u * y).sum(1, keepdims=True))],
        (Wrong(("elementwise",), lambda u, v, y: [u * y * (1 - y)]),
         Wrong(("function-for-derivative",), lambda u, v, y: [u * y]),
         Wrong(("missing-derivative",), lambda u, v, y: [u])),
    ),
    "product": Kind(
        "{a} * {b}", lambda u, v, w, y: [u * w, u * v],
        (Wrong(PATH, lambda u, v, w, y: [u * w, 0 * u]), Wrong(PATH, lambda u, v, w, y: [0 * u, u * v]),
         Wrong(LEFT_OUT, lambda u, v, w, y: [u, u * v])),
    ),
    "quotient": Kind(
        "{a} / {b}", lambda u, v, w, y: [u / w, -u * v / w**2],
        (Wrong(("sign",), lambda u, v, w, y: [u / w, u * v / w**2]),
         Wrong(("missing-factor",), lambda u, v, w, y: [u / w, -u * v / w]),
         Wrong(PATH, lambda u, v, w, y: [u / w, 0 * u])),
    ),
    "sum": Kind(
        "{a} + {b}", lambda u, v, w, y: [u, u],
        (Wrong(PATH, lambda u, v, w, y: [u, 0 * u]), Wrong(("sign",), lambda u, v, w, y: [u, -u])),
    ),
    "difference": Kind(
        "{a} - {b}", lambda u, v, w, y: [u, -u],
        (Wrong(("sign",), lambda u, v, w, y: [u, u]), Wrong(PATH, lambda u, v, w, y: [0 * u, -u])),
    ),
    "centred": Kind(
        "{a} - np.mean({a}, axis=0)", lambda u, v, y: [u - u.mean(0)],
        (Wrong(PATH, lambda u, v, y: [u]), Wrong(("missing-factor", "factor"), lambda u, v, y: [u - u.sum(0)])),
    ),
    "scaled": Kind(
        "gamma * {a}", lambda u, v, y, c=None: [u * c["gamma"]],
        (Wrong(LEFT_OUT, lambda u, v, y, c=None: [u]),),
    ),
    "divided": Kind(
        "{a} / 1.7", lambda u, v, y: [u / 1.7],
        (Wrong(LEFT_OUT, lambda u, v, y: [u]), Wrong(("factor",), lambda u, v, y: [u * 1.7])),
    ),
    "shifted": Kind("{a} + beta", lambda u, v, y: [u], ()),
    "weights": Kind(
        "{a} @ W", lambda u, v, y, c=None: [u @ c["W"].T],
        (Wrong(("matrix-transposed",), lambda u, v, y, c=None: [u @ c["W"]]),),
    ),
    "reversed": Kind("{a}[::-1]", lambda u, v, y: [u[::-1]], ()),
    "repeated": Kind(
        "{a}[[0, 1, 1, 2]]", lambda u, v, y: [_added(u, v)],
        (Wrong(("repeated-index",), lambda u, v, y: [_assigned(u, v)]),),
    ),
}  # fmt: skip
LOSSES: dict[str, Kind] = {
    "upstream": Kind(
        "np.sum(dout * {a})", lambda u, v, y, c=None: [c["dout"]],
        (Wrong(LEFT_OUT, lambda u, v, y, c=None: [np.ones_like(v)]),),
    ),
    "mean square": Kind(
        "np.mean(({a} - target) ** 2)", lambda u, v, y, c=None: [2 * (v - c["target"]) / v.size],
        (Wrong(("factor",), lambda u, v, y, c=None: [2 * (v - c["target"])]),
         Wrong(("factor",), lambda u, v, y, c=None: [(v - c["target"]) / v.size]),
         Wrong(("missing-constant",), lambda u, v, y, c=None: [2 * v / v.size])),
    ),
}  # fmt: skip


def _added(u: Any, v: Any) -> Any:
    found = np.zeros_like(v)
    np.add.at(found, [0, 1, 1, 2], u)
    return found


def _assigned(u: Any, v: Any) -> Any:
    found = np.zeros_like(v)
    found[[0, 1, 1, 2]] += u
    return found


class Step(NamedTuple):
    """A statement: which operation of which values."""

    kind: str
    operands: tuple[int, ...]


class Program:
    """A random function of x, (rows, columns), as code and as steps."""

    def __init__(self, rng: np.random.Generator) -> None:
        rows, n = int(rng.integers(4, 6)), int(rng.integers(3, 5))
        self.x = rng.normal(size=(rows, n))
        self.constants = {
            "W": rng.normal(size=(n, n)) / np.sqrt(n), "gamma": rng.uniform(0.5, 2, size=n) * rng.choice([-1, 1], n),
            "beta": rng.normal(size=n),
        }  # fmt: skip
        self.steps: list[Step] = []
        self.values = [self.x]
        last = 0
        for _ in range(int(rng.integers(3, 9))):
            kind = str(
                rng.choice(
                    [name for name in KINDS if name != "repeated" or self.values[last].shape[0] == rows]
                )
            )
            if kind == "repeated" and rows > 4:
                continue
            operands = [last]
            if "{b}" in KINDS[kind].code:
                same = [
                    k
                    for k, value in enumerate(self.values)
                    if value.shape == self.values[last].shape and k != last
                ]
                if not same or (
                    kind == "quotient" and np.abs(self.values[(b := int(rng.choice(same)))]).min() < 0.1
                ):
                    continue
                operands.append(b if kind == "quotient" else int(rng.choice(same)))
            value = self.evaluate(KINDS[kind].code, operands)
            if not 1e-3 < np.abs(value).max() < 1e3:
                continue
            self.steps.append(Step(kind, tuple(operands)))
            self.values.append(value)
            last = len(self.values) - 1
        shape = self.values[last].shape
        self.constants |= {"dout": rng.normal(size=shape), "target": rng.normal(size=shape)}
        self.loss = str(rng.choice(list(LOSSES)))
        self.last = last
        # values that nothing uses
        used, reached = {last}, [last]
        while reached:
            here = reached.pop()
            for k in self.steps[here - 1].operands if here else ():
                if k not in used:
                    used.add(k)
                    reached.append(k)
        self.used = used

    def evaluate(self, code: str, operands: list[int]) -> Any:
        """Return the value of an operation."""
        names = dict(zip(("a", "b"), (f"v{k}" for k in operands), strict=False))
        space = {"np": np, "sigmoid": sigmoid, "softmax": softmax, **self.constants}
        space |= {f"v{k}": value for k, value in enumerate(self.values)}
        return eval(code.format(**names), space)

    @property
    def source(self) -> str:
        """The code: step k is in line k + 1."""
        lines = ["def f(v0):"]
        for place, (kind, operands) in enumerate(self.steps, 1):
            names = dict(zip(("a", "b"), (f"v{k}" for k in operands), strict=False))
            lines.append(f"    v{place} = {KINDS[kind].code.format(**names)}")
        return "\n".join([*lines, f"    return {LOSSES[self.loss].code.format(a=f'v{self.last}')}"])

    def function(self) -> Any:
        """Return the compiled code, whose arrays are names of its module."""
        space: dict[str, Any] = {"np": np, "sigmoid": sigmoid, "softmax": softmax, **self.constants}
        exec(compile(self.source, "<program>", "exec"), space)
        return space["f"]

    def gradient(self, at: int | None = None, wrong: Rule | None = None) -> Any:
        """Return the gradient, with another rule at one step; `at` is len(steps) for the loss."""

        def call(place: int, rule: Rule, *given: Any) -> list[Any]:
            chosen = wrong if place == at and wrong is not None else rule
            takes = "c" in chosen.__code__.co_varnames
            return chosen(*given, c=self.constants) if takes else chosen(*given)

        v = self.values[self.last]
        adjoints = {self.last: call(len(self.steps), LOSSES[self.loss].rule, 1.0, v, None)[0]}
        for place in range(len(self.steps) - 1, -1, -1):
            kind, operands = self.steps[place]
            if place + 1 in adjoints:
                given = [self.values[k] for k in operands]
                parts = call(place, KINDS[kind].rule, adjoints[place + 1], *given, self.values[place + 1])
                for k, part in zip(operands, parts, strict=True):
                    adjoints[k] = adjoints.get(k, 0) + part
        return adjoints.get(0, np.zeros_like(self.x)) + np.zeros_like(self.x)


class Outcome(NamedTuple):
    """What became of one planted mistake."""

    kind: str
    first: bool
    told: bool
    seconds: float
    text: str


def planted(rng: np.random.Generator) -> Outcome | None:
    """Plant a mistake in a random program and return whether it was named; None where it changes nothing."""
    program = Program(rng)
    places = [k for k, step in enumerate(program.steps) if k + 1 in program.used and KINDS[step.kind].wrong]
    place = int(rng.choice([*places, len(program.steps)]))
    kind = LOSSES[program.loss] if place == len(program.steps) else KINDS[program.steps[place].kind]
    name = program.loss if place == len(program.steps) else program.steps[place].kind
    which = int(rng.integers(len(kind.wrong)))
    right, wrong = program.gradient(), program.gradient(place, kind.wrong[which].rule)
    if np.linalg.norm(wrong - right) < 1e-3 * np.linalg.norm(right) or not np.linalg.norm(right) > 1e-9:
        return None
    expected = finite_difference_jacobian(program.function(), program.x, method="richardson").reshape(1, -1)
    start = time.process_time()
    found = diagnose(wrong, expected, f=program.function(), x=program.x)
    seconds = time.process_time() - start
    names, line = kind.wrong[which].names, place + 2
    first = any(part in names for part in found.name.split("+")[:1]) and _in_line(found.sentence, line, found)
    told = first or any(_in_line(sentence, line, found) for sentence in found.others)
    return Outcome(
        f"{name}: {names[0]}", first, told, seconds, f"{program.source}\n  line {line}: {names}\n  {found}"
    )


def _in_line(sentence: str, line: int, found: Diagnosis) -> bool:
    """Say whether a sentence is about a line; a bare factor of the whole is about none."""
    text = sentence.partition("; expected")[0]
    return f"line {line}" in text or found.name in ("factor", "sign") or " uses of " in text


def main(arguments: list[str] | None = None) -> int:
    """Run the trials, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--trials", type=int, default=200, help="planted mistakes, and right gradients (default: 200)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--misses", action="store_true", help="print what was not named first")
    options = parser.parse_args(arguments)
    if options.trials < 1:
        parser.error("nothing to count: expected at least one trial")
    outcomes: list[Outcome] = []
    number = 0
    while len(outcomes) < options.trials:
        outcome = planted(np.random.default_rng([options.seed, number]))
        outcomes += [] if outcome is None else [outcome]
        number += 1
    of, named = Counter(one.kind for one in outcomes), Counter(one.kind for one in outcomes if one.first)
    print(f"{'planted mistake':38}{'planted':>8}{'named first':>13}")
    for kind in sorted(of):
        print(f"{kind:38}{of[kind]:8}{named[kind]:13}")
    first, told = sum(one.first for one in outcomes), sum(one.told for one in outcomes)
    median = statistics.median(one.seconds for one in outcomes)
    print(
        f"{'all':38}{len(outcomes):8}{first:13}; {told} told; {100 * first / len(outcomes):.1f} of 100 named first"
    )
    for one in outcomes:
        if options.misses and not one.first:
            print(one.text)
    false = right_names(options.trials, options.seed)
    print(
        f"right gradients, rounded to float64 or float32: {len(false)} of {2 * options.trials} get a name {false}"
    )
    longest = max(one.seconds for one in outcomes)
    print(f"CPU of an answer: median {median:.2f} s, longest {longest:.2f} s")
    good = first >= NAMED * len(outcomes) and len(false) <= 2 * FALSE * options.trials and median <= SECONDS
    return 0 if good else 1


def right_names(count: int, seed: int) -> list[str]:
    """Return the names that right gradients get, where they differ from the expected ones by rounding."""
    names = []
    for number in range(count):
        rng = np.random.default_rng([seed, 10**6 + number])
        program = Program(rng)
        while np.linalg.norm(program.gradient()) < 1e-9:  # the rounding of 0 is all that there is
            program = Program(rng)
        right, f = program.gradient(), program.function()
        expected = finite_difference_jacobian(f, program.x, method="richardson").reshape(1, -1)
        noisy = right * (1 + 1e-13 * rng.normal(size=right.shape))
        for candidate in (noisy, (right * (1 + 1e-7 * rng.normal(size=right.shape))).astype(np.float32)):
            found = diagnose(candidate, expected, f=f, x=program.x)
            names += [] if found.name in ("right", "noise") else [found.name]
    return names


if __name__ == "__main__":
    sys.exit(main())
