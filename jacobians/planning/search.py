"""Elimination orders: fixed ones, the greedy one, all of them, and simulated annealing with incremental costing."""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from jacobians.planning.elimination import Price
from jacobians.planning.objectives import Judged, Objective

Score = Callable[[Price], Any]
_MOST_SNAPSHOTS = 4_000_000  # entries of states kept beside the current order
_MOST_WORK = (
    2_000  # an evaluation on average: eliminations, each times 100 and the vertices of the states it copies
)


class Found(NamedTuple):
    """An order, its score, whether it is proven the best, and whether the time ran out."""

    order: tuple[int, ...]
    score: float
    proven: bool
    stopped: bool


def markowitz(engine: Any) -> tuple[int, ...]:
    """Return the order that eliminates a vertex of the fewest multiplications next; ties by products, by number."""
    state = engine.start()
    price = {vertex: engine.price(state, vertex) for vertex in engine.inner}
    heap = [(cost, vertex) for vertex, cost in price.items()]
    heapq.heapify(heap)
    order = []
    while heap:
        cost, vertex = heapq.heappop(heap)
        if price.get(vertex) != cost:
            continue
        del price[vertex]
        order.append(vertex)
        touched = engine.neighbours(state, vertex)
        engine.eliminate(state, vertex)
        for other in touched:
            if other in price:
                now = engine.price(state, other)
                if now != price[other]:
                    price[other] = now
                    heapq.heappush(heap, (now, other))
    return tuple(order)


def plain(engine: Any) -> tuple[int, ...]:
    """Return the vertices that are plain in what remains, one after the other: searches begin behind them."""
    state = engine.start()
    left, order = dict.fromkeys(engine.inner), []
    waiting = list(engine.inner)
    while waiting:
        vertex = waiting.pop()
        if vertex in left and engine.is_plain(state, vertex):
            del left[vertex]
            order.append(vertex)
            waiting += engine.neighbours(state, vertex)
            engine.eliminate(state, vertex)
    return tuple(order)


def prices(engine: Any, order: tuple[int, ...]) -> list[Price]:
    """Return what each elimination of an order costs."""
    state = engine.start()
    return [engine.eliminate(state, vertex) for vertex in order]


def exhaustive(engine: Any, objective: Objective, most: int) -> Found | None:
    """Return the best of all orders, or None if more than `most` remaining graphs would have to be looked at.

    Orders that lead to the same remaining graph, specs and all, go on in the same way, so only those are kept of which
    no other one adds as little and forms no larger a result: one, where the largest result doesn't count.
    """
    Way = tuple[Judged, tuple[int, ...], Any]
    layer: dict[Any, list[Way]] = {None: [(objective.judge(engine.merging), (), engine.start())]}
    seen = 0
    for _ in engine.inner:
        following: dict[Any, list[Way]] = {}
        for so_far, order, state in (way for ways in layer.values() for way in ways):
            for vertex in engine.inner:
                if vertex in order:
                    continue
                after = engine.copy(state)
                own = objective.judge(engine.eliminate(after, vertex))
                now = Judged(so_far.added + own.added, max(so_far.peak, own.peak))
                seen += 1
                if seen > most:
                    return None
                # an output keeps its edges, so what is eliminated belongs to the key
                key = frozenset((*order, vertex)), engine.key(after)
                known = following.setdefault(key, [])
                if not any(way[0].added <= now.added and way[0].peak <= now.peak for way in known):
                    known[:] = [way for way in known if way[0].added < now.added or way[0].peak < now.peak]
                    known.append((now, (*order, vertex), after))
        layer = following
    ends = [(objective.total([judged]), order) for ways in layer.values() for judged, order, _ in ways]
    value, order = min(ends)
    return Found(order, value, True, False)


