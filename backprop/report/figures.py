"""The pictures of a report's page: what they show in words, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backprop.network_graph import NetworkGraph, NetworkPlan
from backprop.plan import MODES, Plan
from backprop.report.pictures import data_uri, draw_costs, draw_digit, draw_jacobian, draw_training
from backprop.report.result import Derivative, Report, Training
from backprop.report.tree_picture import draw_tree
from jacobians.markup import Html, escaped

LONG_CHAIN = 8
"""Factors up to which a tree is scaled down to a narrow screen."""


@dataclass(frozen=True)
class Figure:
    """A picture of the page: where it comes from, what it shows in words, what stands below; a wide one scrolls."""

    source: str
    alt: str
    caption: str = ""
    code: str = ""
    wide: bool = False


def network_figure(report: Report) -> Html:
    """Return the network as a diagram that takes the colours of the page."""
    picture = report.network.picture(report.x)
    words = escaped(
        f"Diagram of {report.title}: layers down the page with shapes, structures and multiplications"
    )
    return Html(picture.inline.replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1))


def digit_figure(training: Training, report: Report) -> Figure:
    """Return the digit of the report."""
    return Figure(
        data_uri(draw_digit(report.x)),
        f"8×8 pixels of a handwritten {training.label}",
        f"Digit {training.index} of the data: a {training.label}, taken for a {training.prediction}.",
    )


def training_figure(training: Training) -> Figure | None:
    """Return the training curve; None where nothing was trained."""
    losses = [epoch.loss for epoch in training.history]
    if not losses:
        return None
    return Figure(
        data_uri(draw_training(losses)),
        f"Training curve: the mean loss goes from {losses[0]:.3g} to {losses[-1]:.3g} in "
        f"{len(losses) - 1} epoch{'s' if len(losses) != 2 else ''}",
        "Mean loss of the training digits, before the first and after every epoch.",
    )


def jacobian_figures(report: Report) -> list[Figure]:
    """Return the values of every layer's Jacobian."""
    pictures = []
    for own in report.checked:
        m, n = own.jacobian.shape
        pictures.append(
            Figure(
                data_uri(draw_jacobian(own.jacobian)),
                f"Heat map of {own.title}, {m} outputs by {n} inputs, structure {own.jacobian.spec.label}",
                own.title,
                own.jacobian.spec.label,
            )
        )
    return pictures


def step_figure(report: Report) -> Figure | None:
    """Return the errors of differences of the network by their step; None where its Jacobian is 0 or not finite."""
    from verification import step_curve

    try:
        curve = step_curve(report.network, report.x)
    except ValueError:  # there are no relative errors, or it is too large
        return None
    return Figure(
        data_uri(curve.svg),
        "Errors of forward and central differences of the network's Jacobian, by their step: each curve is a V",
        "Finite differences of the network by its input: towards large steps the truncation, towards small ones the "
        "rounding. The ring is the step that is taken by default.",
    )


def error_figures(report: Report) -> list[Figure]:
    """Return where the Jacobians that are not right deviate; if all are right, where the worst of them does."""
    drawn = [own for own in report.checked if own.check.expected is not None]
    shown = [own for own in drawn if not own.check.passed]
    if drawn and not shown:
        worst = max(drawn, key=lambda own: own.check.error)
        shown = [worst] if worst.check.error else []
    return [
        Figure(
            data_uri(own.check.picture().svg),
            f"Heat map of the errors of {own.title}, which is {own.check.verdict}; a ring marks the worst entry",
            f"{own.title}: {own.check.verdict}" + (", the largest error of all" if own.check.passed else ""),
        )
        for own in shown
    ]


def cost_figures(*groups: list[Derivative], names: Sequence[str] = ()) -> list[Figure]:
    """Return the multiplications of each group of derivatives as bars, by their titles or by names."""
    pictures = []
    for group in groups:
        if not group:
            continue
        # left and right have the names of modes where paths meet, and then in the whole picture
        graphs = any(isinstance(own.comparison.chain, NetworkGraph) for own in group)
        costs = {
            name: {
                MODES.get(item.strategy, item.strategy) if graphs else item.strategy: item.multiplications
                for item in own.comparison.alternatives
            }
            for name, own in zip(names or [own.title for own in group], group, strict=True)
        }
        points = "one point" if group[0].points == 1 else f"{group[0].points} points at once"
        words = "; ".join(
            f"{title}: " + ", ".join(f"{strategy} {count:,}" for strategy, count in own.items())
            for title, own in costs.items()
        )
        pictures.append(
            Figure(
                data_uri(draw_costs(costs)),
                f"Bar chart of multiplications for {points}. {words}",
                f"Multiplications for {points}, on a logarithmic scale.",
            )
        )
    return pictures


def _drawn(plan: Plan | NetworkPlan) -> str:
    return plan.picture(down=True) if isinstance(plan, NetworkPlan) else draw_tree(plan)


def tree_groups(derivatives: list[Derivative]) -> list[tuple[str, list[Figure]]]:
    """Return the trees of every derivative; orders that bracket alike share one."""
    groups = []
    for own in derivatives:
        alike: dict[Any, list[Any]] = {}
        for plan in own.comparison.plans:
            alike.setdefault(plan.order if isinstance(plan, NetworkPlan) else plan.tree, []).append(plan)
        pictures = [
            Figure(
                data_uri(_drawn(plans[0])),
                f"{'Graph: ' if isinstance(plans[0], NetworkPlan) else 'Tree of '}{plans[0].bracketing}",
                f"{' = '.join(plan.strategy for plan in plans)}: {plans[0].cost}",
                plans[0].bracketing,
                wide=not isinstance(plans[0], NetworkPlan) and len(plans[0].chain) > LONG_CHAIN,
            )
            for plans in alike.values()
        ]
        groups.append((own.title, pictures))
    return groups
