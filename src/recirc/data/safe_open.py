"""The only way a data file is opened; how large its compressed parts are once unfolded is known before they are."""

import atexit
import contextlib
import json
import math
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from recirc.data import probe
from recirc.data.probe import DAMAGE, HARMLESS_BYTES, DataFileError
from recirc.data.probe import DataWarning as DataWarning
from recirc.data.stand_in import head_of

SECONDS, SECONDS_PER_GIB, PATIENCE = 20.0, 20.0, 5.0
MEMORY_BYTES = 4 * 2**30
MATLAB_COMPRESSED, MAX_ARRAYS = 15, 10_000
CHANGED = "it changed while it was looked at; wait until it is written, or copy it first."


def safe_open(path: str | PathLike, *, max_ratio: float = 200.0, spare: bool = False) -> h5py.File:
    """Open an HDF5 file (netCDF-4, NWB, MATLAB 7.3) for reading, once it has been found harmless.

    HDF5 files can lead libraries to other files, declare far more data than they hold, crash the HDF5 library, or keep
    it busy for ever. So another process, with limits of time and memory, goes through the file first: every entry and
    attribute, all strings and references, chunked arrays whole (up to 16 MiB) or their index and both ends. Links and
    references within the file are fine. Nothing is ever unpickled or fetched.

    Args:
        path: the file.
        max_ratio: how many times larger than what is stored an entry, or the whole file, may be once read.
            Looked at above 64 MiB only. Compressed recordings stay under 100; gzip cannot exceed about 1,000.
        spare: let arrays pass, unread, that need a filter that is not built in, or hold ragged or opaque objects; for
            readers that do not ask for these.

    Returns:
        The open file, for a `with` block or as long as something read from it is in use.

    Raises:
        DataFileError: if the file is missing, empty, all zeros, not HDF5, truncated or damaged; if looking at it
            crashes, or takes over 20 s of processor time (and 20 s per GiB) or 4 GiB of memory (and twice its size); or
            if an entry is an external, dangling or user-defined link, has external or virtual storage, needs a filter
            that is not built in, is no numbers, strings or references into the file, or is too large by `max_ratio`.

    Example:
        >>> safe_open("no_such_file.nwb").__enter__()
        Traceback (most recent call last):
        recirc.data.probe.DataFileError: no_such_file.nwb: there is no such file; check the path.
    """
    path = Path(path)
    looked_at = _look("hdf5", path, max_ratio, spare=spare)[2]
    with named(path):
        file = probe.open_hdf5(path)
        if _identity(file.id.get_vfd_handle()) != looked_at:
            file.close()
            raise DataFileError(CHANGED)
        return file


def load_matlab(path: str | PathLike, *, max_ratio: float = 200.0) -> tuple[dict[str, Any], list[np.ndarray]]:
    """All variables of a MATLAB 5 file (versions 5 to 7.2), as `matlab5.take_apart` gives them; see `safe_open`."""
    path = Path(path)
    with named(path):
        check_matlab(path, max_ratio)
    answer, arrays, _ = _look("matlab", path, max_ratio)
    return answer["variables"], arrays


def load_numpy(path: str | PathLike, *, max_ratio: float = 200.0, spare: bool = False) -> dict[str, Any]:
    """All arrays of a .npz file by name, or the one of a .npy file under the name ""; never Python objects.

    With `spare`, single Python objects in an archive are None, as most are, in place of being refused.
    """
    path = Path(path)
    with named(path):
        objects = check_numpy(path, max_ratio, spare=spare)
    with reading(path):
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: None if f"{name}.npy" in objects else loaded[name] for name in loaded.files}


@contextlib.contextmanager
def reading(path: str | PathLike) -> Iterator[None]:
    """Turn what libraries raise on damaged files into a `DataFileError` that names the file."""
    try:
        yield
    except DataFileError as error:
        error.opened = True
        raise
    except (*DAMAGE, MemoryError) as error:
        what = f"{path}: damaged or not laid out as expected ({type(error).__name__}: {error}); export it again."
        raise DataFileError(what, opened=True) from error


@contextlib.contextmanager
def named(where: str | PathLike, kind: type[ValueError] = DataFileError) -> Iterator[None]:
    """Put before what a check says where it was, as the file's name, and make it that kind of error."""
    try:
        yield
    except ValueError as error:
        joint = "," if str(error).startswith(("entry ", "variable ", "coordinate ", "field ")) else ":"
        raise kind(f"{where}{joint} {error}") from error.__cause__


def _look(
    kind: str, path: Path, max_ratio: float, *, spare: bool = False
) -> tuple[dict[str, Any], list[np.ndarray], Any]:
    """Have the other process look at a file, and say which it was; nothing may change it meanwhile."""
    before = _identity(path)
    size = before[2] if before else 0
    request = {"kind": kind, "path": os.path.abspath(path), "max_ratio": max_ratio, "memory": MEMORY_BYTES + 2 * size}
    request["spare"] = spare
    request["seconds"] = seconds = SECONDS + SECONDS_PER_GIB * size / 2**30
    with named(path):
        head_of(path)
        answer, arrays = _other_process.ask(request, seconds)
        if "refused" in answer:
            raise DataFileError(answer["refused"])
        if before != _identity(path):
            raise DataFileError(CHANGED)
    return answer, arrays, before


