"""In a worker process: compute a bundle of pieces and give the results back as bytes."""

import contextlib
import ctypes
import os
import shutil
import struct
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recirc.analyses.pieces import Batchable, Done, Failure, Result, unwrapped
from recirc.runs import provenance
from recirc.runs.environment import environment, keep_compiled_programs
from recirc.storage import layout, pack
from recirc.train.checkpoint_folder import TrainingStopped, checkpoints_in, stop_trainings

MOST_MEMORY = 750e6  # bytes of a worker between two bundles, beyond which it forgets its compiled programs
_LENGTH = struct.Struct("<Q")


def run_bundle(
    versions: Mapping[str, str],
    function: Callable[[Any], Done],
    pieces: Sequence[tuple[str, Any]],
    scratch: str | None,
    as_batch: bool = False,
    device: str | None = None,
    proof: str = "",
) -> bytes:
    """Compute pieces one after the other, or as one program.

    Args:
        versions: those of the driver; with others nothing is computed.
        function: of one piece.
        pieces: name in the store, and piece.
        scratch: folder where trainings keep their state until their piece is finished; None for nowhere.
        as_batch: whether several pieces are one program; if that raises, they are computed one after the other.
        device: kind of the driver's ("cpu", "gpu"); on another nothing is computed. None for any.
        proof: a file in `scratch` that only the driver's disk has; where it is not found, nothing is kept there.

    Returns:
        What `records` reads: of every piece what is to be kept; if trainings were asked to stop, of those before.
    """
    if refused := _unfit(versions, device):
        return _framed(pack({}, {"refused": refused}))
    import jax

    jax.config.update("jax_enable_x64", True)
    with warnings.catch_warnings(action="ignore"):  # the driver says it
        keep_compiled_programs()
    stop_trainings(False)
    began = time.perf_counter()
    if as_batch and len(pieces) > 1 and (many := _as_batch(function, [piece for _, piece in pieces])) is not None:
        each = (time.perf_counter() - began) / len(pieces)
        found = [_framed(packed(name, result, each)) for (name, _), result in zip(pieces, many)]
    else:
        is_shared, found = scratch is not None and Path(scratch, proof).exists(), []
        with contextlib.suppress(TrainingStopped):
            for name, piece in pieces:
                found.append(_framed(_computed(function, name, piece, scratch if is_shared else None)))
    free_memory()
    return b"".join(found)


def _as_batch(function: Callable, pieces: Sequence[Any]) -> Sequence[Result | Failure] | None:
    """Results of many pieces as one program; None if that raises."""
    work = unwrapped(function)
    assert isinstance(work, Batchable)  # noqa: S101 the driver asks for no other batches
    try:
        return work.many(pieces)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        warnings.warn(f"a batch of {len(pieces)} failed and is computed one by one: {reason}", stacklevel=2)
        return None


def _computed(function: Callable[[Any], Done], name: str, piece: Any, scratch: str | None) -> bytes:
    """Record of one piece; its trainings go on from where they were."""
    began, place = time.perf_counter(), Path(scratch) / f"training-{name[:32]}" if scratch else None
    with checkpoints_in(place):
        result = function(piece).result
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)
    return packed(name, result, time.perf_counter() - began)


def packed(name: str, result: Result | Failure, seconds: float) -> bytes:
    """A finished piece as it is kept; a result that cannot be kept is a failure."""
    if isinstance(result, Result):
        try:
            return pack(result.arrays, {"name": name, "seconds": seconds, "metadata": dict(result.metadata)})
        except TypeError as error:
            result = Failure(f"TypeError: {error}")
    failure = {"text": result.text, "log": result.log}
    return pack({}, {"name": name, "seconds": seconds, "failure": failure})


def unpacked(arrays: Mapping, about: Mapping[str, Any]) -> Result | Failure:
    """A finished piece from what `packed` kept."""
    return Failure(**about["failure"]) if "failure" in about else Result(arrays, about["metadata"])


def records(data: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each record of a bundle: as it is kept, and what its arrays are of."""
    place = 0
    while place < len(data):
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size + length
        record = data[place - length : place]
        yield record, layout(record)[1]


def _framed(record: bytes) -> bytes:
    return _LENGTH.pack(len(record)) + record


def _unfit(versions: Mapping[str, str], device: str | None) -> str:
    """Why this process must not compute for a driver with these versions and device; empty if it may."""
    here = provenance.versions()
    other = [f"{name} {here.get(name)}, not {wanted}" for name, wanted in versions.items() if here.get(name) != wanted]
    if other:
        return f"a worker has {'; '.join(other)}. Install the same versions everywhere."
    wanted = {name: value for name, value in environment().items() if name != "JAX_PLATFORMS"}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        return "a worker has other settings of threads; start it with `--preload recirc.runs.preload`."
    if device is None:
        return ""
    try:
        used = provenance.describe_device()["used"]
    except ValueError as error:
        return f"a worker cannot compute: {error}"
    platforms = "cuda" if device == "gpu" else device
    mend = f"start it with JAX_PLATFORMS={platforms}, or run the command with the --device of the workers"
    return "" if used == device else f"a worker computes on {used}, and this command on {device}; {mend}."


def free_memory() -> None:
    """Give unused memory back to the system, and forget compiled programs, which are on disk, if much stays in use."""
    import jax

    with contextlib.suppress(OSError, AttributeError):  # systems other than Linux
        ctypes.CDLL(None).malloc_trim(0)
        n_pages = int(Path("/proc/self/statm").read_text().split()[1])
        if n_pages * os.sysconf("SC_PAGESIZE") > MOST_MEMORY:
            jax.clear_caches()
