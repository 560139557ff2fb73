"""An experiment: pieces of work to one table, to claims, to a run folder. Every study, fit and comparison runs here."""

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from recirc.analyses.pieces import Map
from recirc.analyses.result import AnalysisResult
from recirc.runs import provenance
from recirc.runs.failures import NotingMap
from recirc.runs.folder_map import FolderMap
from recirc.runs.locks import NOTHING, Share
from recirc.runs.report import ReportText, build, write_text
from recirc.runs.seal import is_done
from recirc.runs.store import FAILURES, RunFolder


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is run into a folder.

    Args:
        study: its name, as in `metrics.json`.
        specification: all that decides the results; dataclasses or JSON.
        analyse: does the work with the map that it is given.
        words: the report's words, written by the result.
        config: the resolved configuration as TOML, made when the work begins.
        preset: its size.
        seed: of everything random.
        inputs: files that decide the results.
        foretold: how much work it is, as a sentence; said when it begins.
        n_networks, n_seconds: the same in numbers, the latter of one core; None for what is not known before.
        seeds: every seed, if there are more than `seed`.
        files: further files of the folder, text or labelled arrays, by name.

    Example:
        >>> experiment = recirc.studies.experiment("salatiello2020", seed=1)
        >>> experiment.study, experiment.preset, experiment.seed
        ('salatiello2020', 'quick', 1)
    """

    study: str
    specification: Any
    analyse: Callable[[Map], AnalysisResult]
    words: Callable[[AnalysisResult], ReportText]
    config: Callable[[], str]
    preset: str = "default"
    seed: int = 0
    inputs: Sequence[Path] = ()
    foretold: str = ""
    n_networks: int | None = None
    n_seconds: float | None = None
    seeds: Sequence[int] = ()
    files: Callable[[AnalysisResult], Mapping[str, str | xr.Dataset]] = lambda result: {}


def run(
    experiment: Experiment,
    out: str | Path,
    *,
    jobs: int = 1,
    argv: Sequence[str] = (),
    shard: str = "1/1",
    merge: Sequence[str | Path] = (),
    cluster: str | None = None,
    batch: int | None = None,
    redact: bool = False,
) -> AnalysisResult:
    """Run an experiment into a folder, or go on with it; in a finished one try once more what failed.

    Args:
        experiment: what to run.
        out: the run folder; it appears whole, and is sealed by DONE.
        jobs: worker processes; the numbers do not depend on it.
        argv: the command, for the manifest.
        shard: "I/N" for every N-th piece only, from the I-th.
        merge: folders of shards, whose finished pieces are collected; then nothing is computed.
        cluster: address of a Dask scheduler, or a TOML file that says where it is; None for processes here.
        batch: how many networks of a sweep are one program; None for one on a CPU and many on an accelerator.
        redact: leave user, machine and paths out of the manifest and of `failures.log`; then what failed is not tried
            once more in a finished folder.

    Raises:
        ValueError: if the folder cannot be used, or the work cannot be done.
        Unfinished: if pieces of other shards are not there yet.
        StorageError: if results cannot be written.
    """
    record = {"study": experiment.study, "preset": experiment.preset, "specification": experiment.specification}
    share = NOTHING if merge else Share.parse(shard)
    with RunFolder.open(out, specification=record, inputs=experiment.inputs, share=share) as folder:
        if is_done(folder.root):
            print(f"{out} is finished; what failed is tried once more.", file=sys.stderr, flush=True)
        map = NotingMap(FolderMap(folder, jobs=jobs, cluster=cluster, batch=batch))
        try:
            result = _analysed(folder, experiment, map, merge)
        except ValueError:
            folder.discard()
            raise
        folder.unseal()
        secret = [*experiment.inputs, *merge] if redact else None
        _write_failures(folder, map, secret)
        result = result if secret is None else _without_places(result, [folder.root, *secret])
        _write(folder, experiment, result, argv, redact)
    return result


def _analysed(folder: RunFolder, experiment: Experiment, map: NotingMap, merge: Sequence[str | Path]) -> AnalysisResult:
    """What the work comes to, with the pieces of other folders."""
    folder.write("config.toml", experiment.config())
    if experiment.foretold:
        print(experiment.foretold, file=sys.stderr, flush=True)
    for other in merge:
        print(f"{folder.merge(other)} finished pieces taken from {other}.", file=sys.stderr, flush=True)
    return experiment.analyse(map)


def _write(
    folder: RunFolder, experiment: Experiment, result: AnalysisResult, argv: Sequence[str], redact: bool
) -> None:
    """Every file of a finished run, and its seal."""
    folder.write_metrics(experiment.study, experiment.preset, result.rows, result.claims)
    if result.arrays.variables:
        folder.write_dataset("activity.nc", result.arrays)
    if result.networks is not None:
        folder.write_dataset("networks.nc", result.networks)
    folder.write_history(result.history)
    write_text(folder, dataclasses.replace(experiment.words(result), about=result.about))
    for name, content in experiment.files(result).items():
        (folder.write if isinstance(content, str) else folder.write_dataset)(name, content)  # pyright: ignore
    folder.write_manifest(argv, experiment.seeds or [experiment.seed], redact=redact)
    if redact:  # only now: until here it says where the inputs of an unfinished run are
        folder.write("config.toml", _without_folders(experiment.config(), experiment.inputs))
    build(folder, result=result)
    folder.finish(keep=not redact)  # what is kept names folders


def _write_failures(folder: RunFolder, map: NotingMap, secret: Sequence[str | Path] | None) -> None:
    """What failed and why, if anything did; without places, such as the folders of `secret`, unless that is None."""
    folder.path(FAILURES).unlink(missing_ok=True)
    if map.noted:
        text = map.log()
        folder.write(FAILURES, text if secret is None else provenance.without_places(text, [folder.root, *secret]))
        several = "piece of work" if len(map.noted) == 1 else "pieces of work"
        print(f"{len(map.noted)} {several} failed; {folder.root / FAILURES} says why.", file=sys.stderr, flush=True)


def _without_places(result: AnalysisResult, places: Sequence[str | Path]) -> AnalysisResult:
    """A result in which what failed, and what is said of it, names no folder, user or machine."""

    def clean(text: str) -> str:
        return provenance.without_places(text, places, is_log=False)

    rows = [
        dataclasses.replace(row, condition={**row.condition, "outcome": clean(str(row.condition["outcome"]))})
        if "outcome" in row.condition else row
        for row in result.rows
    ]  # fmt: skip
    about = dict(result.about)
    about |= {"notes": [clean(note) for note in about["notes"]]} if "notes" in about else {}
    sentences = {name: clean(text) for name, text in result.sentences.items()}
    return dataclasses.replace(result, rows=tuple(rows), sentences=sentences, about=about)


def _without_folders(config: str, inputs: Sequence[Path]) -> str:
    """A configuration in which input files have nothing but their names."""
    for name in {json.dumps(Path(path).name, ensure_ascii=False)[1:-1] for path in inputs}:
        config = re.sub(rf'"(?:[^"\\\n]|\\.)*/{re.escape(name)}"', lambda _, name=name: f'"{name}"', config)
    return config
