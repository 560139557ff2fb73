"""What `recirc sweep --dry-run` says."""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from recirc.analyses.pieces import Done, Keyed, piece_key
from recirc.runs import FinishedError, RunFolder, is_done
from recirc.runs.experiment import Experiment
from recirc.runs.folder_map import kind_of, name_of
from recirc.runs.header import begun_with, header_now, identity_of, same_run
from recirc.runs.locks import WHOLE, Share
from recirc.runs.progress import duration
from recirc.runs.provenance import describe_inputs, hash_file
from recirc.runs.segments import Segments
from recirc.studies.sweep.bases import AbstractExperiment, Recording, Study
from recirc.studies.sweep.config import SweepConfig
from recirc.studies.sweep.cost import Work, cost, time_training, time_whole
from recirc.studies.sweep.design import Run, experiment, experiment_identity, pieces_of, runs_of
from recirc.studies.sweep.training import Training, train_piece


def foretell(config: SweepConfig, out: Path, jobs: int, share: Share = WHOLE) -> str:
    """How many runs a sweep has, how long it takes and how large it becomes, in sentences.

    Times are those of finished networks in the folder, if it has any. Otherwise those of a few networks, which are
    trained here for a few passes, or of a few pieces of a study, which are computed here; fits are foretold.

    Args:
        config: of the sweep.
        out: its folder.
        jobs: worker processes.
        share: which of the runs are to be done.

    Raises:
        ValueError: if an input file cannot be read, or the folder holds something else, as the sweep itself would.
    """
    made, runs, n_seeds = experiment(config), runs_of(config), len(set(config.seeds))
    identity = identity_of(describe_inputs(made.inputs))
    numbers = {"run": len(runs), "setting": len(runs) // n_seeds, "seed": n_seeds}
    n_runs, n_settings, seeds = (f"{n} {name}{'s' * (n != 1)}" for name, n in numbers.items())
    said = f"{n_runs}: {n_settings}, {seeds}."
    if _is_finished(made, out):
        return f"{said} All are finished, in {out}; nothing is left to do."
    own = [run for i, run in enumerate(runs) if share.has(i)]
    said += "" if share.is_whole else f" Shard {share.index} of {share.total} has {len(own)} of them."
    if not own:
        return said
    if isinstance(config.base, Recording):
        return f"{said} {_of_fits(own, out, jobs)}"
    if isinstance(config.base, Training):
        besides = ", within a factor of two, besides starting and compiling"
        found = cost(_trainings(config, own, identity), out, "compiled")
    else:
        pieces, besides = _studies(own, identity), ", within a factor of two"
        found, said = cost(pieces, out, "with compiling"), f"{said} They are {len(pieces)} pieces of work."
    left = f"{found.n_finished} are finished; the rest takes" if found.n_finished else "They take"
    shared = f"{duration(found.seconds / jobs)} with {jobs} jobs ({found.how}){besides}"
    size = f"the store {found.n_bytes / 1e6:.3g} MB in one file per driver; the table {len(runs)} lines"
    return f"{said} {left} about {duration(found.seconds)} of one core, {shared}; {size}."


def _trainings(config: SweepConfig, runs: Sequence[Run], identity: str) -> dict[str, Work]:
    """The networks of a sweep of trainings."""
    pieces = pieces_of(config, runs)
    named = {name_of(train_piece, piece_key(piece), identity): piece for piece in pieces}
    return {name: Work(piece.kind, functools.partial(time_training, piece)) for name, piece in named.items()}


class _Asked(Exception):
    """What a study would have computed."""

    def __init__(self, function: Callable[[Any], Done], pieces: Keyed):
        super().__init__()
        self.function, self.pieces = function, pieces


def _ask(function: Callable[[Any], Done], pieces: Iterable[Any]) -> NoReturn:
    """A map that computes nothing."""
    raise _Asked(function, Keyed(pieces))


def _studies(runs: Sequence[Run], identity: str) -> dict[str, Work]:
    """The pieces of a sweep of studies, each of which asks for all of its pieces at once."""
    named, digest = {}, functools.cache(hash_file)
    for _, base, seed in runs:
        assert isinstance(base, Study)  # noqa: S101 the others are trainings and fits
        own, setting = identity + experiment_identity(base, seed, digest), piece_key(base.specification())
        try:
            base.experiment(seed).analyse(_ask)
        except _Asked as asked:
            for key, piece in asked.pieces.by_key.items():
                timed = functools.partial(time_whole, asked.function, piece)
                named[name_of(asked.function, key, own)] = Work(f"{setting} {kind_of(piece)}", timed)
    return named


def _of_fits(runs: Sequence[Run], out: Path, jobs: int) -> str:
    """What a sweep of fits trains and how long that takes, each setting foretold for one of its seeds."""
    number, time, unread = 0, 0.0, 0
    known: dict[str, tuple[int, float | None] | None] = {}
    for _, base, seed in runs:
        assert isinstance(base, AbstractExperiment)  # noqa: S101 it is a `Recording`
        if (setting := piece_key(base)) not in known:
            known[setting] = _of_fit(base, seed)
        if (found := known[setting]) is None:
            unread += 1
            continue
        number += found[0]
        time = None if time is None or found[1] is None else time + found[1]
    store = Segments(out / "parts")
    store.refresh(alone=False)
    said = f"Together they train and run {number} networks"
    if unread:
        said += f"; {unread} runs cannot be made, and will be lines of the table that say why"
    if len(store):
        said += f"; {len(store)} pieces of work are finished"
    if time is None:
        return f"{said}. How long is foretold for full-FORCE only: begin, and look at the progress."
    shared = f"{duration(time / jobs)} with {jobs} jobs"
    return f"{said}: about {duration(time)} of one core if nothing is finished, {shared}, within a factor of two."


def _of_fit(base: AbstractExperiment, seed: int) -> tuple[int, float | None] | None:
    """Networks and seconds of a fit; None if it cannot be made."""
    try:
        made = base.experiment(seed)
    except ValueError:
        return None
    return made.n_networks or 0, made.n_seconds


def _is_finished(made: Experiment, out: Path) -> bool:
    """Whether a folder is this sweep, sealed.

    Raises:
        FolderError: if it holds another run.
    """
    record = {"study": made.study, "preset": made.preset, "specification": made.specification}
    if not is_done(out):
        if (begun := begun_with(out)) is not None:
            same_run(out, begun, header_now(record, made.inputs))
        return False
    try:
        RunFolder.open(out, specification=record, inputs=made.inputs).close()
    except FinishedError as error:
        if not error.same:
            raise
        return True
    return False  # what failed is to be tried once more
