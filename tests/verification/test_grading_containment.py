"""What submissions do to get out, to get marks, or to stop the marking; and that none of it is left running."""

import os
import sys
import uuid

import pytest
from grading_cases import RIGHT, alive, write_assignment

from verification.grading import grade
from verification.grading.containment import descendants as family
from verification.grading.containment import landlock
from verification.grading.containment.removal import remove_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc are Linux's")

CONFINED = [
    pytest.param(
        True, marks=pytest.mark.skipif(landlock.version() < 6, reason="this kernel has no Landlock")
    ),
    False,
]


@pytest.fixture
def token():
    """A number of seconds that nobody else sleeps for: what is left behind is known by it."""
    token = f"86400.{uuid.uuid4().int % 10**12:012d}"
    yield token
    assert alive(token) == []


@pytest.fixture
def marked(tmp_path, token):
    """Mark one submission in which `first` is given and `second` is right, beside one that is right in all."""

    def marked(first, *, top="", seconds=10, confine=True):
        path = write_assignment(tmp_path, seconds)
        body = first.replace("TOKEN", token).replace("HERE", str(tmp_path))
        (tmp_path / "bad.py").write_text(
            f"import os, sys, time\nimport numpy as np\n{top.replace('TOKEN', token)}\n"
            f"def first(x):\n{body}\n\ndef second(x):\n    return 2 * x\n",
            encoding="utf-8",
        )
        (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
        before = {process.pid for process in family.descendants(os.getpid())}
        bad, right = grade(path, [tmp_path / "bad.py", tmp_path / "right.py"], workers=2, confine=confine)
        left = [p for p in family.descendants(os.getpid()) if p.pid not in before and p.alive]
        assert left == []
        assert right.passed
        return bad

    return marked


def indented(*lines):
    return "\n".join(f"    {line}" for line in lines)


SLEEP = "os.execv('/bin/sleep', ['sleep', 'TOKEN'])"


@pytest.mark.parametrize("confine", CONFINED)
@pytest.mark.parametrize(
    ("first", "code", "begins"),
    [
        (indented("while True: pass"), "cpu", "it was stopped after 1 s of computing"),
        (
            indented("import signal", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)", "while True: pass"),
            "cpu",
            "it was",
        ),
        (indented("time.sleep(1000)"), "time", "it was stopped after 3 s"),
        (
            indented("return np.ones(10 * 2**27)"),
            "raised",
            "it raised MemoryError in line 5: Unable to allocate 10.0 GiB",
        ),
        (indented("while True: print('x' * 4096)"), "output", "it was stopped: it printed more than 64 KiB"),
        (
            indented("while True: os.write(2, b'x' * 4096)"),
            "output",
            "it was stopped: it printed more than 64 KiB",
        ),
        (
            indented("while True: os.write(3, b'x' * 65536)"),
            "answers",
            "it was stopped: it answered with far more data",
        ),
        (indented("os._exit(0)"), "exit", "the process ended (exit status 0) without an answer"),
        (indented("sys.exit(0)"), "raised", "it raised SystemExit in line 5: 0"),
        (indented("os.abort()"), "signal", "the process was ended by signal 6 (SIGABRT)"),
        (indented("os.kill(0, 9)"), "signal", "the process was ended by signal 9 (SIGKILL)"),
        (indented("raise KeyboardInterrupt"), "raised", "it raised KeyboardInterrupt in line 5"),
        (
            indented("os.close(3)", "return 2 * x"),
            "exit",
            "the process ended (exit status 1) without an answer",
        ),
        (indented("while True: os.fork()"), "processes", "it was stopped: it started more than 8 processes"),
        (
            indented("def deep(n): return deep(n + 1)", "return deep(0)"),
            "raised",
            "it raised RecursionError in line 5: maximum recursion depth exceeded",
        ),
        (
            indented("with open('large', 'wb') as f:", "    while True: f.write(bytes(2**16))"),
            "raised",
            "it raised OSError in line 6: [Errno 27] File too large",
        ),
    ],
)
def test_a_function_that_does_not_answer_loses_its_marks_and_no_other(marked, confine, first, code, begins):
    bad = marked(first, seconds=3 if code == "time" else 60, confine=confine)
    assert [item.marks for item in bad.items] == [0.0, 1.0]
    assert (bad.items[0].verdict, bad.items[0].code) == ("no answer", code)
    assert bad.items[0].feedback.startswith(f"no answer: {begins}")


@pytest.mark.parametrize("confine", CONFINED)
@pytest.mark.parametrize(
    "leave",
    [
        indented(f"if os.fork() == 0: {SLEEP}"),
        indented("if os.fork() == 0:", "    os.setsid()", f"    {SLEEP}"),
        indented(
            "if os.fork() == 0:",
            "    os.setsid()",
            "    if os.fork() == 0:",
            "        os.setpgid(0, 0)",
            "        os.execve('/bin/sleep', ['sleep', 'TOKEN'], {})",
            "    os._exit(0)",
            "os.wait()",
        ),
        indented(
            "import signal",
            "if os.fork() == 0:",
            "    os.setsid()",
            "    for n in (1, 2, 3, 13, 15): signal.signal(n, signal.SIG_IGN)",
            f"    {SLEEP}",
        ),
    ],
)
def test_a_process_that_is_left_behind_is_killed_and_counted(marked, confine, leave):
    bad = marked(leave + "\n" + indented("time.sleep(0.2)", "return 2 * x"), confine=confine)
    assert bad.passed
    assert bad.left_behind == 1


def test_the_children_of_one_that_is_stopped_are_killed(marked):
    bad = marked(indented(f"if os.fork() == 0: os.setsid(); {SLEEP}", "time.sleep(1000)"), seconds=1)
    assert bad.items[0].code == "time"
    assert bad.left_behind == 1


def test_memory_and_processes_are_counted_over_all_children(marked):
    fork = indented(
        "for k in range(5):",
        "    if os.fork() == 0:",
        "        a = np.ones(50 * 2**20)",  # 400 MiB each, 2 GiB together
        "        time.sleep(1000)",
        "time.sleep(1000)",
    )
    assert marked(fork).items[0].code == "memory"
    thread = indented(
        "import threading",
        "for k in range(20): threading.Thread(target=time.sleep, args=(1000,)).start()",
        "time.sleep(1000)",
    )
    assert marked(thread).items[0].code == "processes"


# --- against the marking itself --------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["9", "19"])
def test_one_that_kills_or_stops_its_supervisor_loses_its_marks_and_leaves_nothing(
    marked, number, monkeypatch
):
    monkeypatch.setattr("verification.grading.processes.GRACE", 1.0)
    attack = indented(
        f"if os.fork() == 0: os.setsid(); {SLEEP}",
        "time.sleep(0.2)",
        f"os.kill(os.getppid(), {number})",
        "time.sleep(1000)",
    )
    bad = marked(attack, confine=False, seconds=2)
    assert bad.marks == 0
    assert {item.feedback for item in bad.items} == {
        "no answer: it killed or stopped the process that supervises it"
    }


@pytest.mark.skipif(landlock.version() < 6, reason="this kernel has no Landlock")
@pytest.mark.parametrize(
    "attack",
    [
        "os.kill(os.getppid(), 9)",
        "open('HERE/reference.py').read()",
        "open('HERE/reference.py', 'w').write('')",
        "os.unlink('HERE/reference.py')",
        "open('HERE/a.toml').read()",
        "open('HERE/right.py').read()",
        "os.listdir('HERE')",
        "open('/etc/shadow').read()",
        "open(f'/proc/{os.getppid()}/mem')",
        "open(f'/proc/{os.getppid()}/cmdline').read()",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
    ],
)
def test_a_confined_one_reaches_no_file_no_process_and_no_port(marked, attack):
    assert (
        marked(indented(attack, "return 2 * x"))
        .items[0]
        .feedback.startswith("no answer: it raised PermissionError in line 5")
    )


@pytest.mark.parametrize("confine", CONFINED)
def test_the_memory_of_the_marking_cannot_be_read(marked, confine):
    attack = f"for pid in (os.getppid(), {os.getpid()}): open('/proc/' + str(pid) + '/mem', 'rb')"
    assert "PermissionError" in marked(indented(attack, "return 2 * x"), confine=confine).items[0].feedback


def test_answers_that_are_forged_are_worth_what_they_hold(marked):
    forged = indented(
        "import json, struct",
        "def send(array, **header):",
        "    text = json.dumps({'nbytes': array.nbytes, 'dtype': '<f8', 'shape': array.shape, **header}).encode()",
        "    os.write(3, struct.pack('>I', len(text)) + text + array.tobytes())",
        "send(np.zeros(2), event='answer', call=0, marks=1, verdict='right', expected=[0.0, 0.0])",
        "send(np.zeros(2), event='marks', call=1, marks=100)",
        "send(np.zeros(2), event='done')",
        'print(\'{"end": "exit", "status": 0, "marks": 2}\')',
        "os._exit(0)",
    )
    bad = marked(forged)
    assert [item.marks for item in bad.items] == [0.0, 1.0]
    assert bad.items[0].verdict == "wrong"


def test_the_comparison_is_out_of_reach(marked):
    patch = "\n".join(
        [
            "for name in ('allclose', 'array_equal', 'isclose'): setattr(np, name, lambda *a, **k: True)",
            "np.testing.assert_allclose = lambda *a, **k: None",
            "class Equal(np.ndarray):",
            "    def __eq__(self, other): return True",
            "    def __sub__(self, other): return np.zeros(self.shape)",
        ]
    )
    bad = marked(indented("x[:] = 0", "return np.zeros(2).view(Equal)"), top=patch)
    assert [item.marks for item in bad.items] == [0.0, 1.0]
    assert bad.items[0].verdict == "wrong"


def test_what_is_told_to_one_call_does_not_reach_the_next_by_the_arguments(marked):
    assert marked(indented("y = 2 * x", "x *= np.nan", "return y")).passed


@pytest.mark.parametrize(
    ("top", "sentence"),
    [
        ("import jacobians", "ImportError in line 3: the assignment does not allow importing jacobians"),
        ("def (", "SyntaxError in line 3: invalid syntax (submission.py, line 3)"),
        ("sys.exit(0)", "SystemExit in line 3: 0"),
    ],
)
def test_a_submission_that_cannot_be_imported_gets_nothing(marked, top, sentence):
    bad = marked(indented("return 2 * x"), top=top)
    assert {item.feedback for item in bad.items} == {
        f"no answer: the submission can't be imported: {sentence}"
    }
    assert bad.marks == 0


def test_one_that_ends_while_it_is_imported_gets_nothing(marked):
    bad = marked(indented("return 2 * x"), top="os._exit(0)")
    assert {item.code for item in bad.items} == {"exit"}
    assert bad.endings == ("exit",)


def test_what_it_prints_is_kept_for_staff_up_to_a_bound(marked):
    bad = marked(indented("print('found', x); print('y' * 30000)", "return 2 * x"))
    assert bad.passed
    assert bad.output.startswith("found [1. 2.]\nyyy")
    assert len(bad.output) == 4000


def test_standard_input_is_empty_and_the_environment_is_clean(marked, monkeypatch):
    monkeypatch.setenv("COURSE_SECRET", "42")
    checks = indented(
        "assert sys.stdin.read() == ''",
        "assert 'COURSE_SECRET' not in os.environ",
        "assert os.path.samefile(os.environ['HOME'], os.getcwd())",
        "assert os.listdir() == ['submission.py']",
        "assert sorted(os.listdir('/proc/self/fd'))[:4] if not os.access('/proc', os.R_OK) else True",
        "return 2 * x",
    )
    assert marked(checks).passed


@pytest.mark.parametrize("confine", CONFINED)
def test_not_even_root_has_rights_beyond_its_files_and_can_raise_its_limits(marked, confine):
    checks = indented(
        "import resource",
        "limit = resource.getrlimit(resource.RLIMIT_CPU)[1]",
        "try: resource.setrlimit(resource.RLIMIT_CPU, (limit + 1, limit + 1))",
        "except (ValueError, PermissionError): return 2 * x",
    )
    assert marked(checks, confine=confine).passed


def test_a_directory_that_cannot_be_entered_is_removed(tmp_path):
    deep = tmp_path / "base" / "locked" / "in"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (tmp_path / "base" / "link").symlink_to(tmp_path)
    deep.parent.chmod(0)
    remove_tree(tmp_path / "base")
    assert list(tmp_path.iterdir()) == []
