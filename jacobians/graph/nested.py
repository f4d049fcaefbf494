"""Followed arrays in nested lists and dictionaries, as arguments of functions are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jacobians.graph.array_methods import Followed


def operands_of(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the followed arrays in nested lists and dictionaries, with their places."""
    if isinstance(node, Followed):
        yield here, node
    elif isinstance(node, list | tuple):
        for place, item in enumerate(node):
            yield from operands_of(item, (*here, place))
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from operands_of(item, (*here, name))


def plain(node: Any) -> Any:
    """Return nested lists and dictionaries with the values of followed arrays in their places."""
    if isinstance(node, Followed):
        return node._current()
    if isinstance(node, list | tuple):
        items = [plain(item) for item in node]
        return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)
    if isinstance(node, dict):
        return {name: plain(item) for name, item in node.items()}
    return node


def plain_but(node: Any, place: Any) -> Any:
    """Return the plain values of nested lists, but for the one at a place, which isn't looked at."""
    if not place:
        return None
    if isinstance(node, Followed):
        return node._current()
    if isinstance(node, list | tuple):
        return type(node)(
            plain_but(item, place[1:] if k == place[0] else (None,)) for k, item in enumerate(node)
        )
    if isinstance(node, dict):
        return {k: plain_but(item, place[1:] if k == place[0] else (None,)) for k, item in node.items()}
    return node


def zeroed(node: Any) -> Any:
    """Return nested lists with zeros for followed arrays."""
    if isinstance(node, Followed):
        return np.zeros(node.shape)
    return [zeroed(item) for item in node] if isinstance(node, list | tuple) else node
