"""Nobody's submission touches another's marks, nor anything outside its own folder."""

import json
import os
import random
import struct
import subprocess
import sys

import pytest
from grading_cases import RIGHT, write_assignment

from verification.grading import grade, processes
from verification.grading.answers import read_answers
from verification.grading.containment import landlock
from verification.grading.containment.removal import remove_tree

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="subreapers, Landlock and seccomp are Linux's"
)
filtered = pytest.mark.skipif(landlock.version() < 6, reason="this kernel has no Landlock")


@pytest.fixture
def marked(tmp_path):
    """Mark one submission whose `first` has the given body beside one that is right; return the first."""

    def marked(body, *, seconds=20):
        path = write_assignment(tmp_path, seconds)
        lines = "\n".join(f"    {line}" for line in body.replace("HERE", str(tmp_path)).splitlines())
        (tmp_path / "bad.py").write_text(
            f"import os, socket, ctypes, mmap\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            f"def first(x):\n{lines}\n    return 2 * x\n\ndef second(x):\n    return 2 * x\n",
            encoding="utf-8",
        )
        (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
        bad, right = grade(path, [tmp_path / "bad.py", tmp_path / "right.py"], workers=2)
        assert right.passed
        return bad

    return marked


FORGED = """
import json, struct
head = {{"event": "answer", "call": 0, "dtype": "<f8", "shape": {shape}, "written": [], "nbytes": 0}}
t = json.dumps(head).encode()
os.write(3, struct.pack(">I", len(t)) + t)
"""


@pytest.mark.parametrize(
    "shape", ["[0, 2**40, 2**40, 2**40]", "[0] * 32", "[0, -1]", "[2**40]", "'abc'", "[True]"]
)
def test_a_forged_answer_is_a_fault_of_its_own(marked, shape):
    bad = marked(FORGED.format(shape=shape))
    assert [item.marks for item in bad.items] == [0.0, 1.0]


def test_random_frames_are_read_without_an_error():
    rng = random.Random(0)
    values = [
        0,
        1,
        -1,
        2**40,
        2**63,
        10**30,
        True,
        None,
        "x",
        "<f8",
        "<f4",
        [],
        [0],
        [0, 2**40, 2**40],
        {},
        1.5,
        float("nan"),
    ]
    names = [
        "event",
        "call",
        "output",
        "dtype",
        "shape",
        "written",
        "nbytes",
        "word",
        "type",
        "message",
        "line",
    ]
    events = ["answer", "raised", "refused", "begin", "imported", "done"]
    for _ in range(4000):
        data = b""
        for _ in range(rng.randint(1, 3)):
            header = {name: rng.choice(values) for name in rng.sample(names, rng.randint(0, len(names)))}
            header |= {
                "event": rng.choice(events),
                "call": rng.choice([0, 0, 1, None]),
                "nbytes": rng.choice([0, 0, 8]),
            }
            text = json.dumps(header).encode()
            data += struct.pack(">I", len(text)) + text + bytes(header["nbytes"])
        transcript = read_answers(data[: rng.randint(len(data) // 2, len(data))], [(), ("dx", "dw")])
        assert set(transcript.answers) <= {(0, 0), (1, 0), (1, 1)}
        assert set(transcript.faults) <= {0, 1}


def test_directories_of_any_depth_are_cleaned_away(marked, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bad = marked("for k in range(1500):\n    os.mkdir('d' * 50); os.chdir('d' * 50)")
    assert bad.passed
    assert list(tmp_path.glob("verify-*")) == []


def test_a_tree_is_removed_with_its_links_and_not_what_they_point_to(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("here", encoding="utf-8")
    base = tmp_path / "base"
    (base / "a" / "b").mkdir(parents=True)
    (base / "a" / "b" / "out").symlink_to(kept)
    (base / "self").symlink_to("self")
    (base / ".removed-1").mkdir()  # a name that the removal itself gives
    (base / "a" / "file").touch()
    (base / "a").chmod(0)
    assert remove_tree(base)
    assert (kept / "file").read_text(encoding="utf-8") == "here"
    assert not remove_tree(kept / "file")


@pytest.mark.parametrize(
    ("link", "target", "sentence"),
    [
        (
            "eve.py",
            "../reference.py",
            "not marked: found a link that leaves the folder of the submission, expected a file",
        ),
        (
            "eve.py",
            "right.py",
            "not marked: found another name of another submission, expected a file of its own",
        ),
        ("eve.py", "nowhere.py", "not marked: the file can't be read: No such file or directory"),
        ("eve.py", "eve.py", "not marked: the file can't be read: found a circle of links"),
    ],
)
def test_a_link_gets_nothing_and_stops_nobody(tmp_path, link, target, sentence):
    path = write_assignment(tmp_path, 20)
    folder = tmp_path / "handed-in"
    folder.mkdir()
    (folder / "right.py").write_text(RIGHT, encoding="utf-8")
    (folder / link).symlink_to(target)
    eve, right = grade(path, [folder / link, folder / "right.py"])
    assert right.passed
    assert eve.marks == 0
    assert eve.items[0].feedback.removeprefix("no answer: ") == sentence


def test_a_link_inside_the_folder_of_a_submission_is_followed_and_the_reference_never_marked(tmp_path):
    path = write_assignment(tmp_path, 20)
    (tmp_path / "solution.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "main.py").symlink_to("solution.py")
    os.link(tmp_path / "reference.py", tmp_path / "copy.py")
    (inside,) = grade(path, [tmp_path / "main.py"])
    assert inside.passed
    (hard,) = grade(path, [tmp_path / "copy.py"])
    assert hard.items[0].feedback.endswith("found another name of the reference, expected a file of its own")


def test_an_error_of_the_marking_is_told_to_the_submission_it_met(tmp_path, monkeypatch):
    path = write_assignment(tmp_path, 20)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(RIGHT + f"# {name}\n", encoding="utf-8")
    run = processes.Processes.run

    def broken(self, source, *given, **options):
        if any(b"# a.py" in data for data in source.values()):
            raise RecursionError("too deep")
        return run(self, source, *given, **options)

    monkeypatch.setattr(processes.Processes, "run", broken)
    first, second = grade(path, [tmp_path / "a.py", tmp_path / "b.py"])
    assert second.passed
    assert first.items[0].feedback.endswith(
        "not marked: the marking of this submission failed: RecursionError: too deep"
    )


def test_the_start_of_a_supervisor_is_nobodys_time(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 1.0)
    slow = "import time; time.sleep(4 if '{0}' == 'supervisor' else 0); " + processes._START
    monkeypatch.setattr(processes, "_START", slow)
    path = write_assignment(tmp_path, 2)
    (tmp_path / "s.py").write_text(RIGHT, encoding="utf-8")
    (result,) = grade(path, [tmp_path / "s.py"])
    assert result.passed


def test_a_machine_that_is_too_slow_is_not_the_students_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "START", 0.5)
    slow = "import time; time.sleep(30 if '{0}' == 'supervisor' else 0); " + processes._START
    monkeypatch.setattr(processes, "_START", slow)
    path = write_assignment(tmp_path, 2)
    (tmp_path / "s.py").write_text(RIGHT, encoding="utf-8")
    (result,) = grade(path, [tmp_path / "s.py"])
    said = {item.feedback for item in result.items}
    assert said == {
        "no answer: not marked: grading: the supervisor of a submission was not up in 0.5 s; "
        "this machine is too slow or too loaded"
    }


# --- what Landlock has no rule for -----------------------------------------------------------------------

REFUSED = {
    "modes": "os.chmod('HERE/reference.py', 0)",
    "modes by a link": "os.symlink('HERE/reference.py', 'l'); os.chmod('l', 0)",
    "modes by a path with dots": "os.chmod('../../../../../../../../../../HERE/reference.py', 0)",
    "modes by a directory": "os.chmod('reference.py', 0, dir_fd=os.open('/usr', os.O_RDONLY))",
    "modes by a descriptor": "os.fchmod(os.open(os.__file__, os.O_RDONLY), 0o777)",
    "times": "os.utime('HERE/reference.py', (0, 0))",
    "owners": "os.chown('.', 0, 0)",
    "attributes": "os.setxattr('.', 'user.x', b'1')",
    "memory in memory": "os.memfd_create('m')",
    "System V memory": "assert libc.shmget(0, 4096, 0o1600) != -1 or exec('raise OSError(ctypes.get_errno(), \"x\")')",
    "System V semaphores": "assert libc.semget(0, 1, 0o1600) != -1 or exec('raise OSError(ctypes.get_errno(), \"x\")')",
    "System V messages": "assert libc.msgget(0, 0o1600) != -1 or exec('raise OSError(ctypes.get_errno(), \"x\")')",
    "a socket by path": "socket.socket(socket.AF_UNIX).connect('HERE/listening')",
    "a socket of a pair": "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', 'HERE/listening')",
    "datagrams": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
}


@filtered
@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED)
def test_what_landlock_has_no_rule_for_is_refused(marked, attack):
    bad = marked(
        f"try:\n    {attack}\nexcept OSError as error:\n    raise RuntimeError(f'errno {{error.errno}}') from None"
    )
    assert bad.items[0].feedback.startswith("no answer: it raised RuntimeError in line ")
    assert bad.items[0].feedback.rpartition(": ")[2] in (
        "errno 1",
        "errno 13",
    )  # EPERM, or EACCES of Landlock


@filtered
def test_what_is_refused_has_not_happened(marked, tmp_path):
    before = subprocess.run(["ipcs"], capture_output=True, text=True, check=True).stdout
    write_assignment(tmp_path, 20)
    mode, time = (tmp_path / "reference.py").stat().st_mode, (tmp_path / "reference.py").stat().st_ctime
    body = "\n".join(f"try:\n    {attack}\nexcept OSError:\n    pass" for attack in REFUSED.values())
    marked(body)
    facts = (tmp_path / "reference.py").stat()
    assert (facts.st_mode, facts.st_mtime > 1e9, facts.st_ctime >= time) == (mode, True, True)
    assert subprocess.run(["ipcs"], capture_output=True, text=True, check=True).stdout == before


OPENED = "d = os.open('f', os.O_CREAT | os.O_RDWR); "
MODE = "assert os.stat('{0}').st_mode & 0o777 == 0o{1}"
ALLOWED = {
    "modes": f"{OPENED} os.chmod('f', 0o600); {MODE.format('f', 600)}",
    "modes of a descriptor": f"{OPENED} os.fchmod(d, 0o640); {MODE.format('f', 640)}",
    "modes below": f"os.makedirs('a/b'); os.chdir('a'); os.chmod('../a/b', 0o700); {MODE.format('b', 700)}",
    "times": f"{OPENED} os.utime('f', (1, 2)); assert (os.stat('f').st_atime, os.stat('f').st_mtime) == (1, 2)",
    "times of a descriptor": f"{OPENED} os.utime(d, ns=(5, 7)); assert os.stat('f').st_mtime_ns == 7",
    "copies": f"import shutil; {OPENED} os.utime(d, (1, 2)); shutil.copy2('f', 'g'); assert os.stat('g').st_mtime == 2",
    "a pair of sockets": "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'",
    "pipes of processes": "import multiprocessing as m; a, b = m.Pipe(); a.send(1); assert b.recv() == 1",
    "temporary files": "import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
}


@filtered
@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_changes_inside_its_own_folder_are_possible(marked, change):
    bad = marked(change)
    assert bad.passed, bad.items[0].feedback
