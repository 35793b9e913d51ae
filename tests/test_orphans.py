"""Orphan processes in a session of their own: killed or reaped by their subreaper."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.external

#: The beginning of each script. `leave` starts an orphan process that sleeps in a session of its
#: own, without any environment variable.
PRELUDE = """
import os, time
from pathlib import Path
from subprocess import PIPE, Popen
from mnist_exp.orphans import adopt_orphans, end_children, kill_children, reap_children

LEAVE = ["/bin/sh", "-c", "/bin/sleep 60 > /dev/null & echo $!"]

def leave():
    with Popen(LEAVE, env={}, stdout=PIPE, start_new_session=True) as child:
        return int(child.stdout.read())

def exists(process):
    return Path(f"/proc/{process}").exists()

def has_ended(process):
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
"""


def output(script: str) -> str:
    """Return what a script prints. It runs in a process of its own, which stays a subreaper."""
    command = [sys.executable, "-c", PRELUDE + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_orphan_of_a_child_is_killed():
    script = """
adopt_orphans()
left = leave()
print(exists(left))
end_children()
print(exists(left))
"""
    assert output(script) == "True\nFalse\n"


def test_a_child_that_may_stay_is_spared():
    script = """
adopt_orphans()
stays, goes = leave(), leave()
end_children(lambda child: child == stays)
print(exists(stays), exists(goes))
end_children()
"""
    assert output(script) == "True False\n"


def test_a_process_that_adopts_no_orphans_kills_no_child():
    script = """
child = Popen(["/bin/sleep", "60"])
print(kill_children(lambda _: False), child.poll())
child.kill()
child.wait()
"""
    assert output(script) == "False None\n"


def test_a_forked_process_does_not_adopt_by_itself():
    # prctl(2): a fork is not a subreaper. The child must not take itself for one either.
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
    assert output(script) == "None\n"


def test_ended_children_are_reaped_except_those_that_others_wait_for():
    script = """
adopt_orphans()
ours, adopted = Popen(["/bin/true"]), Popen(["/bin/true"])
while not (has_ended(ours.pid) and has_ended(adopted.pid)):
    time.sleep(0.01)
reap_children(but=[ours.pid])
print(exists(ours.pid), exists(adopted.pid), ours.wait())
"""
    assert output(script) == "True False 0\n"
