"""The settings under which numbers are computed."""

import contextlib
import hashlib
import os
import warnings
from pathlib import Path


def environment() -> dict[str, str]:
    """Environment in which one thread computes, in 64 bits, on the CPU unless JAX_PLATFORMS says otherwise.

    One thread keeps worker processes out of each other's way, and makes the bits independent of the number of
    cores. Set it before NumPy and JAX are imported.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # NPROC: XLA's own pool
    flag, flags = "--xla_cpu_multi_thread_eigen=false", os.environ.get("XLA_FLAGS", "")
    return dict.fromkeys(names, "1") | {
        "XLA_FLAGS": flags if flag in flags else f"{flags} {flag}".strip(),
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
    }


def keep_compiled_programs() -> None:
    """Let JAX keep compiled programs on disk, in a folder for this kind of processor.

    A later process then starts sooner, with the same bits. Without a place to write, nothing is kept.
    """
    import jax

    from recirc.circuits.cache import cache_folder

    with contextlib.suppress(OSError):
        features = Path("/proc/cpuinfo").read_bytes().partition(b"\nflags")[2].partition(b"\n")[0]
        place = cache_folder() / f"jax-{hashlib.sha256(features).hexdigest()[:12]}"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(place, os.W_OK):
            warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
            jax.config.update("jax_compilation_cache_dir", str(place))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
