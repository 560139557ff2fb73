"""DONE, the seal of a finished run folder: the sha256 of every other file."""

from pathlib import Path

from recirc.runs import provenance
from recirc.storage import write_atomic


def is_done(path: str | Path) -> bool:
    """Whether a folder is finished.

    Example:
        >>> is_done("nowhere")
        False
    """
    return (Path(path) / "DONE").is_file()


def seal(root: Path) -> None:
    """Write DONE, in the format of `sha256sum`.

    Raises:
        StorageError: if it cannot be written.
    """
    lines = [f"{digest}  {name}\n" for name, digest in sorted(_hashes(root).items())]
    write_atomic(root / "DONE", "".join(lines).encode())


def verify(path: str | Path) -> list[str]:
    """What is wrong with a finished folder, one sentence each; nothing if it is as DONE says.

    Example:
        >>> verify("nowhere")
        ['nowhere has no DONE: it is unfinished.']
    """
    if not is_done(path):
        return [f"{path} has no DONE: it is unfinished."]
    lines = [line.partition("  ") for line in (Path(path) / "DONE").read_text().splitlines()]
    expected, found = {name: digest for digest, _, name in lines}, _hashes(Path(path))
    gone = [f"{name} is missing." for name in expected.keys() - found.keys()]
    new = [f"{name} was added later." for name in found.keys() - expected.keys()]
    changed = [f"{name} was changed." for name in expected.keys() & found.keys() if expected[name] != found[name]]
    return sorted(gone + new + changed)


def _hashes(root: Path) -> dict[str, str]:
    names = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    names = [name for name in names if name.parts[0] not in ("DONE", "parts")]
    return {name.as_posix(): provenance.hash_file(root / name) for name in names}
