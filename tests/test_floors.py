"""The floors of the house: no files import each other in a circle, and the core knows nothing of what is above it."""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import operator
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("jacobians", "verification", "backprop")  # each may import itself and what stands before it


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


# --- no names of what is above, not even as texts -------------------------------------------------------


def texts_that_name(rooms: Iterable[str], source: str) -> list[str]:
    """Return the texts in code, docstrings aside, that are names of modules of rooms."""
    tree = ast.parse(source)
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
        and any(re.fullmatch(rf"{room}(\.\w+)+", node.value) for room in rooms)
    ]


def test_no_text_of_a_room_names_a_module_above_it():
    for floor, room in enumerate(ROOMS):
        for path in modules(room):
            assert texts_that_name(ROOMS[floor + 1 :], path.read_text("utf-8")) == [], path


def test_a_text_that_names_a_module_above_is_found():
    planted = "def f():\n    'see backprop.plan'\n    return load('backprop.plan'), 'of backprop.plan'"
    assert texts_that_name(["backprop"], planted) == ["backprop.plan"]


# --- no circles between files --------------------------------------------------------------------------


def imported_files(modules_of_house: Mapping[str, str]) -> dict[str, set[str]]:
    """Return, for each module, those of the house that it imports, in functions too; not for annotations alone."""

    def imports(node: ast.AST) -> Iterable[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.level == 0:
                for alias in child.names:
                    inner = f"{child.module}.{alias.name}"
                    yield inner if inner in modules_of_house else str(child.module)
            yield from imports(child)

    return {
        name: {found for found in imports(ast.parse(source)) if found in modules_of_house and found != name}
        for name, source in modules_of_house.items()
    }


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that reach each other."""
    above: dict[str, set[str]] = {}
    for start in graph:
        reached: set[str] = set()
        ahead = list(graph[start])
        while ahead:
            module = ahead.pop()
            if module not in reached:
                reached.add(module)
                ahead += graph[module]
        above[start] = reached
    found = {frozenset({other for other in above[m] if m in above[other]}) for m in graph if m in above[m]}
    return [set(circle) for circle in found]


def house() -> dict[str, str]:
    named = {}
    for room in ROOMS:
        for path in modules(room):
            parts = path.relative_to(ROOT).with_suffix("").parts
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return named


def test_no_files_import_each_other_in_a_circle():
    assert circles(imported_files(house())) == []


def test_a_circle_is_found():
    planted = {
        "a": "import b",
        "b": "def f():\n    from c import x",
        "c": "if TYPE_CHECKING:\n    import b\nimport d\nimport a",
        "d": "from a.z import y",
    }
    assert circles(imported_files(planted)) == [{"a", "b", "c"}]
    assert circles(imported_files(planted | {"c": "if TYPE_CHECKING:\n    import b"})) == []


# --- nor by duck typing ------------------------------------------------------------------------------------

EVERYBODYS = (
    *(
        object,
        type,
        str,
        bytes,
        list,
        dict,
        set,
        int,
        float,
        slice,
        np.ndarray,
        np.dtype,
        np.ufunc,
        np.random.Generator,
    ),
    *(
        np,
        np.linalg,
        math,
        operator,
        Path,
        inspect.Signature,
        inspect.BoundArguments,
        BaseException,
        types.CodeType,
        types.FunctionType,
    ),
    np.random.PCG64(0),
    *(importlib.import_module(name) for name in ("ast", "re", "select", "subprocess", "sys")),
)
PLAIN = {name for each in EVERYBODYS for name in dir(each)} | {"at", "args", "flags", "c_contiguous"}
"""What Python and NumPy define, so that a name says nothing about who is asked."""


def defined(source: str) -> set[str]:
    """Return the names of methods, properties, fields and attributes of self that the classes of a file define."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    found.add(part.name)
                elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    found.add(part.target.id)
                elif isinstance(part, ast.Assign):
                    found |= {target.id for target in part.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Call):
            found |= {str(keyword.arg) for keyword in node.keywords}  # facts of specs are given by name
    return found


def asked(source: str) -> dict[str, int]:
    """Return the attributes that a file asks anything for, by name or by text, with a line of each."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found[node.attr] = node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            for name in node.args[1:2]:
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found[name.value] = node.lineno
    return found


def known_from_above(sources: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return where the core asks for what only classes of the packages above it have."""
    core, *above = (sources[room] for room in ROOMS)
    own = set().union(*map(defined, core.values()))
    theirs = set().union(*(defined(source) for room in above for source in room.values())) - own - PLAIN
    return [
        f"{name}:{line}: asks for {attribute}, which only classes above the core define"
        for name, source in core.items()
        for attribute, line in sorted(asked(source).items())
        if attribute in theirs
    ]


def test_the_core_asks_for_nothing_that_only_classes_above_it_have():
    sources = {
        room: {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in modules(room)}
        for room in ROOMS
    }
    assert known_from_above(sources) == []


def test_a_question_to_a_room_above_is_found():
    above = "class Chain:\n    tape: int\n    def planned(self):\n        self.ledger = 1"
    core = "class J:\n    rank = 1\ndef f(x, y):\n    y.rank.shape\n    return x.{}"
    for name in ("tape", "planned", "ledger"):
        planted = {"jacobians": {"a.py": core.format(name)}, "verification": {}, "backprop": {"b.py": above}}
        assert known_from_above(planted) == [
            f"a.py:5: asks for {name}, which only classes above the core define"
        ]
    by_text = {
        "jacobians": {"a.py": "getattr(x, 'tape', 0)"},
        "verification": {},
        "backprop": {"b.py": above},
    }
    assert len(known_from_above(by_text)) == 1
