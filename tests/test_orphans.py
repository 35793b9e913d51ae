"""Descendants that have left their group, their session and their parent: ended, or let go."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.external

#: What scripts begin with. A process that is left sleeps in a session of its own, without any
#: environment, and its parent has ended.
PRELUDE = """
import os, time
from pathlib import Path
from subprocess import PIPE, Popen
from mnist_exp.orphans import adopt_orphans, end_children, kill_children, reap_children

LEAVE = ["/bin/sh", "-c", "/bin/sleep 60 > /dev/null & echo $!"]

def leave():
    with Popen(LEAVE, env={}, stdout=PIPE, start_new_session=True) as child:
        return int(child.stdout.read())

def is_there(process):
    return Path(f"/proc/{process}").exists()

def has_ended(process):
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
"""


def told(script: str) -> str:
    """Return what a script prints; in a process of its own, because adopting is for good."""
    command = [sys.executable, "-c", PRELUDE + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_child_has_left_is_ended():
    script = """
adopt_orphans()
left = leave()
print(is_there(left))
end_children()
print(is_there(left))
"""
    assert told(script) == "True\nFalse\n"


def test_who_may_stay_is_left_in_peace():
    script = """
adopt_orphans()
stays, goes = leave(), leave()
end_children(lambda child: child == stays)
print(is_there(stays), is_there(goes))
end_children()
"""
    assert told(script) == "True False\n"


def test_who_adopts_nothing_ends_nothing():
    script = """
child = Popen(["/bin/sleep", "60"])
print(kill_children(lambda _: False), child.poll())
child.kill()
child.wait()
"""
    assert told(script) == "False None\n"


def test_a_forked_process_does_not_adopt_by_itself():
    # What prctl(2) says of fork; the child must not take itself for a subreaper either.
    script = """
adopt_orphans()
child = Popen(["/bin/sleep", "60"])
if not os.fork():
    own = Popen(["/bin/sleep", "60"])
    kill_children(lambda _: False)
    print(own.poll(), flush=True)
    own.kill()
    own.wait()
    os._exit(0)
os.wait()
child.kill()
child.wait()
"""
    assert told(script) == "None\n"


def test_the_ended_are_let_go_but_for_those_that_somebody_waits_for():
    script = """
adopt_orphans()
ours, adopted = Popen(["/bin/true"]), Popen(["/bin/true"])
while not (has_ended(ours.pid) and has_ended(adopted.pid)):
    time.sleep(0.01)
reap_children(but=[ours.pid])
print(is_there(ours.pid), is_there(adopted.pid), ours.wait())
"""
    assert told(script) == "True False 0\n"
