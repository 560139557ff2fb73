"""What a run was begun with: its specification, its inputs, and versions; and whether that is another run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recirc.analyses.pieces import piece_key
from recirc.runs import provenance
from recirc.runs.locks import FolderError


def header_now(specification: Any, inputs: Sequence[str | Path]) -> dict:
    """What a run begins with now."""
    found = {"specification": piece_key(specification), "inputs": provenance.describe_inputs(inputs)}
    return found | {"versions": provenance.versions(), "started": provenance.now()}


def identity_of(inputs: Mapping[str, Mapping]) -> str:
    """What decides every piece of work beside what it says itself: the package's version and its inputs' hashes."""
    return piece_key([provenance.versions()["recirc"], hashes_of(inputs)])


def hashes_of(inputs: Mapping[str, Mapping]) -> list[str]:
    """The hashes of input files, whatever they are called."""
    return sorted(record["sha256"] for record in inputs.values())


def begun_with(root: Path) -> dict | None:
    """What an unfinished folder was begun with; None if it holds no run.

    Raises:
        FolderError: if its `run.json` cannot be read.
    """
    place = root / "parts" / "run.json"
    try:
        found = json.loads(place.read_text())
        header = {name: found[name] for name in ("specification", "inputs", "versions", "started")}
        hashes_of(header["inputs"])
        return header
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        mend = "so that what is finished there cannot be told; mend it, or give another --out"
        raise FolderError(f"{place} cannot be read ({reason}), {mend}.") from error


def header_of(root: Path) -> dict | None:
    """What a folder with a manifest was begun with."""
    try:
        record = json.loads((root / "manifest.json").read_text())
        header = {name: record[name] for name in ("specification", "inputs", "versions")}
        return header | {"started": record["start"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def same_run(root: Path, begun: dict, header: dict) -> dict:
    """What a folder was begun with, if it goes on as the same run with the same versions and input files.

    Raises:
        FolderError: which of these differs.
    """
    for name, record in header["inputs"].items():
        before = begun["inputs"].get(name)
        if before is not None and before["sha256"] != record["sha256"]:
            raise FolderError(f"{name} has changed since {root} was begun; restore it, or give another --out.")
    if begun["specification"] != header["specification"] or begun["inputs"].keys() != header["inputs"].keys():
        other = f"{root} holds an unfinished run of another specification"
        raise FolderError(f"{other}; finish that one with its own command, or give another --out.")
    for name, version in header["versions"].items():
        if (old := begun["versions"].get(name)) != version:
            mixed = f"{root} was begun with {name} {old} and this is {version}; results would mix"
            raise FolderError(f"{mixed}. Go back to that version, or give another --out.")
    return begun
