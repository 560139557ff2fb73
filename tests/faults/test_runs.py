"""Rows 1-5, 7, 22-25, 28-30 and 32: workers, drivers, disks and folders that fail."""

import contextlib
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
from inline_engine import use
from small_disks import full_disks, mounted, small_files

from recirc.analyses import Result, Row, results
from recirc.runs import (
    FinishedError,
    FolderError,
    FolderMap,
    RunFolder,
    engine,
    is_done,
    provenance,
    read_metrics,
    worker,
)
from recirc.runs.locks import Share
from recirc.runs.metrics import SCHEMA, metrics_text
from recirc.runs.progress import Progress
from recirc.runs.segments import Segments
from recirc.storage import StorageError, pack, read_arrays, write_arrays

WORK = """
import os, pathlib, signal, time
import numpy as np
from recirc.analyses import Result, specification_key

def draw(piece):
    import jax
    calls = pathlib.Path(os.environ["CALLS"]) / piece["name"]
    with open(calls, "a") as file:
        file.write("called\\n")
    if len(calls.read_text().split()) <= piece.get("deaths", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if piece["name"] == "error":
        raise ValueError("bad luck")
    time.sleep(float(os.environ.get("SECONDS", 0)))
    return Result({"x": np.asarray(jax.random.normal(specification_key(piece), (3,)))})

def train(piece):
    import jax, recirc, recirc.train.base
    recirc.train.base.EVERY = 0.0  # a checkpoint after every pass, as after those of ten seconds
    key = specification_key(piece)
    trials = recirc.tasks.CenterOutReach(movement=0.1, dt=0.005).trials(2, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=10, key=key)

    def log(index, _):
        with open(pathlib.Path(os.environ["CALLS"]) / piece["name"], "a") as file:
            file.write(f"{index}\\n")
        time.sleep(float(os.environ.get("SECONDS", 0)))

    found = recirc.fit(recirc.train.FullForce(n_passes=200), network, trials, key=key, progress=log)
    return Result({"x": np.asarray(found.network.readout).ravel()})
"""

DRIVER = """
import os, sys
import recirc.runs.experiment, recirc.studies

def run(seed, out, *, jobs, argv, **how):
    import work
    from recirc.analyses import AnalysisResult, Row, results
    from recirc.runs import FolderMap, RunFolder
    pieces = [{"name": f"{i}", "seed": seed} for i in range(int(os.environ["PIECES"]))]
    with RunFolder.open(out, specification={"seed": seed}) as folder:
        rows = [
            Row("x", "unit", piece["name"], result.arrays["x"][0])
            for piece, result in results(getattr(work, os.environ["FUNCTION"]), pieces, FolderMap(folder, jobs=jobs))
        ]
        folder.write_metrics("planted", "quick", rows)
        folder.write_manifest(argv, [seed])
        folder.finish()
    return AnalysisResult("planted", tuple(rows))

if __name__ == "__main__":
    recirc.runs.experiment.run = run
    recirc.studies.experiment = lambda study, *, preset, seed: seed
    from recirc.cli import main
    main()
"""


provenance_versions = provenance.versions


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A module that worker processes can import, and an environment for it."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "calls").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "work", raising=False)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    import work  # pyright: ignore[reportMissingImports]

    return work


def test_sweep_survives_dead_workers_errors_and_repeats(work, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "RETRIES", 2)
    pieces = [
        {"name": "good"},
        {"name": "dies once", "deaths": 1},
        {"name": "always dies", "deaths": 99},
        {"name": "error"},
        {"name": "good"},
    ]
    with RunFolder.open(tmp_path / "run", specification=pieces) as folder:
        every = results(work.draw, pieces, FolderMap(folder, jobs=2))
        found = [(piece["name"], result) for piece, result in every]
        assert [name for name, _ in found] == ["good", "dies once", "always dies", "error"]
        by_name = dict(found)
        np.testing.assert_array_equal(by_name["good"].arrays["x"], work.draw(pieces[0]).arrays["x"])
        assert isinstance(by_name["dies once"], Result)
        assert "killed 3 times" in by_name["always dies"].text
        assert "killed by signal 9" in by_name["always dies"].log
        assert by_name["error"].text == "ValueError: bad luck"
        assert "Traceback" in by_name["error"].log
    assert not list((tmp_path / "run/parts").glob("workers-*"))
    calls = {path.name: len(path.read_text().split()) for path in (tmp_path / "calls").iterdir()}
    assert calls == {"good": 2, "error": 1, "dies once": 2, "always dies": 3}  # the test itself calls the good one, too


