"""Workers that do not start, or not again: said at once, with what was heard of them."""

import os
import subprocess
import sys
import time

import pytest

DRIVER = """
import os, pathlib, signal, sys
import typer

if __name__ != "__main__" and pathlib.Path("broken").exists():
    raise OSError("planted")  # in the worker process, which imports this

def die(piece):
    pathlib.Path("broken").touch()
    os.kill(os.getpid(), signal.SIGKILL)

def work():
    from recirc.analyses import results
    from recirc.runs import FolderMap, RunFolder
    with RunFolder.open("run", specification={}) as folder:
        list(results(die, [{"a": 1}], FolderMap(folder)))

if __name__ == "__main__":
    from recirc.cli.running import run_into
    try:
        run_into(work, pathlib.Path("run"))
    except typer.Exit as end:
        sys.exit(end.exit_code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_broken_at_first", [True, False], ids=["never", "not again"])
def test_workers_that_do_not_start_are_said_at_once(is_broken_at_first, tmp_path):
    (tmp_path / "driver.py").write_text(DRIVER)
    if is_broken_at_first:
        (tmp_path / "broken").touch()
    began = time.monotonic()
    command = [sys.executable, "driver.py"]
    found = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert time.monotonic() - began < 200  # a busy machine takes its time; in silence it were 300
    assert found.returncode == 2, found.stderr
    assert "recirc: worker processes could not be started here (1 were asked for); see that" in found.stderr
    assert "The last that was heard of them: " in found.stderr
    assert "OSError: planted" in found.stderr  # the worker's own words
    assert not list((tmp_path / "run/parts").glob("workers-*"))