def _identity(file: Path | int) -> tuple[int, ...] | None:
    """What tells a file, by its path or as it is open, from another and from its own later states."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def check_matlab(path: Path, max_ratio: float) -> None:
    """Go through the variables of a MATLAB 5 file; DataFileError at one that is cut off or unfolds to far more."""
    order = "<" if head_of(path)[126:128] == b"IM" else ">"
    size = path.stat().st_size
    if size < 128:
        raise DataFileError("the file is truncated; copy or export it again.")
    with path.open("rb") as stream:
        stream.seek(128)
        while stream.tell() < size:
            tag = stream.read(8)
            kind, n_bytes = struct.unpack(f"{order}II", tag) if len(tag) == 8 else (0, size)
            if stream.tell() + n_bytes > size:
                raise DataFileError("the file is truncated or damaged; copy or export it again.")
            if kind == MATLAB_COMPRESSED:
                _unfold(stream.read(n_bytes), max_ratio)
            else:
                stream.seek(n_bytes, os.SEEK_CUR)


def _unfold(compressed: bytes, max_ratio: float) -> None:
    allowed = max(HARMLESS_BYTES, max_ratio * len(compressed))
    decompressor, n_bytes = zlib.decompressobj(), 0
    try:
        while compressed and not decompressor.eof:
            n_bytes += len(decompressor.decompress(compressed, 2**20))
            compressed = decompressor.unconsumed_tail
            if n_bytes > allowed:
                mend = "save it with '-nocompression', or raise max_ratio."
                raise DataFileError(f"a variable unfolds to more than {max_ratio:g} times what is stored; {mend}")
    except zlib.error as error:
        raise DataFileError(f"damaged ({error}); save it again in MATLAB.") from error


def check_numpy(path: Path, max_ratio: float, *, spare: bool = False) -> list[str]:
    """Compare what the headers of a .npy or .npz file promise with what is there; DataFileError if it is not that.

    Returns the entries of an archive that are single Python objects, which only `spare` lets pass.
    """
    try:
        if head_of(path).startswith(b"PK"):
            return _check_archive(path, max_ratio, spare)
        with path.open("rb") as stream:
            _check_array(stream, path.stat().st_size, "the array")
        return []
    except DataFileError:
        raise
    except (*DAMAGE, MemoryError) as error:
        raise DataFileError(f"not a whole .npy or .npz file ({error}); save it again.") from error


def _check_archive(path: Path, max_ratio: float, spare: bool) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise DataFileError(f"more than {MAX_ARRAYS:,} arrays; split the file.")
        total = sum(member.file_size for member in members)
        if total > max(HARMLESS_BYTES, max_ratio * path.stat().st_size):
            found = f"its arrays would take {total:,} bytes, more than {max_ratio:g} times what is stored"
            raise DataFileError(f"{found}; save them with np.savez instead of np.savez_compressed, or raise max_ratio.")
        objects = []
        for member in members:
            if member.filename.endswith(".pkl"):
                raise DataFileError("pickles are never read; in PyTorch, use save_file of safetensors.torch.")
            with archive.open(member) as stream:
                if not _check_array(stream, member.file_size, f"entry {member.filename}", spare):
                    objects.append(member.filename)
        return objects


def _check_array(stream: Any, size: int, where: str, spare: bool = False) -> bool:
    """Whether there are numbers or strings; DataFileError if not and not `spare`, or if something is wrong."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataFileError(f"{where}: version {version} of the format; save plain numbers or strings.")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject and spare and not shape:
        return False
    if dtype.hasobject:
        mend = "save np.asarray(x, float), or names as np.asarray(x, str)."
        raise DataFileError(f"{where}: Python objects, which are never read; {mend}")
    promised, stored = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if min(shape, default=0) < 0 or promised != stored:
        raise DataFileError(f"{where}: the header promises {promised:,} bytes, there are {stored:,}; save it again.")
    return True


class _OtherProcess:
    """The process that looks at files: started when first needed, and again when a file has ended it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process: subprocess.Popen | None = None
        self.owner = 0

    def ask(self, request: dict, seconds: float) -> tuple[dict[str, Any], list[np.ndarray]]:
        """What it says of a file, and the arrays that come with it; DataFileError if the process hangs or crashes."""
        slow = f"looking at it took over {seconds:.0f} s of processor time, or five times as long; export it again."
        crash = "looking at it crashed the library that reads it, so it is damaged; copy or export it again."
        with self.lock:
            process = self._running()
            try:
                return _converse(process, request, seconds)
            except TimeoutError as error:
                self.stop()
                raise DataFileError(slow) from error
            except (OSError, ValueError) as error:  # it ended half-way
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                self.stop()
                raise DataFileError(slow if process.returncode == -signal.SIGPROF else crash) from error
            except BaseException:  # interrupted: an answer that is still to come must not be the next one's
                self.stop()
                raise

    def _running(self) -> subprocess.Popen:
        if self.process is None or self.owner != os.getpid() or self.process.poll() is not None:
            self.owner = os.getpid()
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", probe.__file__], env=environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return self.process

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None and self.owner == os.getpid():
            self.process.kill()
            self.process.communicate()
        self.process = None


def _converse(process: Any, request: dict, seconds: float) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Ask, and wait for the answer."""
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], PATIENCE * seconds)[0]:
        raise TimeoutError
    answer = json.loads(process.stdout.readline())
    arrays = []
    for kind, shape in answer.pop("arrays", ()):
        kind = np.dtype(kind)
        arrays.append(np.frombuffer(process.stdout.read(kind.itemsize * math.prod(shape)), kind).reshape(shape))
    return answer, arrays


_other_process = _OtherProcess()
atexit.register(_other_process.stop)