def _start(tmp_path, jobs: int, function: str = "draw", pieces: int = 12) -> subprocess.Popen:
    command = [
        sys.executable,
        str(tmp_path / "driver.py"),
        "reproduce",
        "planted",
        "--jobs",
        str(jobs),
        "--out",
        "a run",
    ]
    environment = {"SECONDS": "0.3"} | os.environ | {"FUNCTION": function, "PIECES": str(pieces)}
    with open(tmp_path / "log", "w") as log:
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True)


def _parts(folder: Path) -> int:
    store = Segments(folder / "parts")
    store.refresh(alone=False)
    return len(store)


def _wait_for_more_parts(driver, folder: Path) -> None:
    n_parts = _parts(folder)
    for _ in range(1200):
        if _parts(folder) > n_parts or driver.poll() is not None:
            return
        time.sleep(0.05)
    raise AssertionError("no part was finished")


def _processes_of(session: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_stopped_drivers_resume_to_the_bits_of_a_clean_run(work, tmp_path):
    folder = tmp_path / "a run"
    for number, code, whole_group, jobs in (
        (signal.SIGTERM, 75, False, 1),
        (signal.SIGINT, 130, True, 1),
        (signal.SIGKILL, -9, False, 2),
    ):
        driver = _start(tmp_path, jobs)
        _wait_for_more_parts(driver, folder)
        (os.killpg if whole_group else os.kill)(driver.pid, number)
        assert driver.wait(120) == code
        assert not is_done(folder)
        text = (tmp_path / "log").read_text()
        assert "Traceback" not in text
        assert number == signal.SIGKILL or "The same command goes on" in text
        _wait_until_alone(driver)
    n_parts = _parts(folder)
    assert 3 <= n_parts < 12
    assert _start(tmp_path, 1).wait(120) == 0
    assert (
        f"{n_parts} of 12 networks were finished before; going on with {12 - n_parts}."
        in (tmp_path / "log").read_text()
    )
    assert sorted(path.name for path in folder.iterdir()) == ["DONE", "manifest.json", "metrics.json"]
    _, rows, _ = read_metrics((folder / "metrics.json").read_text())
    clean = [work.draw({"name": f"{i}", "seed": 0}).arrays["x"][0] for i in range(12)]
    assert [row.value for row in rows] == clean


def _wait_until_alone(driver) -> None:
    for _ in range(100):
        if not _processes_of(driver.pid):
            return
        time.sleep(0.1)
    raise AssertionError("workers outlive their driver")


def test_a_training_that_a_batch_system_stops_goes_on_after_its_last_pass(work, tmp_path, monkeypatch):
    monkeypatch.setenv("SECONDS", "0.1")
    driver, passes = _start(tmp_path, 1, "train", 1), tmp_path / "calls/0"
    for _ in range(1200):
        if driver.poll() is not None or (passes.exists() and len(passes.read_text().split()) > 4):
            break
        time.sleep(0.05)
    driver.send_signal(signal.SIGUSR1)
    assert driver.wait(120) == 75
    assert "stopped by SIGUSR1" in (tmp_path / "log").read_text()
    _wait_until_alone(driver)
    before = len(passes.read_text().split())
    assert 5 <= before < 200
    assert list((tmp_path / "a run/parts").glob("training-*/*.checkpoint"))
    monkeypatch.setenv("SECONDS", "0")
    assert _start(tmp_path, 1, "train", 1).wait(120) == 0
    again = [int(word) for word in passes.read_text().split()][before:]
    assert again == list(range(again[0], 200))
    assert again[0] in (before - 1, before)  # at most the pass during which the signal came is made twice
    _, (row,), _ = read_metrics((tmp_path / "a run/metrics.json").read_text())
    assert row.value == work.train({"name": "0", "seed": 0}).arrays["x"][0]


def test_ctrl_c_in_a_notebook_leaves_what_is_finished(tmp_path, monkeypatch):
    use(monkeypatch, seconds=0.0)
    calls = []

    def square(piece):
        calls.append(piece["i"])
        if calls == [0, 1, 2]:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return Result({"x": np.array([piece["i"] ** 2])})

    pieces = [{"i": i} for i in range(4)]
    with RunFolder.open(tmp_path / "run", specification={}) as folder, pytest.raises(KeyboardInterrupt):
        list(results(square, pieces, FolderMap(folder)))
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        found = [int(result.arrays["x"][0]) for _, result in results(square, pieces, FolderMap(folder))]
    assert found == [0, 1, 4, 9]
    assert calls == [0, 1, 2, 2, 3]


@contextlib.contextmanager
def _locked(patience: float):
    """A process of which Python cannot be reached."""
    script = (
        "import ctypes\nfrom recirc.runs import signals\n"
        f"signals.PATIENCE = {patience}\nlibc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n"
        "with signals.stop_on_signals(lambda number: print('at last', number, flush=True)):\n"
        "    print('ready', flush=True)\n    [libc.pthread_mutex_lock(mutex) for _ in range(2)]\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        try:
            yield process
        finally:
            process.kill()


def test_second_signal_stops_a_process_that_python_cannot_reach():
    with _locked(60.0) as process:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_one_signal_ends_a_process_that_python_cannot_reach_after_a_while(number, code):
    with _locked(0.5) as process:
        process.send_signal(number)
        assert process.wait(20) == code
        assert process.stdout.read() == f"at last {int(number)}\n"


COMPILES = """
import sys
from pathlib import Path

import jax, jax.numpy as jnp
from recirc.cli import main
from recirc.cli.options import app
from recirc.cli.running import run_into

def long(x):
    for i in range(2000):
        x = jnp.sin(x * (i + 1.5)) @ x + jnp.cumsum(x, axis=i % 2)
    return x

def work():
    lowered = jax.jit(long).lower(jnp.ones((4, 4)))
    print("ready", flush=True)
    lowered.compile()  # a minute or more

@app.command()
def compiles():
    run_into(work, Path("run"))

sys.argv = ["recirc", "compiles"]
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGUSR1, 75)])
def test_one_signal_ends_a_command_that_compiles(number, code, tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", COMPILES], cwd=tmp_path, text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(3.0)  # until the compiler has the work
        process.send_signal(number)
        try:
            assert process.wait(20) == code
            assert "The same command goes on from what is in run." in process.stderr.read()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "break_it", [lambda d: d[:-30], lambda d: d[: len(d) // 2], lambda d: b"", lambda d: bytes(len(d))]
)
def test_a_damaged_checkpoint_or_construction_is_made_again_with_a_warning(break_it, tmp_path):
    path = tmp_path / "a"
    write_arrays(path, {"x": np.arange(100.0)}, {})
    path.write_bytes(break_it(path.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged .* computed again"):
        assert read_arrays(path) is None


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_a_pickle_in_the_place_of_arrays_is_never_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb())
    Path("a").write_bytes(bomb)
    Path("b").write_bytes(bomb + hashlib.sha256(bomb).digest())
    objects = pack({"x": np.zeros(8)}, {}).replace(b"<f8", b'|O"')
    Path("c").write_bytes(objects + hashlib.sha256(objects).digest())
    for name in ("a", "b", "c"):
        with pytest.warns(UserWarning, match="damaged"):
            assert read_arrays(Path(name)) is None
    assert not Path("exploded").exists()
    with pytest.raises(TypeError, match="Python objects"):
        pack({"x": np.array([Bomb()], dtype=object)}, {})


@full_disks(20_000)
def test_full_disk_is_named_and_leaves_the_older_state(disk, tmp_path):
    big = np.random.default_rng(0).normal(size=20_000)
    dataset = xr.Dataset({"rates": ("time", big, {"units": "1"})})
    with disk(tmp_path), RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.write("activity.nc", "older")
        with pytest.raises(StorageError, match=r"no space left writing .*activity\.nc"):
            folder.write_dataset("activity.nc", dataset)
        with pytest.raises(StorageError, match="no space left writing"):
            folder.pieces.write({"aa" * 32: pack({"x": big}, {})})
        assert (tmp_path / "run/activity.nc").read_text() == "older"
        names = sorted(path.name for path in folder.root.rglob("*") if path.suffix != ".segment")
        assert names == ["activity.nc", "lock", "parts", "run.json"]


def test_a_disk_that_fills_while_programs_are_compiled_stops_nothing(tmp_path):
    code = (
        "import jax\nfrom recirc.runs.environment import keep_compiled_programs\nkeep_compiled_programs()\n"
        "print(jax.jit(lambda x: (x @ x.T).sum())(jax.numpy.eye(3)), jax.config.jax_compilation_cache_dir)\n"
    )
    with mounted(tmp_path, "size=40k"):
        (tmp_path / "full").write_bytes(bytes(36_000))
        variables = os.environ | {"RECIRC_CACHE": str(tmp_path)}
        command = [sys.executable, "-W", "ignore", "-c", code]
        found = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(f"3.0 {tmp_path}")


def test_place_that_cannot_be_written_fails_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/recirc-run")):
        with pytest.raises(StorageError, match="cannot write"):
            RunFolder.open(path, specification={})


@pytest.mark.parametrize("share", [Share(), Share(1, 2)])
def test_a_disk_that_is_full_fails_at_the_start(share, tmp_path):
    with small_files(0), pytest.raises(StorageError, match=r"no space left writing .*parts/lock; free some"):
        RunFolder.open(tmp_path / "run", specification={}, share=share)
    RunFolder.open(tmp_path / "run", specification={}, share=share).close()


def test_read_only_disk_fails_at_the_start(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("root may write anywhere")
    with pytest.raises(StorageError, match="cannot write"):
        RunFolder.open(tmp_path / "locked" / "run", specification={})


def test_folder_of_another_run_or_input_or_version_is_refused(tmp_path):
    data = tmp_path / "data.nwb"
    data.write_text("one")
    RunFolder.open(tmp_path / "run", specification={"seed": 0}, inputs=[data]).close()
    with RunFolder.open(tmp_path / "run", specification={"seed": 0}, inputs=[data]) as folder:
        assert folder.resumed
    with pytest.raises(FolderError, match="another specification"):
        RunFolder.open(tmp_path / "run", specification={"seed": 1}, inputs=[data])
    data.write_text("two")
    with pytest.raises(FolderError, match=r"data\.nwb has changed since"):
        RunFolder.open(tmp_path / "run", specification={"seed": 0}, inputs=[data])
    data.write_text("one")
    header = tmp_path / "run/parts/run.json"
    begun = json.loads(header.read_text())
    header.write_text(json.dumps(begun | {"versions": begun["versions"] | {"jax": "0.1"}}))
    with pytest.raises(FolderError, match=r"begun with jax 0\.1"):
        RunFolder.open(tmp_path / "run", specification={"seed": 0}, inputs=[data])
    with pytest.raises(ValueError, match="cannot read the input"):
        RunFolder.open(tmp_path / "other", specification={}, inputs=[tmp_path / "none"])


def test_a_folder_whose_beginning_cannot_be_read_is_a_sentence(tmp_path):
    place, mend = tmp_path / "run/parts/run.json", "mend it, or give another --out"
    RunFolder.open(tmp_path / "run", specification={}).close()
    whole = place.read_text()
    for damaged in (b"", bytes(len(whole)), whole[:40].encode(), b"[]", b"{}", b"\xff"):
        place.write_bytes(damaged)
        with pytest.raises(FolderError, match=rf"run\.json cannot be read \(it is damaged\), .*; {mend}"):
            RunFolder.open(tmp_path / "run", specification={})
    place.unlink()
    place.mkdir()
    with RunFolder.open(tmp_path / "other", specification={}) as folder:
        for use in (lambda: folder.merge(tmp_path / "run"), lambda: RunFolder.open(tmp_path / "run", specification={})):
            with pytest.raises(FolderError, match=rf"run\.json cannot be read \(Is a directory\), .*; {mend}"):
                use()


def test_foreign_and_finished_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").touch()
    with pytest.raises(FolderError, match=r"holds 'chapter\.tex'"):
        RunFolder.open(tmp_path / "thesis", specification={})
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]
    with RunFolder.open(tmp_path / "run", specification={"seed": 0}) as folder:
        folder.write_manifest([], [0])
        folder.finish()
    for seed, same in ((0, True), (1, False)):
        with pytest.raises(FinishedError, match="not overwritten") as caught:
            RunFolder.open(tmp_path / "run", specification={"seed": seed})
        assert caught.value.same is same


def test_second_driver_is_refused_and_a_dead_one_forgotten(tmp_path):
    code = (
        "import sys, time\nfrom recirc.runs import RunFolder\n"
        "folder = RunFolder.open(sys.argv[1], specification={})\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(FolderError, match=f"pid {process.pid} on .* is writing"):
            RunFolder.open(tmp_path / "run", specification={})
        process.kill()
    (tmp_path / "run" / f".{'0' * 32}.tmp").write_text("left by a killed driver")
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        assert folder.resumed
        assert sorted(path.name for path in folder.root.iterdir()) == ["parts"]


@pytest.mark.parametrize(
    "name", ["../out", "/root/out", "a/../../out", "", "link/out", "a\\..\\out", "a\nb", "DONE", "parts/x"]
)
def test_names_cannot_lead_out_of_the_folder(name, tmp_path):
    (tmp_path / "outside").mkdir()
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        (folder.root / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(FolderError):
            folder.write(name, "x")
        assert not list((tmp_path / "outside").iterdir())


def test_links_in_the_place_of_our_own_files_are_not_followed(tmp_path):
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a/parts").mkdir(parents=True)
    (tmp_path / "a/parts/lock").symlink_to(tmp_path / "precious")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/parts").symlink_to(tmp_path / "elsewhere")
    for name in "ab":
        with pytest.raises((FolderError, StorageError)):
            RunFolder.open(tmp_path / name, specification={})
    with RunFolder.open(tmp_path / "c", specification={}) as folder:
        (folder.root / "report.html").symlink_to(tmp_path / "precious")
        (folder.root / "parts/more").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere/file").touch()
        folder.write("report.html", "new")
        folder.finish()
    assert (tmp_path / "precious").read_text() == "keep"
    assert (tmp_path / "elsewhere/file").exists()


def test_odd_names_work(tmp_path):
    root = tmp_path / "a folder, é 🧠 #1"
    for _ in range(6):
        root = root / ("long " * 10)
    with RunFolder.open(root, specification={"unit": "x" * 300}) as folder:
        folder.write("figures/é <b> & spaces.svg", "x")
        folder.finish()
    assert is_done(root)


def test_worker_of_another_version_is_refused(work, tmp_path, monkeypatch):
    monkeypatch.setattr(engine.provenance, "versions", lambda: provenance_versions() | {"recirc": "0.0.1"})
    with (
        RunFolder.open(tmp_path / "run", specification={}) as folder,
        pytest.raises(engine.VersionError, match=r"recirc .*, not 0\.0\.1"),
    ):
        list(results(work.draw, [{"name": "a"}], FolderMap(folder)))
    assert _parts(tmp_path / "run") == 0


@pytest.mark.usefixtures("signatures_unchecked")
def test_numbers_that_are_not_finite_need_a_reason():
    with pytest.raises(ValueError, match="say why"):
        Row("dsa", "mechanism", "a", float("nan"))
    with pytest.raises(ValueError, match="level is 'unti'"):
        Row("dsa", "unti", "a", 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="low, high"):
        Row("dsa", "unit", "a", 1.0, (2.0, 1.0))
    with pytest.raises(ValueError, match="schema 2"):
        read_metrics('{"schema": 3}')
    with pytest.raises(ValueError, match="lacks or misspells"):
        read_metrics('{"schema": 1, "study": "a", "preset": "b", "rows": [{"metrc": "x"}], "claims": []}')


@pytest.mark.parametrize(("study", "schema", "name"), [("fit", 1, "heldout_direction_r2"),
                         ("fit", 2, "heldout_neuron_r2"), ("salatiello2020", 1, "heldout_neuron_r2")])  # fmt: skip
def test_the_score_of_left_out_directions_has_its_own_name_also_in_older_fits(study, schema, name):
    text = metrics_text(study, "full", [Row("heldout_neuron_r2", "unit", "network", 0.5)], [])
    text = text.replace(f'"schema": {SCHEMA}', f'"schema": {schema}')
    assert [row.metric for row in read_metrics(text)[1]] == [name]


def test_a_worker_that_has_grown_forgets_its_compiled_programs(monkeypatch):
    twice = jax.jit(lambda x: 2 * x)
    for most, n_left in ((np.inf, 1), (0, 0)):
        assert twice(1.0) == 2.0
        monkeypatch.setattr(worker, "MOST_MEMORY", most)
        worker.free_memory()
        assert twice._cache_size() == n_left


def test_jobs_must_be_positive(tmp_path):
    with RunFolder.open(tmp_path / "run", specification={}) as folder, pytest.raises(ValueError, match="at least 1"):
        FolderMap(folder, jobs=0)


def test_progress_without_a_terminal_is_one_line_every_30_seconds(tmp_path):
    times = iter([0.0, 0.0, 10.0, 29.0, 31.0, 40.0, 62.0])
    with open(tmp_path / "log", "w") as log:
        progress = Progress("networks", stream=log, clock=lambda: next(times))
        progress.start(6, 2, ["slow", "slow", "quick", "slow"])
        progress.n_workers = 2
        progress.tick()
        progress.advance("slow", 11.0)
        progress.tick()
        progress.tick()
        progress.advance("slow", None, failed=True)
    assert (tmp_path / "log").read_text().splitlines() == [
        "2 of 6 networks were finished before; going on with 4.",
        "3 of 6 networks are finished, 1.94 a minute, about 16 s left.",
        "4 of 6 networks are finished, 1 failed, 1.94 a minute, about 11 s left.",
    ]


NOTEBOOK = """
import builtins, sys, types
from recirc.runs.progress import Progress
shown = []
class Output:
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def clear_output(self, wait=False): pass
def show(what, *rest): shown.append(what if isinstance(what, Output) else what.text)
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython.display"] = types.ModuleType("IPython.display")
sys.modules["IPython.display"].display = show
if HAS_WIDGETS:
    sys.modules["ipywidgets"] = types.ModuleType("ipywidgets")
    sys.modules["ipywidgets"].__spec__ = types.SimpleNamespace(name="ipywidgets")
    sys.modules["ipywidgets"].Output = Output
builtins.get_ipython = type("ZMQInteractiveShell", (), {})
progress = Progress("networks")
progress.start(2)
progress.advance()
if progress._bar: progress._bar.refresh()
progress.stop()
print(len([each for each in shown if isinstance(each, Output)]), any("1/2" in str(each) for each in shown))
"""


@pytest.mark.parametrize(("has_widgets", "told"), [(True, "1 True\n"), (False, "0 False\n")])
def test_progress_in_a_notebook_is_a_bar_where_it_can_be_drawn(has_widgets, told):
    code = NOTEBOOK.replace("HAS_WIDGETS", str(has_widgets))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (told, "")


def test_a_run_makes_its_settings_before_numpy_and_jax_are_loaded(tmp_path):
    code = (
        "import sys, recirc.runs.environment\n"
        "def seen():\n    print(sorted({'numpy', 'jax'} & set(sys.modules)))\n    raise SystemExit\n"
        "recirc.runs.environment.environment = seen\n"
        "sys.argv = ['recirc', 'reproduce', 'salatiello2020', '--seed', '1']\n"
        "from recirc.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


WARN = """
import pathlib, sys
import jax.numpy as jnp
import numpy as np
import sklearn.preprocessing
from recirc.runs.environment import plain_messages
from recirc.storage import read_arrays
path = pathlib.Path("\x1b[2Ja")
path.write_text("damaged")
with plain_messages():
    np.mean(np.array([]))
    jnp.zeros(3, "float64")
    sklearn.preprocessing.scale([[1e9], [1e9 + 1e-7]])
    for _ in range(2):
        read_arrays(path)
print("after", file=sys.stderr)
np.mean(np.array([]))
"""


def test_warnings_of_ours_are_one_sentence_and_those_of_libraries_are_not_shown(tmp_path):
    shown = {}
    for debug in ("", "1"):
        variables = os.environ | {"RECIRC_DEBUG": debug, "JAX_ENABLE_X64": "0"}
        done = subprocess.run(
            [sys.executable, "-c", WARN], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
        )
        assert done.stdout == ""
        shown[debug], _, after = done.stderr.partition("after\n")
        assert "RuntimeWarning: Mean of empty slice" in after  # outside, all is as it was
    sentence = r"recirc: \x1b[2Ja is damaged (its digest differs); what it held is computed again."
    assert shown[""] == f"{sentence}\n"
    for words in ("Mean of empty slice", "float64", "site-packages", sentence):
        assert words in shown["1"]
