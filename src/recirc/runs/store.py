"""The run folder: staged while it grows, sealed by DONE when it is whole."""

import contextlib
import os
import shutil
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from recirc.analyses.table import Claim, Row
from recirc.data import netcdf
from recirc.runs import provenance
from recirc.runs.header import begun_with, hashes_of, header_now, header_of, identity_of, same_run
from recirc.runs.locks import WHOLE, FinishedError, FolderError, Lock, Share, Unfinished
from recirc.runs.metrics import metrics_text, strict_json
from recirc.runs.seal import is_done, seal
from recirc.runs.segments import Segments
from recirc.storage import TEMPORARY, explained, write_atomic

if typing.TYPE_CHECKING:
    import xarray

FAILURES = "failures.log"  # is there only if a piece of work failed


class RunFolder:
    """A folder of results that is either unfinished and resumable, or sealed by DONE.

    Open it with `RunFolder.open`, as a context. `root` is its path, `resumed` says whether it was begun before,
    `started` when, `inputs` holds what its input files were then, `pieces` what is finished, `share` whose work it is.
    `workers` compute for it, until `at_end` is closed with the folder.

    Example:
        >>> with RunFolder.open("run", specification={"seed": 0}) as folder:
        ...     print(folder.resumed, recirc.runs.is_done("run"))
        False False
    """

    def __init__(self, root: Path, lock: Lock, header: dict, resumed: bool, share: Share):
        self.root, self._lock, self._header, self.resumed, self.share = root, lock, header, resumed, share
        self.started, self.inputs, self.pieces = header["started"], header["inputs"], Segments(root / "parts")
        self.at_end, self.workers = contextlib.ExitStack(), typing.cast(typing.Any, None)
        if self.is_alone:
            self._clear()

    @classmethod
    def open(
        cls, path: str | Path, *, specification, inputs: Sequence[str | Path] = (), share: Share = WHOLE
    ) -> "RunFolder":
        """Begin a run, or go on with the same run where it stopped.

        Args:
            path: the folder; made if it does not exist.
            specification: all that decides the results: dataclasses or JSON.
            inputs: files that the run reads.
            share: which pieces are to be computed here; others with other shares may be at work at once.

        Raises:
            FinishedError: if the folder is finished, unless pieces of this run failed: those are to be tried once more.
            FolderError: if it holds other files or another run, or another process is writing to it.
            StorageError: if it cannot be written to.
        """
        root = Path(os.path.abspath(path))
        header = header_now(specification, inputs)
        if is_done(root) and not _can_retry(root, header):
            found = header_of(root)
            raise FinishedError(root, found is not None and found["specification"] == header["specification"])
        _refuse_foreign(root)
        lock = Lock(root, share)
        try:
            if resumed := (found := begun_with(root)) is not None:
                header = same_run(root, found, header)
            else:
                write_atomic(root / "parts" / "run.json", strict_json(header).encode())
            return cls(root, lock, header, resumed, share)
        except BaseException:
            lock.close()
            raise

    @classmethod
    def reopen(cls, path: str | Path) -> "RunFolder":
        """Open a folder that has all its numbers, to make its report anew; `finish` seals it again.

        Raises:
            FolderError: if it has no `metrics.json` and `manifest.json`, or another process is writing to it.
        """
        root = Path(os.path.abspath(path))
        header = header_of(root)
        if header is None or not (root / "metrics.json").is_file():
            raise FolderError(f"{root} is not a run folder with manifest.json and metrics.json.")
        return cls(root, Lock(root, WHOLE), header, True, WHOLE)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __fspath__(self) -> str:
        return str(self.root)

    def close(self) -> None:
        """Stop the workers, if there are any, and let others write to the folder."""
        self.at_end.close()
        self.pieces.close()
        self._lock.close()

    @property
    def is_alone(self) -> bool:
        """Whether no other driver may be at work in the folder."""
        return self._lock.is_alone

    @property
    def identity(self) -> str:
        """As `identity_of`, of this run."""
        return identity_of(self.inputs)

    def take_over(self) -> None:
        """Have the folder alone, when this driver's share is done.

        Raises:
            Unfinished: if others are at work in it.
            FolderError: if another one has just finished it.
        """
        if not self._lock.take_over():
            raise Unfinished(self.root, self.share, 0, 0)
        self._clear()

    def discard(self) -> None:
        """Leave nothing of a run that was begun here and has kept nothing, unless others are at work in the folder."""
        self.at_end.close()
        with contextlib.suppress(FolderError, OSError):
            parts = self.root / "parts"
            kept = [path for path in parts.iterdir() if path.name != "run.json" and not path.name.startswith("lock")]
            if not self.resumed and not kept and self._lock.take_over():
                shutil.rmtree(parts, ignore_errors=True)
                (self.root / "config.toml").unlink(missing_ok=True)
                self.root.rmdir()  # unless it holds something else

    def merge(self, other: str | Path) -> int:
        """Take the finished pieces of another unfinished folder of the same run; returns how many are new.

        Raises:
            FolderError: if it holds none, or a run of another specification or version.
        """
        if (begun := begun_with(Path(other))) is None:
            raise FolderError(f"{other} holds no unfinished run; give the folders that shards have written.")
        inputs = begun["inputs"] if hashes_of(begun["inputs"]) == hashes_of(self.inputs) else self.inputs
        same_run(Path(other), begun, self._header | {"inputs": inputs, "versions": provenance.versions()})
        found = Segments(Path(other) / "parts")
        found.refresh()
        self.pieces.refresh()
        return self.pieces.merge(found)

    def _clear(self) -> None:
        for leftover in self.root.rglob(TEMPORARY):
            leftover.unlink()

    def path(self, name: str) -> Path:
        """Path of a file in the folder.

        Args:
            name: relative, with forward slashes; pass what comes from data through `file_name` first.

        Raises:
            FolderError: if the name leads out of the folder, directly or through a link, or is kept for the store.
        """
        parts = PurePosixPath(name).parts
        unsafe = not parts or ".." in parts or parts[0] == "/" or "\\" in name or not name.isprintable()
        target = self.root.joinpath(*parts)
        if unsafe or not target.parent.resolve().is_relative_to(self.root.resolve()):
            raise FolderError(f"{name!r} is not the name of a file inside {self.root}.")
        if parts[0].lower() in ("done", "parts"):
            raise FolderError(f"{name!r} is kept for the store; use another name.")
        return target

    def write(self, name: str, data: str | bytes) -> Path:
        """Write a file whole or not at all, and return its path.

        Raises:
            FolderError: as `path`.
            StorageError: if the disk is full or the folder cannot be written to.
        """
        target = self.path(name)
        write_atomic(target, data.encode() if isinstance(data, str) else data)
        return target

    def write_dataset(self, name: str, dataset: "xarray.Dataset") -> None:
        """Write labelled arrays as netCDF-4.

        Raises:
            ValueError: if a variable has no `units` attribute.
            FolderError, StorageError: as `write`.
        """
        netcdf.write_dataset(dataset, self.path(name))

    def write_metrics(self, study: str, preset: str, rows: Sequence[Row], claims: Sequence[Claim] = ()) -> None:
        """Write `metrics.json`."""
        self.write("metrics.json", metrics_text(study, preset, rows, claims))

    def write_history(self, passes: Iterable[Mapping]) -> None:
        """Write `history.jsonl`, one line per training pass."""
        self.write("history.jsonl", "".join(strict_json(line, None) + "\n" for line in passes))

    def write_manifest(self, argv: Sequence[str], seeds: Sequence[int], *, redact: bool = False) -> None:
        """Write `manifest.json`; call it last but for the report, since it holds the time of the end."""
        begun = {"start": self.started, "specification": self._header["specification"], "redact": redact}
        self.write("manifest.json", strict_json(provenance.manifest(argv, seeds, self.inputs, **begun)))

    def unseal(self) -> None:
        """Make a finished folder unfinished, before its files are written anew.

        Raises:
            StorageError: if it cannot be written to.
        """
        with explained(self.root / "DONE"):
            (self.root / "DONE").unlink(missing_ok=True)

    def finish(self, keep: bool = True) -> None:
        """Seal the folder: write DONE with the sha256 of every file, in the format of `sha256sum`.

        Args:
            keep: whether finished pieces stay in `parts/` where others failed, so that those can be tried once more.
        """
        self.at_end.close()
        seal(self.root)
        shutil.rmtree(self.root / "parts" / "live", ignore_errors=True)
        if not (keep and (self.root / FAILURES).is_file() and (self.root / "parts" / "run.json").is_file()):
            shutil.rmtree(self.root / "parts", ignore_errors=True)


def _can_retry(root: Path, header: dict) -> bool:
    """Whether a finished folder has pieces of this run that failed, and all others."""
    try:
        return (root / FAILURES).is_file() and bool((begun := begun_with(root)) and same_run(root, begun, header))
    except FolderError:
        return False


def _refuse_foreign(root: Path) -> None:
    with explained(root):
        if (root / "parts").is_symlink():
            raise FolderError(f"{root / 'parts'} is a link; a run folder holds its own parts. Give another --out.")
        if not root.exists() or (root / "parts" / "run.json").exists():
            return
        entries = [*root.iterdir(), *(root / "parts").glob("*")]
    names = [entry.name for entry in entries if entry.name not in ("parts", "lock") and entry.suffix != ".tmp"]
    strange = [name for name in names if not name.startswith("lock-")]
    if strange:
        raise FolderError(f"{root} holds {strange[0]!r}, which no run left there; give a new or empty --out.")
