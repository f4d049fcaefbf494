"""The bracketing of a plan as a tree, as SVG that is written without a drawing library: many of them cost little."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from jacobians.picture import PAGE_STYLE
from jacobians.planning.trees import fold

if TYPE_CHECKING:
    from backprop.plan import Plan

COLOURS = {
    "left": "#3f87c8", "reverse": "#3f87c8", "right": "#d9762f", "forward": "#d9762f", "optimal": "#2e9e6b",
    "markowitz": "#9a6bc4",
}  # fmt: skip

_ROW, _ACROSS = 30.0, 34.0
_LETTER = 6.1
"""The width of a letter of size 11, on the safe side."""

_LONGEST = 80
"""Letters of a name; the bracketing below the picture has all of them."""


def draw_tree(plan: Plan) -> str:
    """Return the bracketing of a plan as a tree, as SVG: the factors on the left, output side on top.

    A dot is a product: above it the step, below it the multiplications.
    """
    colour = COLOURS.get(plan.strategy, COLOURS["optimal"])
    labels = [
        f"{_fitting(name)}  {_fitting(spec.label)}"
        for name, spec in zip(plan.chain.names, plan.chain.specs, strict=True)
    ]
    beside = 16 + _LETTER * max(map(len, labels))
    lines, dots, texts = [], [], []
    for place, label in enumerate(labels):
        y = _ROW * (place + 0.5)
        texts.append(f'<text x="{beside - 6:g}" y="{y + 4:g}" text-anchor="end">{escape(label)}</text>')
    steps = iter(enumerate(plan.steps, 1))

    def join(left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
        number, step = next(steps)
        x, y = max(left[0], right[0]) + 1, (left[1] + right[1]) / 2
        at = beside + _ACROSS * x
        for from_x, from_y in (left, right):
            lines.append(f"M{beside + _ACROSS * from_x:g} {from_y:g}H{at:g}V{y:g}")
        dots.append(f'<circle cx="{at:g}" cy="{y:g}" r="3.5"/>')
        texts.append(f'<text x="{at + 6:g}" y="{y - 3:g}" font-weight="bold">{number}</text>')
        texts.append(f'<text x="{at + 6:g}" y="{y + 11:g}">{step.cost.multiplications:,}</text>')
        return x, y

    depth, _ = fold(plan.tree, lambda place: (0.0, _ROW * (place + 0.5)), join)
    last = max((len(f"{step.cost.multiplications:,}") for step in plan.steps), default=0)
    width, height = beside + _ACROSS * depth + 14 + _LETTER * last, _ROW * max(len(labels), 2)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="11">{PAGE_STYLE}'
        f'<path d="{"".join(lines)}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"/>'
        f'<g fill="{colour}">{"".join(dots)}</g><g fill="currentColor">{"".join(texts)}</g></svg>'
    )


def _fitting(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
