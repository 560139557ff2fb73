"""`recirc fit`: networks trained on a recording, judged on units and directions that they never saw."""

import dataclasses
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from recirc.analyses import Failure
from recirc.data import DataWarning
from recirc.data.prepared import Prepared
from recirc.data.screening import printable
from recirc.runs import RunFolder, dump_config, load_config
from recirc.runs.progress import Progress
from recirc.runs.sweep import run_all
from recirc.studies import fit_report
from recirc.studies.fit_inputs import Candidate, FitConfig, Recording, prepare, read
from recirc.studies.fit_network import Piece, train_piece
from recirc.studies.fit_scores import Scored, direct_map, direction_r2, interpolated, make_claims, make_rows

INNER_SEED = -1
INNER_FOLD = 0


class Choice(NamedTuple):
    """The regime for one left-out direction, chosen without it.

    Args:
        candidate: settings of the network.
        penalty: of the map to units.
        r2: with them, in directions left out of the training set; nan where there was nothing to choose.
    """

    candidate: Candidate
    penalty: float
    r2: float


Regimes = dict[bool, list[Choice]]  # of trained and of untrained networks, one per left-out direction


def run(
    data: Path,
    *,
    out: Path,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    recorded_fraction: float | None = None,
    jobs: int = 1,
    seed: int = 0,
) -> bool:
    """Fit a recording and write a run folder; the same call goes on with an unfinished one.

    Units are judged fold by fold: those of a fold are never hints, the others are. Directions are left out one
    at a time. For each, the regime is chosen among the other directions only.

    Args:
        data: a session of spikes (NWB), or average rates (netCDF).
        out: the run folder.
        config: TOML file of a `FitConfig`.
        overrides: "key=value", over it.
        recorded_fraction: share of all units that serve as hints; none for all of the other folds.
        jobs: worker processes.
        seed: of everything random.

    Returns:
        Whether no claim failed.

    Raises:
        ValueError: if the recording or the configuration cannot be used; nothing is written then.
        StorageError: if results cannot be written.
    """
    data = Path(data).absolute()
    if recorded_fraction is not None:
        overrides = (*overrides, f"recorded_fraction={recorded_fraction}")
    settings = load_config(FitConfig, config, overrides)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        recorded = read(data, settings, seed)
        settings, notes = resolved(settings, recorded)
        recording = prepare(recorded.averages, settings, seed=seed)
    for note in notes:
        print(printable(note))
    doubts = [str(warning.message) for warning in caught]
    for doubt in doubts:
        warnings.warn(doubt, DataWarning, stacklevel=2)
    notes = [*notes, *doubts]
    specification = {"study": "fit", "config": settings, "seed": seed}
    with RunFolder.open(out, specification=specification, inputs=[data]) as folder:
        runner = _Runner(folder, jobs)
        regimes = choose_regimes(data, recording, settings, seed, runner)
        made, untrained = train_networks(data, recording, settings, seed, regimes, runner)
        tests = {i: inner_directions(i, len(recording.angles)) for i in range(len(recording.angles))}
        baselines = interpolated(recording, settings, tests)
        baselines["direct_map"] = direct_map(recording, settings, seed)
        baselines["untrained"] = Scored(untrained.predictions, {}, {}, {}).ensemble
        scored = Scored(made.predictions, baselines, _output_errors(recording, made.arrays), made.failures)
        key = jax.random.key(seed)
        rows = make_rows(recording, settings, scored, key=key)
        claims = make_claims(recording, settings, scored, key=key)
        folder.write("config.toml", dump_config(settings))
        folder.write_dataset("activity.nc", fit_report.activity_dataset(recording, scored, made.arrays))
        folder.write_dataset("networks.nc", fit_report.networks_dataset(made.arrays))
        folder.write_history(runner.history)
        folder.write_metrics("fit", "default", rows, claims)
        folder.write_manifest(sys.argv, [seed])
        fit_report.write(folder, recording, settings, rows, claims, regimes[True], notes)
        folder.finish()
    return all(claim.supported is not False for claim in claims)


