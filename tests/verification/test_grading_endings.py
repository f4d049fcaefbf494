"""The end of a marking, whatever brings it about: nothing is left running, and the results are in order."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from grading_cases import RIGHT, alive, write_assignment

from verification.grading import grade, load_assignment
from verification.grading.containment import descendants as family
from verification.grading.processes import Processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc are Linux's")


@pytest.fixture
def token():
    """A number of seconds that nobody else sleeps for: what is left behind is known by it."""
    token = f"86400.{uuid.uuid4().int % 10**12:012d}"
    yield token
    assert alive(token) == []


def written(tmp_path, token):
    path = write_assignment(tmp_path, 600)
    for number in range(4):
        (tmp_path / f"s{number}.py").write_text(
            f"import os, time\ndef first(x):\n    if os.fork() == 0:\n        os.setsid()\n"
            f"        os.execv('/bin/sleep', ['sleep', '{token}'])\n    time.sleep(1000)\n",
            encoding="utf-8",
        )
    return [str(path), *(str(tmp_path / f"s{number}.py") for number in range(4))]


def wait_until(condition):
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, -15)]
)
def test_nothing_outlives_the_command(tmp_path, token, number, status):
    # a job in the background of a shell ignores the interrupt, and hands that on to what it starts
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from verification.cli import main; sys.exit(main(['grade', '--workers', '2', *sys.argv[1:]]))"
    )
    places = tmp_path / "places"
    places.mkdir()
    command = subprocess.Popen(
        [sys.executable, "-c", code, *written(tmp_path, token)],
        env={**os.environ, "TMPDIR": str(places)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert wait_until(lambda: len(alive(token)) == 2)
    command.send_signal(number)
    _, complaint = command.communicate()
    assert command.returncode == status
    assert wait_until(lambda: alive(token) == [])
    assert wait_until(lambda: list(places.iterdir()) == [])
    if number == signal.SIGINT:
        assert complaint == "verify grade: interrupted; nothing that it started is left running\n"


def test_after_a_stop_nothing_more_is_started(tmp_path, token):
    with Processes() as processes:
        processes.stop()
        ending = processes.run(
            {}, b"", load_assignment(written(tmp_path, token)[0]).limits, largest=1, readable=[]
        )
    assert ending.end == "stopped"


def test_this_process_is_as_it_was_afterwards(tmp_path):
    before = family.become_subreaper(False), family.hide_memory(False)
    with Processes():
        assert family.become_subreaper(True)
        assert family.hide_memory(True)
    assert (family.become_subreaper(False), family.hide_memory(False)) == before


def test_the_children_of_other_code_are_left_alone(tmp_path):
    path = write_assignment(tmp_path, 5)
    (tmp_path / "s.py").write_text(RIGHT, encoding="utf-8")
    others = [subprocess.Popen(["sleep", "600"], start_new_session=new) for new in (False, True)]
    try:
        (result,) = grade(path, [tmp_path / "s.py"])
        assert result.passed
        assert [other.poll() for other in others] == [None, None]
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.parametrize(
    ("submissions", "options", "sentence"),
    [
        ([], {}, "submissions: found none, expected at least one Python file"),
        (["s.py", "s.py"], {}, "submissions: found s.py twice, expected every file once"),
        (["none.py"], {}, "submissions: none.py can't be read: No such file or directory"),
        (["s.py"], {"workers": 0}, "workers: found 0, expected an integer of at least 1"),
        (["s.py"], {"workers": True}, "workers: found True, expected an integer"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(tmp_path, monkeypatch, submissions, options, sentence):
    monkeypatch.chdir(tmp_path)
    path = write_assignment(tmp_path, 5)
    Path("s.py").write_text(RIGHT, encoding="utf-8")
    with pytest.raises((TypeError, ValueError), match=r"found|can't") as caught:
        grade(path, submissions, **options)
    assert str(caught.value).startswith(sentence)


def test_a_file_that_is_no_code_does_not_stop_the_others(tmp_path):
    path = write_assignment(tmp_path, 5)
    (tmp_path / "s.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "large.py").write_bytes(b"#" * (2**20 + 1))
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    names = ("large.py", "folder.py", "pipe.py", "s.py")
    results = {result.name: result for result in grade(path, [tmp_path / name for name in names])}
    assert results["s.py"].passed
    assert [results[name].marks for name in names[:3]] == [0, 0, 0]
    said = [results[name].items[0].feedback for name in names[:3]]
    assert said[0].endswith("found 1,048,577 bytes, expected at most 1,048,576")
    assert said[1].endswith("found no ordinary file, expected Python code")
    assert said[2] == said[1]


def test_results_come_in_the_order_of_the_submissions(tmp_path):
    path = write_assignment(tmp_path, 5)
    paths = [tmp_path / f"{name}.py" for name in "dacb"]
    for number, submission in enumerate(paths):
        submission.write_text(f"import time\ntime.sleep({0.4 - 0.1 * number})\n{RIGHT}", encoding="utf-8")
    ended = []
    results = grade(path, paths, workers=4, done=lambda result: ended.append(result.name))
    assert [result.name for result in results] == ["d.py", "a.py", "c.py", "b.py"]
    assert sorted(ended) == ["a.py", "b.py", "c.py", "d.py"]
    assert np.isclose(sum(result.marks for result in results), 8.0)
