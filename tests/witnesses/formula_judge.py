"""The judge of closed forms: the tensor, every printed line read back, and the code, against differences."""

import math

import formula_values as witness
import numpy as np
import random_formulas
import scipy.special

from jacobians.formulas import derive
from jacobians.formulas.latex import latex, text_of_latex
from jacobians.formulas.numpy_code import python_name
from jacobians.formulas.parser import parse
from jacobians.formulas.text import text
from jacobians.formulas.tree import Node
from jacobians.formulas.values import Values


def point(d, formula, by, seed):
    """Return values, sizes and the difference quotient at a point where it is good, or skip the seed."""
    context = d._context
    shapes = {name: context.shape(name) for name in context.shapes.variables}
    for attempt in range(seed, seed + 400, 20):
        values, sizes = witness.points(shapes, context.tags, attempt)
        try:
            with np.errstate(all="ignore"):
                slope = witness.difference(formula, by, values, sizes)
                again = witness.difference(formula, by, values, sizes, h=5e-4)
        except np.linalg.LinAlgError:
            continue
        said = [c.removesuffix(" is invertible") for c in d.conditions if c.endswith(" is invertible")]
        if any(np.linalg.cond(read_back(line, values, sizes)) > 1e3 for line in said):
            continue
        scale = 1 + np.abs(slope).max()
        if np.isfinite(slope).all() and np.abs(slope - again).max() < 1e-6 * scale and scale < 1e4:
            return values, sizes, slope
    raise AssertionError("no point without singularities")


def flat(values):
    return {name: a.item() if a.size == 1 else a.ravel() if 1 in a.shape else a for name, a in values.items()}


def read_back(line, values, sizes, vec="row"):
    """Return the value of a printed line; names and sizes are those of the formula."""
    program = parse(line)
    at = Values({name: np.atleast_2d(a) for name, a in values.items()}, sizes, vec)
    for name, node in program.lets:
        at.values[name] = at.of(node)
    return at.of(program.body)


def same(a, b):
    return a.shape == b.shape and np.allclose(a, b, rtol=2e-5, atol=2e-6 * (1 + np.abs(b).max()))


def permuted(matrix, out_shape, in_shape, vec):
    if vec == "row":
        return matrix
    full = matrix.reshape((*out_shape, *in_shape))
    o, i = len(out_shape), len(in_shape)
    order = (*range(o)[::-1], *range(o, o + i)[::-1])
    return full.transpose(order).reshape(matrix.shape)


def shapes_of(d, sizes):
    def number(text):
        return math.prod(eval(part, {}, dict(sizes)) for part in text.split("·"))

    lengths = [number(text) for text in d.shape]
    return lengths[: len(d._out)], lengths[len(d._out) :]


def lines_of(d, sizes, slope):
    """Return every printed line with the array that it must be."""
    out, inside = shapes_of(d, sizes)
    if not d._out:
        shape = d._context.shape(d.by)
        rows = [math.prod(eval(str(a), {}, dict(sizes)) for a in group) for group in shape]
        if (gradient := d._tree(*d._sides, "row")) is not None:
            yield text(gradient), slope.reshape(rows), "row"
            yield text_of_latex(latex(gradient)), slope.reshape(rows), "row"
    for vec in ("row", "column"):
        for layout in ("numerator", "denominator"):
            if d._matrix_tree(vec, layout) is not None:
                expected = permuted(slope, out, inside, vec)
                expected = expected if layout == "numerator" else expected.T
                yield repr(d.matrix(vec, layout)), expected, vec
                yield text_of_latex(d.matrix(vec, layout).latex()), expected, vec


def judge(formula, by, declare, seeds=(1, 2)):
    d = derive(formula, by, declare=declare)
    for seed in seeds:
        values, sizes, slope = point(d, formula, by, seed)
        arrays = flat(values)
        found = d.evaluate(**arrays)
        lines = Values(values, sizes)
        for name, node in parse(formula).lets:
            values[name] = lines.values[name] = lines.of(node)
        arrays = flat(values)
        assert same(found.reshape(slope.shape), slope), f"wrong tensor of {formula} by {by}"
        for line, expected, vec in lines_of(d, sizes, slope):
            read = read_back(line, values, sizes, vec)
            assert same(read, expected), f"wrong line for {formula} by {by}: {line}"
        named = {python_name(name): array for name, array in arrays.items()}
        scope = {"np": np, "scipy": scipy, **sizes, **named}
        assert same(np.reshape(eval(d.code(), scope), slope.shape), slope), f"wrong code: {d.code()}"
        for vec in ("row", "column"):
            if d._matrix_tree(vec, "numerator") is not None:
                code = d.matrix(vec).code()
                expected = permuted(slope, *shapes_of(d, sizes), vec)
                assert same(
                    np.broadcast_to(eval(code, scope), expected.shape)
                    if d._out == ()
                    else np.reshape(eval(code, scope), expected.shape),
                    expected,
                ), f"wrong code: {code}"
    return d


def names_in(node: Node) -> set[str]:
    return {node.value} if node.op == "name" else set().union(*map(names_in, node.args))


def judge_random(seed, seeds=(1,)):
    formula = random_formulas.formula(seed, depth=2 + seed % 2)
    names = names_in(parse(formula).body)
    for by in sorted(names & {"x", "X"}):
        declare = {name: size for name, size in random_formulas.DECLARED.items() if name in names}
        judge(formula, by, declare, seeds)
