"""The scripts of the documentation run as they stand, and find what they promise."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_verify_network_finds_every_gradient_right_and_names_the_planted_mistakes():
    done = subprocess.run(
        [sys.executable, "-W", "error", "docs/verify_network.py"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^([Wb]\d) +\S+ +(\w+) ", done.stdout, re.MULTILINE) == [
        (name, "right") for name in ("W1", "b1", "W2", "b2", "W3", "b3")
    ]
    assert re.search(r"^\d+\.\d seconds, \d+\.\d of them the symbolic witness$", done.stdout, re.MULTILINE)
    assert "wrong: diagnosis: the gradient is transposed" in done.stdout
    assert "wrong: the factor φ′ is missing, in layer 1 (Tanh)" in done.stdout


def test_the_page_of_identities_is_what_its_script_makes_and_every_verdict_is_right():
    done = subprocess.run(
        [sys.executable, "-W", "error", "docs/make_identities.py", "--print"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs" / "identities.md").read_text(encoding="utf-8")
    verdicts = re.findall(r"\| (\w+) \|$", done.stdout, re.MULTILINE)
    assert len(verdicts) > 90
    assert [verdict for verdict in verdicts if verdict not in ("right", "half", "verdict")] == []