def anneal(
    engine: Any,
    starts: list[tuple[int, ...]],
    score: Score,
    total: Callable[[list[Any]], float],
    *,
    scale: float,
    evaluations: int,
    seconds: float | None,
    seed: int,
) -> Found:
    """Return the best order found by simulated annealing from the best of the starts.

    Vertices that are plain (:func:`plain`) are eliminated first and stay there: what is searched is smaller. This isn't
    safe where edges meet later, so the starts themselves are compared too.

    A move takes a vertex to another place; only what stands between the two places is costed anew, for the remaining
    graph after them is the same again (and is compared). In long graphs it seldom is, so that an evaluation takes their
    square: the search ends after so much work, counted so that machines agree, as if all evaluations were done.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    best, best_order = min(
        (total([score(price) for price in prices(engine, order)]), order) for order in starts
    )
    first = plain(engine)
    begin, fixed = engine.start(), []
    for vertex in first:
        fixed.append(score(engine.eliminate(begin, vertex)))
    shorter = [tuple(vertex for vertex in order if vertex not in set(first)) for order in starts]
    count = len(engine.inner) - len(first)
    if count < 2 or count * len(engine.inner) > _MOST_SNAPSHOTS:
        return Found(best_order, best, False, False)
    start_scores = []
    for short in shorter:
        start_scores.append(total([*fixed, *_snapshots(engine, begin, short, score)[1]]))
    kept, kept_order = min(zip(start_scores, shorter, strict=True))
    rng = random.Random(seed)
    rounds = max(1, min(4, evaluations // 5_000))
    for number in range(rounds):
        order = list(kept_order)
        states, scores = _snapshots(engine, begin, kept_order, score)
        current = total([*fixed, *scores])
        moves = evaluations // rounds
        hottest, coldest = (2.0 if number == 0 else 1.0) * scale, 0.12 * scale
        work = 0.0
        each = (100 + len(engine.inner)) / (_MOST_WORK * moves)
        for move in range(moves):
            if work >= 1:
                break
            if not move & 63 and time.monotonic() > end:
                return _better(best, best_order, kept, first + kept_order, True)
            temperature = hottest * (coldest / hottest) ** max(move / moves, work)
            i = rng.randrange(count)
            reach = min(count - 1, 1 + int(rng.expovariate(1 / (0.2 * count + 1))))
            j = min(count - 1, max(0, i + (reach if rng.random() < 0.5 else -reach)))
            if i == j:
                continue
            low, high = min(i, j), max(i, j)
            vertex = order[i]
            between = order[low : high + 1]
            between.remove(vertex)
            changed = [*between, vertex] if i < j else [vertex, *between]
            state = engine.copy(states[low])
            new_states, new_scores = [], []
            place = low
            while place < count:
                new_scores.append(
                    score(engine.eliminate(state, changed[place - low] if place <= high else order[place]))
                )
                place += 1
                if place > high and state == states[place]:
                    break
                new_states.append(engine.copy(state))
            work += each * len(new_scores)
            trial = total([*fixed, *scores[:low], *new_scores, *scores[place:]])
            worse = trial - current
            if worse <= 0 or rng.random() < math.exp(-worse / temperature):
                order[low : high + 1] = changed
                scores[low:place] = new_scores
                states[low + 1 : low + 1 + len(new_states)] = new_states
                current = trial
                if current < kept:
                    kept, kept_order = current, tuple(order)
    return _better(best, best_order, kept, first + kept_order, False)


def _better(
    best: float, best_order: tuple[int, ...], kept: float, kept_order: tuple[int, ...], stopped: bool
) -> Found:
    cost, order = min((best, best_order), (kept, kept_order))
    return Found(order, cost, False, stopped)


def _snapshots(engine: Any, begin: Any, order: tuple[int, ...], score: Score) -> tuple[list[Any], list[Any]]:
    state = engine.copy(begin)
    states, scores = [engine.copy(state)], []
    for vertex in order:
        scores.append(score(engine.eliminate(state, vertex)))
        states.append(engine.copy(state))
    return states, scores