def resolved(config: FitConfig, recorded: Prepared) -> tuple[FitConfig, list[str]]:
    """The configuration with nothing left open that the recording answers, and what to say about it."""
    config, notes = dataclasses.replace(config, preprocessing=recorded.chain), list(recorded.averages.notes)
    time = recorded.averages.time
    inside = {name: when for name, when in recorded.averages.events.items() if time[0] < when < time[-1]}
    cue = next((name for name in inside if re.match(r"go(_|cue|$)", name.lower())), None)
    if config.go_cue is None and cue is not None:
        notes.append(f"The networks' go input switches on at {inside[cue]:.3f} s, the median of {cue}.")
        config = dataclasses.replace(config, go_cue=round(inside[cue], 6))
    return config, notes


class _Runner:
    """Runs pieces in worker processes and keeps the log of every training."""

    def __init__(self, folder: RunFolder, jobs: int):
        self.folder, self.jobs = folder, jobs
        self.history: list[dict] = []

    def __call__(self, pieces: Sequence[Piece], what: str) -> Iterable[tuple[Piece, Mapping[str, np.ndarray] | str]]:
        """Every piece with its arrays, or with the sentence that says why there are none."""
        progress = Progress(what)
        for piece, result in run_all(train_piece, pieces, jobs=self.jobs, folder=self.folder, progress=progress):
            if isinstance(result, Failure):
                yield piece, result.text
                continue
            about = {"left_out": list(piece.left_out), "fold": piece.fold, "seed": piece.seed}
            about |= piece.candidate._asdict()
            self.history += [about | entry for entry in result.metadata["history"]]
            yield piece, result.metadata.get("outcome") or result.arrays


