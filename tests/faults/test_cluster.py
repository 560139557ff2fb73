"""Rows 1, 2, 24 and 29 with the workers of a scheduler that is elsewhere: other networks, certificates, strangers."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

import dask.config
import numpy as np
import pytest
from certificates import certificates
from distributed import LocalCluster
from inline_engine import use

from recirc.analyses import Result, results
from recirc.runs import ConfigError, FolderMap, RunFolder, provenance
from recirc.runs.cluster import ClusterConfig, existing
from recirc.runs.engine import ClusterError, VersionError
from recirc.runs.environment import environment

WORK = """
import os, socket
import numpy as np
from recirc.analyses import Result

def where(piece):
    if piece["i"] == 2 and not os.path.exists(piece["once"]):
        open(piece["once"], "x").close()
        os.kill(os.getpid(), 9)
    return Result({"x": np.array([piece["i"] / 3])}, {"names": sorted(name for _, name in socket.if_nameindex())})
"""
SUBNET = "10.213.77"
NAMES = ("rcs", "rcw")  # networks of scheduler and worker


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def networks():
    """Two networks of their own, joined with this one by a bridge; addresses .1, .2 and .3."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("networks can only be made by root")
    with contextlib.ExitStack() as stack:
        try:
            _ip("link", "add", "rcbr", "type", "bridge")
            stack.callback(_ip, "link", "del", "rcbr")
            _ip("addr", "add", f"{SUBNET}.1/24", "dev", "rcbr")
            _ip("link", "set", "rcbr", "up")
            for i, name in enumerate(NAMES):
                _ip("netns", "add", name)
                stack.callback(_ip, "netns", "del", name)
                _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1", "netns", name)
                _ip("link", "set", f"{name}0", "master", "rcbr", "up")
                _ip("-n", name, "addr", "add", f"{SUBNET}.{i + 2}/24", "dev", f"{name}1")
                _ip("-n", name, "link", "set", f"{name}1", "up")
                _ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this system makes no networks: {error.stderr.decode().strip()}")
        yield


@contextlib.contextmanager
def _started(network: str | None, *words: str, log):
    place = [] if network is None else ["ip", "netns", "exec", network]
    command = [*place, sys.executable, "-m", "dask", *words]
    settings = {
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
    }
    with open(log, "w") as stream:
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=stream, stderr=stream, start_new_session=True, cwd=log.parent
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(20)


