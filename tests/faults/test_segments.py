"""Rows 1, 2, 4-6 and 24: the files of finished pieces when they are torn, damaged, shared, or cannot grow."""

import contextlib
import hashlib
import os
import pickle
import resource
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from inline_engine import use
from small_disks import full_disks, mounted

from recirc.analyses import Failure, Result, results
from recirc.runs import FinishedError, FolderError, FolderMap, RunFolder, segments
from recirc.runs.locks import NOTHING, Share, Unfinished
from recirc.runs.segments import MAGIC, Segments
from recirc.storage import StorageError, pack


def _name(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def _record(i: int) -> bytes:
    return pack({"x": np.arange(100.0) + i}, {"i": i})


def _written(folder: Path, *numbers: int) -> Path:
    """The file of a writer of these records."""
    before = set(folder.glob("*.segment"))
    store = Segments(folder)
    store.write({_name(i): _record(i) for i in numbers})
    store.close()
    (path,) = set(folder.glob("*.segment")) - before
    return path


def _found(folder: Path, n: int = 10) -> list[int]:
    store = Segments(folder)
    store.refresh()
    here = [i for i in range(n) if _name(i) in store]
    for i in here:
        arrays, about = store.read(_name(i))
        assert about == {"i": i}
        np.testing.assert_array_equal(arrays["x"], np.arange(100.0) + i)
    return here


def test_arrays_are_read_when_they_are_asked_for_and_when_the_files_name_is_gone(tmp_path):
    path = _written(tmp_path, 0, 1)
    store = Segments(tmp_path)
    store.refresh()
    (first, _), (second, _) = (store.read(_name(i)) for i in (0, 1))
    assert (list(first), len(first)) == (["x"], 1)
    path.unlink()
    np.testing.assert_array_equal(first["x"], np.arange(100.0))
    first["x"][:] = 0  # a copy of its own
    assert first["x"][1] == 1
    with pytest.raises(KeyError):
        first["y"]
    np.testing.assert_array_equal(second["x"], np.arange(100.0) + 1)


def test_an_array_that_is_cut_off_is_an_error_with_the_files_name(tmp_path):
    path = _written(tmp_path, 0)
    store = Segments(tmp_path)
    store.refresh()
    arrays, _ = store.read(_name(0))
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(OSError, match="ends before an array does") as error:
        arrays["x"]
    assert error.value.filename == str(path)


def test_a_long_head_is_read_whole(tmp_path):
    store = Segments(tmp_path)
    store.write({_name(0): pack({"x": np.arange(3.0)}, {"text": 50_000 * "a"})})
    store.close()
    arrays, about = store.read(_name(0))
    assert len(about["text"]) == 50_000
    np.testing.assert_array_equal(arrays["x"], np.arange(3.0))


def test_records_of_all_writers_are_found(tmp_path):
    _written(tmp_path, 0, 1)
    _written(tmp_path, 1, 2)
    assert _found(tmp_path) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_others_add_is_found_later(tmp_path):
    reader = Segments(tmp_path)
    with contextlib.closing(Segments(tmp_path)) as writer:
        for i in range(3):
            writer.write({_name(i): _record(i)})
            reader.refresh(alone=False)
            assert len(reader) == i + 1


@pytest.mark.parametrize("lost", [1, 30, 700, 900])
def test_a_torn_last_record_is_dropped_with_a_sentence_and_the_others_stand(lost, tmp_path):
    path = _written(tmp_path, 0, 1, 2)
    os.truncate(path, path.stat().st_size - lost)
    with pytest.warns(UserWarning, match="ends in a record that is not whole; .* computed again"):
        assert _found(tmp_path) == [0, 1]
    store = Segments(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.refresh(alone=False)  # another process may be writing just that record
    assert len(store) == 2
    _written(tmp_path, 2)
    with pytest.warns(UserWarning, match="not whole"):
        assert _found(tmp_path) == [0, 1, 2]


def test_one_wrong_bit_anywhere_costs_one_record(tmp_path):
    path = _written(tmp_path, 0, 1, 2)
    whole = path.read_bytes()
    length = len(whole) // 3
    for position in range(length, 2 * length, 23):
        data = bytearray(whole)
        data[position] ^= 1
        path.write_bytes(data)
        with pytest.warns(UserWarning, match="has a damaged record"):
            assert _found(tmp_path) == [0, 2]


@pytest.mark.parametrize("rubbish", [b"", bytes(5000), pickle.dumps(list(range(999))), MAGIC * 300])
def test_files_that_are_no_segments_hold_nothing(rubbish, tmp_path):
    (tmp_path / "a.segment").write_bytes(rubbish)
    path = _written(tmp_path, 3)
    (tmp_path / "b.segment").write_bytes(rubbish + path.read_bytes())
    path.unlink()
    with contextlib.nullcontext() if not rubbish else pytest.warns(UserWarning, match="segment"):
        assert _found(tmp_path) == [3]


def test_a_failure_stands_until_there_is_a_result(tmp_path):
    _written(tmp_path, 1)
    with contextlib.closing(Segments(tmp_path)) as store:
        store.refresh()
        store.write({_name(0): pack({}, {}), _name(1): pack({}, {})}, tentative=[_name(0), _name(1)])
        assert store.is_tentative(_name(0))
        assert not store.is_tentative(_name(1))
        store.write({_name(0): _record(0)})
        assert not store.is_tentative(_name(0))
    assert _found(tmp_path) == [0, 1]


def _fill(store: Segments) -> None:
    for i in range(100):
        store.write({_name(2 * i + j): _record(2 * i + j) for j in range(2)})


@full_disks(12_000)
def test_a_disk_that_fills_is_named_and_finished_pieces_stand(disk, tmp_path):
    with disk(tmp_path), contextlib.closing(Segments(tmp_path)) as store:
        with pytest.raises(StorageError, match=r"no space left writing .*\.segment"):
            _fill(store)
        n = len(store)
        assert n >= 4
        assert _found(tmp_path, 200) == list(range(n))  # without a warning: nothing torn is left


def test_a_disk_that_becomes_read_only_is_named_and_finished_pieces_stand(tmp_path):
    with mounted(tmp_path, "size=1m"):
        store = Segments(tmp_path)
        store.write({_name(0): _record(0)})
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(StorageError, match="cannot write"):
            Segments(tmp_path).write({_name(1): _record(1)})
        assert _found(tmp_path) == [0]


QUOTA = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
static long left = 5000;
ssize_t write(int file, const void *data, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (file > 2 && (left -= n) < 0) { errno = EDQUOT; return -1; }
    return real(file, data, n);
}
"""

OVER = """
import hashlib, pathlib, sys
from recirc.runs.segments import Segments
from recirc.storage import StorageError
store = Segments(pathlib.Path(sys.argv[1]))
try:
    while True:
        store.write({hashlib.sha256(b"%d" % len(store)).hexdigest(): bytes(1000)})
except StorageError as error:
    print(len(store), error)
store.close()
"""


def test_a_quota_is_named_and_finished_pieces_stand(tmp_path):
    """A library between Python and the system answers writes as a disk does on which the user has no more."""
    (tmp_path / "quota.c").write_text(QUOTA)
    if not (compiler := shutil.which("cc")):
        pytest.skip("there is no compiler")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "quota.so", "quota.c"], cwd=tmp_path, check=True)
    (tmp_path / "run").mkdir()
    environment = os.environ | {"LD_PRELOAD": str(tmp_path / "quota.so"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", OVER, tmp_path / "run"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("4 no space left writing")
    store = Segments(tmp_path / "run")
    store.refresh()  # without a warning: nothing torn is left
    assert len(store) == 4


def test_a_clock_an_hour_off_changes_nothing(tmp_path):
    paths = [_written(tmp_path, 0), _written(tmp_path, 1)]
    for path, seconds in zip(paths, (-3600, 3600)):
        now = path.stat().st_mtime + seconds
        os.utime(path, (now, now))
    assert _found(tmp_path) == [0, 1]


CALLS = []


def square(piece: dict) -> Result:
    CALLS.append(piece["i"])
    if piece["i"] == 3:
        raise ValueError("three")
    return Result({"x": np.array([float(piece["i"] ** 2)])}, {"i": piece["i"]})


PIECES = [{"i": i} for i in range(10)]


def _values(folder: Path, share: Share, **settings) -> list:
    with RunFolder.open(folder, specification=PIECES, share=share, **settings) as run:
        found = list(results(square, PIECES, FolderMap(run)))
        run.write_manifest([], [0])
        run.finish()
    return [result.text if isinstance(result, Failure) else result.arrays["x"].tolist() for _, result in found]


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """What one process alone finds."""
    use(monkeypatch)
    found = _values(tmp_path / "whole", Share())
    CALLS.clear()
    return found


def test_shards_of_one_folder_end_with_what_one_process_finds(whole, tmp_path):
    for index in (3, 1):
        with pytest.raises(Unfinished, match=rf"shard {index} of 3 is finished; \d of 10 pieces are not in"):
            _values(tmp_path / "run", Share(index, 3))
    assert sorted(CALLS) == [0, 2, 3, 5, 6, 8, 9]
    with pytest.raises(Unfinished):
        _values(tmp_path / "run", Share(1, 3))  # resubmitted: what failed is tried again, nothing else
    assert sorted(CALLS) == [0, 2, 3, 3, 5, 6, 8, 9]
    assert _values(tmp_path / "run", Share(2, 3)) == whole
    assert sorted(CALLS) == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9]
    with pytest.raises(FinishedError):
        _values(tmp_path / "run", Share(2, 3))


def test_shards_of_several_folders_are_merged(whole, tmp_path):
    for index in (1, 2):
        with pytest.raises(Unfinished):
            _values(tmp_path / f"{index}", Share(index, 2))
    CALLS.clear()
    with RunFolder.open(tmp_path / "run", specification=PIECES, share=NOTHING) as run:
        assert run.merge(tmp_path / "1") == 5
        with pytest.raises(Unfinished, match="5 of 10 pieces are not in"):
            list(results(square, PIECES, FolderMap(run)))
        assert run.merge(tmp_path / "2") == 5
        assert run.merge(tmp_path / "2") == 0
    assert _values(tmp_path / "run", NOTHING) == whole
    assert CALLS == []


def test_shards_of_another_sweep_or_version_or_none_are_not_merged(tmp_path, monkeypatch):
    RunFolder.open(tmp_path / "other", specification={"another": 1}).close()
    versions = {"recirc": "0.0.1", "python": "3.11"}
    with monkeypatch.context() as patch:
        patch.setattr("recirc.runs.provenance.versions", lambda: versions)
        RunFolder.open(tmp_path / "older", specification=PIECES).close()
    with RunFolder.open(tmp_path / "run", specification=PIECES, share=NOTHING) as run:
        with pytest.raises(FolderError, match="another specification"):
            run.merge(tmp_path / "other")
        with pytest.raises(FolderError, match=r"recirc 0\.0\.1"):
            run.merge(tmp_path / "older")
        with pytest.raises(FolderError, match="no unfinished run"):
            run.merge(tmp_path / "none")


def test_the_same_shard_twice_and_a_driver_beside_shards_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("recirc.runs.locks.PATIENCE", 0.2)
    with RunFolder.open(tmp_path, specification=PIECES, share=Share(1, 3)) as first:
        RunFolder.open(tmp_path, specification=PIECES, share=Share(2, 3)).close()
        for share in (Share(1, 3), Share()):
            with pytest.raises(FolderError, match=f"another process .pid {os.getpid()} on"):
                RunFolder.open(tmp_path, specification=PIECES, share=share)
        with (
            RunFolder.open(tmp_path, specification=PIECES, share=Share(2, 3)) as second,
            pytest.raises(Unfinished, match="still at work"),
        ):
            second.take_over()
        first.take_over()
    with RunFolder.open(tmp_path, specification=PIECES), pytest.raises(FolderError, match="another process"):
        RunFolder.open(tmp_path, specification=PIECES, share=Share(2, 3))


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/2", ""])
def test_a_shard_is_one_of_its_number(text):
    with pytest.raises(ValueError, match="a shard is I/N"):
        Share.parse(text)


def test_ten_thousand_pieces_are_few_files(tmp_path, monkeypatch):
    use(monkeypatch)
    pieces = [{"i": i} for i in range(100, 2100)]
    with RunFolder.open(tmp_path, specification=pieces) as run:
        assert len(list(results(square, pieces, FolderMap(run)))) == 2000
    assert len(list(tmp_path.rglob("*"))) <= 5


def test_more_files_than_a_process_may_open_are_read(tmp_path):
    """As many shards leave them."""
    for i in range(12):
        _written(tmp_path, i)
    store = Segments(tmp_path)
    store.refresh()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MOST_OPEN", 4)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 6, hard))
        try:
            found = [store.read(_name(i)) for i in range(12)]
            assert [float(arrays["x"][0]) for arrays, _ in found] == list(range(12))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