def inner_pairs(n_directions: int) -> list[tuple[int, int]]:
    """Pairs of directions that are left out together to choose the regime; each serves both of its members.

    The two lie at least two steps apart if there are six directions or more, so that the gap around the tested
    one is as wide as in the outer problem, and at three distances at most, so that the work grows only in
    proportion to the number of directions.

    Example:
        >>> len(inner_pairs(8)), len(inner_pairs(16))
        (20, 40)
    """
    nearest = 1 if n_directions < 6 else 2
    steps = np.unique(np.linspace(nearest, n_directions // 2, 3).round().astype(int))
    found = {tuple(sorted((i, (i + int(step)) % n_directions))) for i in range(n_directions) for step in steps}
    return sorted(found)  # pyright: ignore[reportReturnType]


def inner_directions(left_out: int, n_directions: int) -> list[int]:
    """Directions on which the regime for a left-out one is judged."""
    pairs = [pair for pair in inner_pairs(n_directions) if left_out in pair]
    return sorted(sum(pair) - left_out for pair in pairs)


def choose_regimes(data: Path, recording: Recording, config: FitConfig, seed: int, runner: Callable) -> Regimes:
    """For every direction, the settings and penalty that predict best among the others, with networks that saw neither.

    Untrained networks get a regime of their own.

    Raises:
        ValueError: if every network failed that could have told.
    """
    n_directions = len(recording.angles)
    if len(config.candidates) == len(config.penalties) == 1:
        only = Choice(config.candidates[0], config.penalties[0], np.nan)
        return dict.fromkeys((True, False), [only] * n_directions)
    pieces = [
        Piece(data, config, seed, pair, INNER_FOLD, INNER_SEED, candidate, config.penalties, is_trained)
        for is_trained in (True, False)
        for pair in inner_pairs(n_directions)
        for candidate in config.candidates
        if is_trained or candidate.drive == candidate.noise == 1  # an untrained network has neither
    ]
    members = recording.folds[INNER_FOLD]
    shape = (n_directions, len(config.candidates), len(config.penalties), n_directions)
    scores, why = {is_trained: np.full(shape, np.nan) for is_trained in (True, False)}, ""
    for piece, arrays in runner(pieces, "networks that choose the regime"):
        if isinstance(arrays, str):
            why = arrays
            continue
        candidate = config.candidates.index(piece.candidate)
        for place, test in enumerate(piece.left_out):
            left_out = sum(piece.left_out) - test
            scale = recording.scale(left_out, config.soft_normalization)[members]
            truth = recording.rates[test][:, members]
            found = [direction_r2(truth, made, scale) for made in arrays["prediction"][:, place]]
            scores[piece.is_trained][left_out, candidate, :, test] = found
    tests = [inner_directions(left_out, n_directions) for left_out in range(n_directions)]
    return {
        is_trained: [_best(values, members, config, why) for values, members in zip(numbers, tests)]
        for is_trained, numbers in scores.items()
    }


def _best(scores: np.ndarray, tests: Sequence[int], config: FitConfig, why: str) -> Choice:
    """The best of one direction; a regime in which any network failed is out."""
    means = scores[:, :, list(tests)].mean(axis=2)
    if not np.isfinite(means).any():
        raise ValueError(
            f"every regime has networks that failed, so none can be chosen; the last: {why} Change the trainer "
            "with --set trainer.<field>=<value>, or --set bias_scales=[...]."
        )
    best, penalty = np.unravel_index(np.nanargmax(means), means.shape)
    return Choice(config.candidates[best], config.penalties[penalty], float(means[best, penalty]))


class Made(NamedTuple):
    """What the networks of all folds, left-out directions and seeds gave.

    Args:
        predictions: (seed, direction, time, unit), spikes/s; nan where a network failed.
        arrays: of every network, by (fold, left-out direction, seed).
        failures: (seed, direction) -> what happened.
    """

    predictions: np.ndarray
    arrays: dict[tuple[int, int, int], Mapping[str, np.ndarray]]
    failures: dict[tuple[int, int], str]


def train_networks(
    data: Path, recording: Recording, config: FitConfig, seed: int, regimes: Regimes, runner: Callable
) -> tuple[Made, Made]:
    """Trained and untrained networks of every seed, fold and left-out direction, in the regimes chosen for them."""
    pieces = [
        Piece(data, config, seed, (left_out,), fold, index, choice.candidate, (choice.penalty,), is_trained)
        for is_trained, choices in regimes.items()
        for left_out, choice in enumerate(choices)
        for fold in range(config.n_folds)
        for index in range(config.n_seeds)
    ]
    nothing = np.full((config.n_seeds, *recording.rates.shape), np.nan)
    made = {is_trained: Made(nothing.copy(), {}, {}) for is_trained in regimes}
    for piece, arrays in runner(pieces, "networks"):
        own, left_out = made[piece.is_trained], piece.left_out[0]
        if isinstance(arrays, str):
            own.failures[piece.seed, left_out] = arrays
            continue
        own.predictions[piece.seed, left_out][:, recording.folds[piece.fold]] = arrays["prediction"][0, 0]
        own.arrays[piece.fold, left_out, piece.seed] = arrays
    return made[True], made[False]


def _output_errors(recording: Recording, found: Mapping) -> dict[tuple[str, int], float]:
    """(set, seed) -> nMSE of outputs, over folds and left-out directions together."""
    targets = np.asarray(recording.activity.outputs)
    sums: dict[tuple[str, int], np.ndarray] = {}
    for (_, left_out, seed), arrays in found.items():
        is_left_out = np.arange(len(targets)) == left_out
        for name, members in (("train", ~is_left_out), ("heldout_direction", is_left_out)):
            error = ((arrays["outputs"][members] - targets[members]) ** 2).sum()
            both = np.array([error, (targets[members] ** 2).sum()])
            sums[name, seed] = sums.get((name, seed), 0.0) + both
    return {place: float(error / power) for place, (error, power) in sums.items() if power > 0}