def _until(log, text: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def test_workers_in_another_network_with_certificates_and_none_without(networks, tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    import elsewhere  # pyright: ignore[reportMissingImports]

    ours, others = certificates(tmp_path / "ours"), certificates(tmp_path / "others")
    address = f"tls://{SUBNET}.2:8786"
    (tmp_path / "cluster.toml").write_text(
        f'address = "{address}"\nca_file = "{tmp_path}/ours/ca.pem"\n'
        f'certificate = "{tmp_path}/ours/certificate.pem"\nkey = "{tmp_path}/ours/key.pem"\n'
    )
    (tmp_path / "stranger.toml").write_text((tmp_path / "cluster.toml").read_text().replace("/ours/", "/others/"))
    monkeypatch.setattr("recirc.runs.cluster.PATIENCE", 8.0)
    logs = {name: tmp_path / f"{name}.log" for name in ("scheduler", "member", "stranger")}
    host = ["--host", f"tls://{SUBNET}.2", "--port", "8786"]
    worker = ["worker", address, "--nthreads", "1", "--no-dashboard", "--preload", "recirc.runs.preload"]
    with (
        _started(NAMES[0], "scheduler", *host, *ours, "--no-dashboard", log=logs["scheduler"]),
        _started(NAMES[1], *worker, *others, "--name", "stranger", log=logs["stranger"]),
        _started(NAMES[1], *worker, *ours, "--name", "member", log=logs["member"]),
        RunFolder.open(tmp_path / "run", specification={}) as folder,
    ):
        _until(logs["member"], "Registered to")
        pieces = [{"i": i, "once": str(tmp_path / "once")} for i in range(6)]
        found = list(results(elsewhere.where, pieces, FolderMap(folder, cluster=str(tmp_path / "cluster.toml"))))
        assert [result.arrays["x"].tolist() for _, result in found] == [[i / 3] for i in range(6)]
        assert {tuple(result.metadata["names"]) for _, result in found} == {("lo", f"{NAMES[1]}1")}
        with existing(str(tmp_path / "cluster.toml"), tmp_path) as engine:
            names = [worker["name"] for worker in engine.client.scheduler_info(n_workers=-1)["workers"].values()]
        assert names == ["member"]
        with (
            pytest.raises(ConfigError, match="no scheduler answers"),
            existing(str(tmp_path / "stranger.toml"), tmp_path),
        ):
            pass
        _until(logs["stranger"], "certificate")
    assert (tmp_path / "once").exists()


SLOW = """
import time
import jax, numpy as np
from recirc.analyses import Result, specification_key

def draw(piece):
    time.sleep(0.3)
    return Result({"x": np.asarray(jax.random.normal(specification_key(piece), (3,)))})
"""


@pytest.mark.slow
def test_a_scheduler_that_dies_is_named_and_the_run_goes_on_elsewhere_to_the_same_bits(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache"))
    import slow  # pyright: ignore[reportMissingImports]

    file, logs = tmp_path / "scheduler.json", [tmp_path / "scheduler.log", tmp_path / "worker.log"]
    (tmp_path / "cluster.toml").write_text(f'scheduler_file = "{file}"')
    where = ["--scheduler-file", str(file), "--no-dashboard"]
    pieces, found = [{"i": i} for i in range(12)], []
    with (
        _started(None, "scheduler", *where, "--host", "127.0.0.1", "--port", "0", log=logs[0]) as scheduler,
        _started(None, "worker", *where, "--nthreads", "1", "--preload", "recirc.runs.preload", log=logs[1]),
    ):
        _until(logs[1], "Registered to")
        with RunFolder.open(tmp_path / "run", specification={}) as folder:
            every = results(slow.draw, pieces, FolderMap(folder, cluster=str(tmp_path / "cluster.toml")))
            found.append(next(every)[1])
            scheduler.kill()
            with pytest.raises(ClusterError, match="the scheduler is gone; what is finished is kept"):
                found += [result for _, result in every]
    assert 1 <= len(found) < 12
    use(monkeypatch)
    with RunFolder.open(tmp_path / "run", specification={}) as folder:
        folder.pieces.refresh()
        assert len(folder.pieces) == len(found)
        after = [result.arrays["x"].tobytes() for _, result in results(slow.draw, pieces, FolderMap(folder))]
    assert after == [slow.draw(piece).arrays["x"].tobytes() for piece in pieces]


def measure(piece):
    return Result({"x": np.array([piece["i"] / 3])})


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_worker_with_another_device_than_the_command_is_refused(device, tmp_path, monkeypatch):
    """Scheduler and worker are of Dask, and in this process, which tells the worker that it computes on a GPU."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    told, real = [{"used": device}], provenance.describe_device
    monkeypatch.setattr(provenance, "describe_device", lambda: told.pop() if told else real())
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
        ) as cluster,
        RunFolder.open(tmp_path / "run", specification={}) as folder,
    ):
        every = results(measure, [{"i": 1}], FolderMap(folder, cluster=cluster.scheduler_address))
        if device == "cpu":
            assert [result.arrays["x"].tolist() for _, result in every] == [[1 / 3]]
            return
        with pytest.raises(VersionError, match=r"computes on cpu, and this command on gpu; .* JAX_PLATFORMS=cuda, or"):
            list(every)
        assert len(folder.pieces) == 0


def test_an_address_elsewhere_without_certificates_is_refused():
    with pytest.raises(ConfigError, match="has no TLS, so that others could run code as you"):
        ClusterConfig.of("tcp://10.0.0.1:8786").found()
    assert ClusterConfig.of("tcp://127.0.0.1:8786").found() == "tcp://127.0.0.1:8786"


def test_files_that_name_no_scheduler_are_refused(tmp_path):
    (tmp_path / "a.toml").write_text('adress = "tls://a:1"')
    with pytest.raises(ConfigError, match="line 1: ClusterConfig has no field 'adress'; did you mean 'address'"):
        ClusterConfig.of(str(tmp_path / "a.toml"))
    (tmp_path / "a.toml").write_text("")
    with pytest.raises(ConfigError, match="either an address or a scheduler_file"):
        ClusterConfig.of(str(tmp_path / "a.toml"))
    (tmp_path / "s.json").write_text("{}")
    for name in ("s.json", "none.json"):
        (tmp_path / "a.toml").write_text(f"scheduler_file = '{tmp_path / name}'")
        with pytest.raises(ConfigError, match="not the file of a Dask scheduler"):
            ClusterConfig.of(str(tmp_path / "a.toml")).found()
