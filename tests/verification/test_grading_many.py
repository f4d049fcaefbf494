"""Two hundred submissions, many of them hostile or broken: the right marks for all, and nothing left running."""

import os
import sys
import uuid

import pytest
from grading_cases import alive

from verification.grading import grade
from verification.grading.containment import descendants as family

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc are Linux's")

ASSIGNMENT = """
[assignment]
title = "The Jacobian of a layer"
reference = "reference.py"
reveal = "diagnosis"

[limits]
seconds = 60
cpu_seconds = 1

[[function]]
name = "jacobian_of_layer"
arguments = ["W", "b", "x"]
toolkit = "network"
input = "x"
wrt = "x"

[[function.point]]
name = "by hand"
marks = 1
values = { W = [[1.0, 2.0], [0.5, -1.0], [0.0, 0.25]], b = [0.1, 0.0, -0.2], x = [0.5, -0.5] }

[[function.point]]
name = "random"
marks = 3
count = 2
seed = 3
shapes = { W = [3, 2], b = [3], x = [2] }
"""
REFERENCE = """
from jacobians import Affine, Sequential, Tanh

def network(W, b):
    return Sequential(Affine(W, b), Tanh())
"""
RIGHT = "(1 - np.tanh(W @ x + b)**2)[:, None] * W"
FORGED = """
    import json, struct
    text = json.dumps({"event": "answer", "call": 1, "marks": 100, "dtype": "<f8", "shape": [0], "nbytes": 0}).encode()
    os.write(3, struct.pack(">I", len(text)) + text)
    print("{'score': 100}")
    return np.zeros((3, 2))"""

KINDS = {  # how many, marks, code, what the feedback holds, the body of the function
    "right": (30, 4.0, "right", "right", f"return {RIGHT}"),
    "right, with a child": (6, 4.0, "right", "right", f"if os.fork() == 0: SLEEP\n    return {RIGHT}"),
    "right, with a daemon": (
        6,
        4.0,
        "right",
        "right",
        f"""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: os.execve('/bin/sleep', ['sleep', 'TOKEN'], {{}})
        os._exit(0)
    os.wait()
    return {RIGHT}""",
    ),
    "right, in float32": (6, 4.0, "right", "right", f"return ({RIGHT}).astype('f4')"),
    "right, and writes to x": (
        6,
        4.0,
        "right",
        "writes to its argument x",
        f"y = {RIGHT}; x[:] = 7; return y",
    ),
    "right by hand only": (
        6,
        1.0,
        "wrong",
        "0 of 2 places right",
        f"return {RIGHT} if W[0, 0] == 1.0 else np.zeros((3, 2))",
    ),
    "ends without an answer": (10, 0.0, "exit", "(exit status 0) without an answer", "os._exit(0)"),
    "sys.exit": (6, 0.0, "raised", "it raised SystemExit", "sys.exit(0)"),
    "None": (10, 0.0, "none", "it returned None, expected an array; is a return missing?", RIGHT),
    "NaN": (10, 0.0, "not finite", "NaN or infinity in 6 of 6 entries", f"return {RIGHT} * np.nan"),
    "a list": (10, 0.0, "list", "it returned a list or tuple, expected an array", f"return ({RIGHT}).tolist()"),
    "masked": (
        10,
        0.0,
        "masked",
        "it returned a masked array",
        f"return np.ma.masked_array({RIGHT}, np.ones((3, 2), dtype=bool))",
    ),
    "a string": (10, 0.0, "string", "it returned text", f"return str({RIGHT})"),
    "an object array": (6, 0.0, "object", "dtype object", f"return ({RIGHT}).astype(object)"),
    "complex": (6, 0.0, "complex", "complex numbers", f"return ({RIGHT}).astype(complex)"),
    "transposed": (8, 0.0, "shape", "it is the transpose of the answer", f"return ({RIGHT}).T"),
    "another shape": (6, 0.0, "shape", "expected (3, 2); the numbers are right", f"return ({RIGHT})[None]"),
    "the sign": (8, 0.0, "wrong", "the sign is wrong", f"return -{RIGHT}"),
    "off by a thousandth": (6, 0.0, "wrong", "wrong: ", f"return {RIGHT} * 1.001"),
    "loops": (6, 0.0, "cpu", "it was stopped after 1 s of computing", "while True: pass"),
    "10 GiB": (6, 0.0, "raised", "it raised MemoryError", f"a = np.ones(10 * 2**27); return {RIGHT}"),
    "a gigabyte of text": (
        6,
        0.0,
        "output",
        "it was stopped: it printed more than 1024 KiB",
        f"for k in range(2**20): print('x' * 1024)\n    return {RIGHT}",
    ),
    "writes to the expected answers": (
        6,
        0.0,
        "raised|wrong",
        "",
        """
    for place in ('HERE/reference.py', 'HERE/a.toml'):
        with open(place, 'w') as file: file.write('def network(W, b): return lambda x: x')
    np.allclose = lambda *arguments, **options: True
    W[:] = b[:] = x[:] = 0
    return np.zeros((3, 2))""",
    ),
    "forges": (4, 0.0, "wrong|forged", "", FORGED),
    "kills its supervisor": (
        6,
        0.0,
        "raised|supervisor",
        "",
        "if os.fork() == 0: os.setsid(); SLEEP\n    os.kill(os.getppid(), 9); return np.zeros((3, 2))",
    ),
}  # fmt: skip


def test_two_hundred_submissions_get_their_marks_and_leave_nothing_behind(tmp_path):
    token = f"86400.{uuid.uuid4().int % 10**12:012d}"
    (tmp_path / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    handed_in = {}
    for kind, (count, _, _, _, body) in KINDS.items():
        text = body.replace("SLEEP", "os.execv('/bin/sleep', ['sleep', 'TOKEN'])")
        text = text.replace("TOKEN", token).replace("HERE", str(tmp_path))
        for number in range(count):
            path = tmp_path / f"{len(handed_in):03d}-{number}.py"
            source = f"import os, sys\nimport numpy as np\n\ndef jacobian_of_layer(W, b, x):\n    {text}\n"
            path.write_text(source, encoding="utf-8")
            handed_in[path] = kind
    assert len(handed_in) == 200
    before = {process.pid for process in family.descendants(os.getpid())}

    results = grade(tmp_path / "a.toml", list(handed_in))

    assert [result.name for result in results] == [path.name for path in handed_in]
    for result, kind in zip(results, handed_in.values(), strict=True):
        _, marks, code, feedback, _ = KINDS[kind]
        told = next((item for item in result.items if not item.passed), result.items[0])
        assert (kind, result.marks) == (kind, marks)
        assert told.code in code.split("|"), (kind, told)
        assert feedback in told.feedback, (kind, told)
    assert alive(token) == []
    assert [process for process in family.descendants(os.getpid()) if process.pid not in before] == []
