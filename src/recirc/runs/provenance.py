"""Where a run comes from: versions, machine, device, seeds, inputs."""

import contextlib
import functools
import getpass
import hashlib
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_FOLDERS = re.compile(r"[^=\s]*[/\\]")  # in a word of a command
_QUOTED = re.compile(r"""(["'])[^"'\n]*[/\\]([^"'\n]*)\1""")  # a path, perhaps with spaces
_PATH = re.compile(r"""[^=\s"'(]*[/\\](?=\S)""")
_ABSOLUTE = re.compile(r"""(?<![^\s"'(=:,;])(?:~|[A-Za-z]:)?[/\\](?:[^\s"'/\\]+[/\\])+""")  # and no "spikes/s"
_PACKAGES = ("jax", "jaxlib", "equinox", "numpy", "scipy", "diffrax", "scikit-learn", "xarray", "h5py")


@functools.cache
def versions() -> dict[str, str]:
    """Versions of everything that decides the numbers."""
    import recirc

    found = {"recirc": recirc.__version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}


def hash_file(path: str | Path) -> str:
    """sha256 of a file, in hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe_inputs(paths: Sequence[str | Path]) -> dict[str, dict]:
    """sha256 and size in bytes of input files, by absolute path.

    Raises:
        ValueError: if a file cannot be read.
    """
    found = {}
    for path in map(Path, paths):
        try:
            found[str(path.absolute())] = {"sha256": hash_file(path), "size": path.stat().st_size}
        except OSError as error:
            raise ValueError(f"cannot read the input {path}: {error.strerror}.") from None
    return found


def describe_device() -> dict[str, str]:
    """The device that JAX computes on, and the one that was asked for through JAX_PLATFORMS.

    Raises:
        ValueError: if the device asked for is absent.
    """
    import jax

    asked = os.environ.get("JAX_PLATFORMS", "")
    try:
        device = jax.devices()[0]
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"--device or JAX_PLATFORMS asks for {asked}, a device that is not here; give --device cpu, or set "
            "JAX_PLATFORMS=cpu."
        ) from None
    wide = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    found = {"asked": asked or "any", "used": device.platform, "kind": device.device_kind}
    return found | {"dtype": "float64" if wide else "float32"}


def without_places(text: str, places: Iterable[str | Path], *, is_log: bool = True) -> str:
    """Text without folders, user and machine; of a path the name of the file stays.

    Args:
        text: what processes said.
        places: files whose folders are left out even where they are written with spaces and without quotes.
        is_log: whether relative folders are left out too, and with them whatever looks like one: "a/b" becomes "b".

    Example:
        >>> without_places("no /home/me/a b/c.nwb in 'x/y z'", ["/home/me/a b/c.nwb"])
        "no c.nwb in 'y z'"
    """
    known = {str(Path(place).absolute().parent) for place in places} | {os.path.expanduser("~"), str(Path.cwd())}
    for place in sorted(known, key=len, reverse=True):
        text = text.replace(f"{place}{os.sep}", "") if len(place) > 1 else text
    text = _PATH.sub("", _QUOTED.sub(r"\1\2\1", text)) if is_log else _ABSOLUTE.sub("", text)
    names = {platform.node()}
    with contextlib.suppress(OSError, KeyError):  # a user without a name
        names.add(getpass.getuser())
    for name in filter(None, names):
        text = re.sub(rf"\b{re.escape(name)}\b", "…", text)
    return text


def now() -> str:
    """The time, in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def manifest(
    argv: Sequence[str],
    seeds: Sequence[int],
    inputs: Mapping[str, dict],
    *,
    start: str,
    specification: str,
    redact: bool = False,
) -> dict:
    """The contents of `manifest.json`.

    Args:
        argv: the command as typed.
        seeds: every seed in use.
        inputs: what `describe_inputs` said of them when the run began.
        start: when the run began, as `now` gives it.
        specification: hash of the whole specification.
        redact: leave folders out, which tell of user and machine: paths become names of files.

    Raises:
        ValueError: if the device asked for is absent.
    """
    if redact:
        argv = [_FOLDERS.sub("", word) for word in argv]
        names = [Path(path).name for path in inputs]
        several = {f"{name} ({record['sha256'][:8]})": record for name, record in zip(names, inputs.values())}
        inputs = several if len(set(names)) < len(names) else dict(zip(names, inputs.values()))
    device, cpu = describe_device(), platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return {
        "specification": specification, "argv": list(argv), "seeds": list(seeds), "start": start, "end": now(),
        "versions": versions(), "platform": platform.platform(), "device": device,
        "cpu": {"name": cpu, "cores": os.cpu_count()}, "dtype": device["dtype"], "inputs": inputs,
    } | ({"redacted": True} if redact else {})  # fmt: skip
