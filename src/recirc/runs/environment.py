"""The settings under which numbers are computed, and what a terminal shows of warnings."""

import contextlib
import hashlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

_LOG = logging.getLogger("recirc")


def environment() -> dict[str, str]:
    """Environment in which one thread computes, in 64 bits, on the CPU unless JAX_PLATFORMS says otherwise.

    With one thread, bits do not depend on the number of cores. Set it before NumPy and JAX are imported.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # NPROC: XLA's own pool
    flag, flags = "--xla_cpu_multi_thread_eigen=false", os.environ.get("XLA_FLAGS", "")
    return dict.fromkeys(names, "1") | {
        "XLA_FLAGS": flags if flag in flags else f"{flags} {flag}".strip(),
        "JAX_ENABLE_X64": "1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the driver must leave an accelerator's memory to its worker
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
    }


def keep_compiled_programs() -> None:
    """Let JAX keep compiled programs on disk, in a folder for this kind of processor; bits stay the same.

    Warns:
        UserWarning: if they cannot be kept; then every process compiles its own.
    """
    import jax

    from recirc.circuits.cache import cache_folder

    cpu = Path("/proc/cpuinfo")
    if not cpu.exists():  # systems other than Linux
        return
    features = cpu.read_bytes().partition(b"\nflags")[2].partition(b"\n")[0]
    place = cache_folder() / f"jax-{hashlib.sha256(features).hexdigest()[:12]}"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        what = f"compiled programs are not kept, and every process compiles again: {error}"
        warnings.warn(f"{what}; give RECIRC_CACHE=FOLDER of another disk.", stacklevel=2)
        return
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@contextlib.contextmanager
def plain_messages() -> Iterator[None]:
    """Show each warning of ours once, as a sentence, and those of libraries only under RECIRC_DEBUG=1.

    Ours are the UserWarnings that a module of recirc raises, whatever line they point at. Those of libraries, which the
    user cannot mend, go to the logger "recirc", as debugging.
    """
    if os.environ.get("RECIRC_DEBUG"):
        logging.basicConfig()
        _LOG.setLevel(logging.DEBUG)
    said = set()

    def show(message, category, filename, lineno, file=None, line=None):
        from recirc.storage import printable

        sentence = printable(f"recirc: {message}")
        if not issubclass(category, UserWarning) or not _raised_in().startswith("recirc."):
            _LOG.debug(warnings.formatwarning(message, category, filename, lineno, line).strip())
        elif sentence not in said:
            said.add(sentence)
            print(sentence, file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _raised_in() -> str:
    """Name of the module that raised the warning that is being shown."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__") in ("warnings", "_py_warnings"):
        frame = frame.f_back
    return frame.f_globals.get("__name__", "")
