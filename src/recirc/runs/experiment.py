"""An experiment: pieces of work to one table, to claims, to a run folder. Every study, fit and comparison runs here."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recirc.analyses.pieces import Map
from recirc.analyses.result import AnalysisResult
from recirc.runs.folder_map import FolderMap
from recirc.runs.report import ReportText, build, write_text
from recirc.runs.store import RunFolder


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


def run(experiment: Experiment, out: str | Path, *, jobs: int = 1, argv: Sequence[str] = ()) -> AnalysisResult:
    """Run an experiment into a folder, or go on with it.

    Args:
        experiment: what to run.
        out: the run folder; it appears whole, and is sealed by DONE.
        jobs: worker processes; the numbers do not depend on it.
        argv: the command, for the manifest.

    Raises:
        ValueError: if the folder cannot be used, or the work cannot be done.
        StorageError: if results cannot be written.
    """
    record = {"study": experiment.study, "preset": experiment.preset, "specification": experiment.specification}
    with RunFolder.open(out, specification=record, inputs=experiment.inputs) as folder:
        folder.write("config.toml", experiment.config())
        if experiment.foretold:
            print(experiment.foretold, file=sys.stderr, flush=True)
        result = experiment.analyse(FolderMap(folder, jobs=jobs))
        folder.write_metrics(experiment.study, experiment.preset, result.rows, result.claims)
        folder.write_dataset("activity.nc", result.arrays)
        if result.networks is not None:
            folder.write_dataset("networks.nc", result.networks)
        folder.write_history(result.history)
        write_text(folder, dataclasses.replace(experiment.words(result), about=result.about))
        folder.write_manifest(argv, [experiment.seed])
        build(folder, result=result)
        folder.finish()
    return result
