"""What is tried where nothing simpler fits: values without one of their terms, parameters that were updated before."""

from __future__ import annotations

import numpy as np

from verification.causes import Slip
from verification.diagnosis.constant_factors import ratio
from verification.diagnosis.graph_search import FITS, WORK, Fit, Search
from verification.diagnosis.hypotheses import Hypothesis
from verification.diagnosis.mutations import again, name_of
from verification.diagnosis.values import with_values, without_a_term

MOST_CALLS = 200
"""The calls of code of which values are computed again."""
UPDATES = 8
"""Of a rate of updating, until the answer with it is the candidate."""


def recomputed(search: Search) -> None:
    """Note where a value that a product takes was computed without one of its terms."""
    products = [
        (edge, place, source)
        for vertex, call in search.tape.calls.items()
        for place, source, _ in call.operands
        for edge in search.tape.edges[vertex]
        if edge.place != place and source not in search.tape.active and edge.source in search.tape.active
    ]
    for said, other in without_a_term(search.tape):
        search.tape.spent += other.spent
        for edge, place, source in products:
            value = np.asarray(other.values[source])
            if search.tape.spent > WORK or np.array_equal(value, search.tape.values[source]):
                continue
            call = search.tape.calls[edge.target]
            if pull := again(call, edge.place, place, value):
                sentence = f"{said} in what stands at {name_of(call)}"
                one = Hypothesis(1.7, Slip.WRONG_VALUE, sentence, {edge: pull}, {})
                search.consider(search.predicted(one), one.cost, one.name, one.sentence)


def updated_everywhere(search: Search) -> None:
    """Note where a parameter that was updated before stands for it wherever it is used."""
    if len(search.rows) > 1 or search.right.size < 3:
        return
    size = float(np.linalg.norm(search.right))
    target = next((one.rows for one in search.targets if not one.name), None)
    if target is None:  # the candidate has another shape
        return
    away = float(np.linalg.norm(target - search.right))
    for vertex, name in search.tape.names.items():
        if vertex == 0 or vertex not in search.base:
            continue
        step = (search.base[vertex] / search.rows[0, 0]).reshape(np.shape(search.tape.values[vertex]))
        rate, before, there = 0.0, 0.0, search.right
        trial = (
            1e-4 * float(np.linalg.norm(search.tape.values[vertex])) / (float(np.linalg.norm(step)) or 1.0)
        )
        for _ in range(UPDATES):
            made = with_values(search.tape, {vertex: search.tape.values[vertex] - trial * step})
            if made is None:
                break
            now = search.tape.along(made.adjoints(search.rows)[0])
            slope, off = (now - there) / ((trial - rate) or 1.0), target - now
            before, rate, there = rate, trial, now
            if float(np.linalg.norm(off)) <= 1e-9 * size:
                break
            trial = rate + ratio(off, slope)
            if not np.isfinite(trial) or trial == rate:
                break
        if rate > 0 and rate != before and np.linalg.norm(target - there) <= FITS * away:
            said = f"{name} was updated before: {name} − {rate:.4g}·∂/∂{name} stands for it everywhere"
            search.fits.append(Fit(1.6, Slip.WRONG_VALUE, said))
