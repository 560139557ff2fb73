"""What is wrong with a recording, or worth knowing: where, what, why it matters, how to mend it."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.data import guesses
from recirc.data.directions import condition_angles, no_circle
from recirc.data.prepared import NEVER_CHANGES, NOT_OBSERVED, Prepared
from recirc.data.preprocessing import Preprocessing
from recirc.data.screening import bad_spikes, bad_trials, listed, repeated_names, trial_names, wrong_time_unit
from recirc.data.session import PreparationError, Session
from recirc.data.spikes import inside
from recirc.types import Activity

BLOCKS, WRONG, NOTE = "blocks a fit", "likely wrong", "worth knowing"
LEVELS = (BLOCKS, WRONG, NOTE)
FEWEST_DIRECTIONS, FEWEST_SAMPLES = 4, 5
MOST_UNOBSERVED = 0.01  # share of a session's spikes
HIGHEST_RATE = 200.0  # spikes/s, averaged over time
LOWEST_RATE = 2.0  # spikes/s, below which units with a spike each may agree by chance
COPIED = 0.999  # correlation of average rates above which two units are one
DROP_BAD = "Mend the file, or leave them out with --drop-bad."


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        level: "blocks a fit", "likely wrong" or "worth knowing".
        where, what, why, mend: the part of the file, what was found in it, why it matters, and how to mend it.
        can_drop: whether leaving out spikes and trials mends it (`Preprocessing.drop_bad`).
    """

    level: Literal["blocks a fit", "likely wrong", "worth knowing"]
    where: str
    what: str
    why: str
    mend: str
    can_drop: bool = False


def check_session(
    session: Session, preprocessing: Preprocessing, *, key: PRNGKeyArray, **fit: Any
) -> tuple[list[Finding], Prepared | None]:
    """Everything that is found in a session, the worst first, and the session made ready if that is possible.

    To look beyond what blocks, spikes and trials that cannot be right are left out first.

    Args:
        session, preprocessing: as it was stored, and as it would be prepared.
        key: random key of the halves that reliability is told by.
        **fit: what it is for, as for `check_averages`.
    """
    findings = [*_of_tables(session), *_of_spikes(session, preprocessing.drop_bad)]
    prepared = None
    if all(finding.can_drop for finding in findings if finding.level == BLOCKS):
        try:
            chain, _ = preprocessing.resolved(session)
            findings += _of_trials(session, chain.align or "start_time", preprocessing.drop_bad)
            findings += _of_series(session, chain)
            prepared = dataclasses.replace(preprocessing, drop_bad=True).apply(session, key=key)
            chain = dataclasses.replace(prepared.chain, drop_bad=preprocessing.drop_bad)
            prepared = dataclasses.replace(prepared, chain=chain)
            findings += [*_of_prepared(session, prepared), *check_averages(prepared.averages, **fit)]
        except ValueError as error:
            is_told = isinstance(error, PreparationError)
            what, mend = (error.what, error.mend) if is_told else (str(error), "change the preprocessing")
            findings.append(Finding(BLOCKS, "preparation", _said(what), "Rates cannot be made.", _said(mend)))
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level)), prepared


def _said(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _of_tables(session: Session) -> Iterator[Finding]:
    if problem := wrong_time_unit(session):
        yield Finding(BLOCKS, "units/spike_times", _said(problem), "Spikes and trials do not meet.",
                      "Convert all times to seconds.")  # fmt: skip
    if twice := repeated_names(session):
        yield Finding(BLOCKS, "units", f"Names of units repeat: {twice}.",
                      "Units could be mistaken for each other.", "Make names unique.")  # fmt: skip
    if not session.n_units:
        yield Finding(BLOCKS, "units", "There are no units.", "Without spikes there is nothing to fit.",
                      "Add a table of units with spike_times.")  # fmt: skip
    if not session.n_trials:
        yield Finding(BLOCKS, "trials", "There is no table of trials.", "Without trials there is nothing to align and "
                      "average.", "Add a table of trials with start_time, stop_time and events.")  # fmt: skip
    if n_held_out := np.count_nonzero(session.unit_columns.get("heldout", ())):
        yield Finding(NOTE, "units/heldout", f"{n_held_out} units are marked as held out.",
                      "A fit holds out every unit in turn, and takes no notice.",
                      "Nothing, unless the split of another tool is wanted.")  # fmt: skip
    for name, series in session.series.items():
        if not series.unit:
            yield Finding(NOTE, f"series {name}", "No unit is given.", "Sizes cannot be judged.",
                          "Set the attribute unit, where the format has one.")  # fmt: skip


def _of_spikes(session: Session, drop_bad: bool) -> Iterator[Finding]:
    found: dict[str, list[str]] = {}
    for name, times in zip(session.units, session.spikes):
        for reason, mask in bad_spikes(times, resolution=session.resolution).items():
            text = f"unit {name} ({int(mask.sum()):,}, the first at index {int(np.argmax(mask))})"
            found.setdefault(reason, []).append(text)
    for reason, where in found.items():
        yield _bad("units/spike_times", f"Spike times are {reason}: {listed(where, 5)}.",
                   "Spikes would be lost or counted twice, or belong to another unit.", drop_bad)  # fmt: skip
    if session.observed is None:
        return
    pairs = [(times[np.isfinite(times)], spans) for times, spans in zip(session.spikes, session.observed)]
    n_outside = sum(int((~inside(times, times, spans)).sum()) for times, spans in pairs)
    share = n_outside / max(sum(len(times) for times, _ in pairs), 1)
    if share > MOST_UNOBSERVED:
        yield Finding(WRONG, "units/obs_intervals", f"{100 * share:.0f} % of the spikes lie outside obs_intervals.",
                      "A trial counts only where units were observed; spikes elsewhere are not used.",
                      "Check that obs_intervals are in seconds on the spikes' clock.")  # fmt: skip


def _bad(where: str, what: str, why: str, drop_bad: bool) -> Finding:
    """What blocks a fit unless it is left out."""
    level, mend = (NOTE, "They are left out.") if drop_bad else (BLOCKS, DROP_BAD)
    return Finding(level, where, what, why, mend, can_drop=True)


def _of_trials(session: Session, event: str, drop_bad: bool) -> Iterator[Finding]:
    for reason, mask in bad_trials(session, event).items():
        what = f"{int(mask.sum()):,} trials, {reason}: {listed(trial_names(session)[mask])}."
        yield _bad("trials", what, "Rates would be aligned to nothing, or trials counted twice.", drop_bad)
    trials = session.trials
    for name in guesses.outside_events(session):
        since = trials["start_time"] + trials[name]
        fits = np.mean((since <= trials["stop_time"])[np.isfinite(since)]) > 0.5
        yield Finding(WRONG, f"trials/{name}", f"{name} lies outside most trials.",
                      "No trial can be aligned to it; another event may have been chosen.",
                      "It looks as if counted from the start of each trial: add start_time." if fits else
                      "Give times in seconds on the session's clock.")  # fmt: skip


def _of_series(session: Session, chain: Preprocessing) -> Iterator[Finding]:
    for name, series in session.series.items():
        used = any(name in (wanted, wanted.rpartition(":")[0]) for wanted in chain.behavior or ())
        time, steps = series.time, np.diff(series.time)
        if len(time) < 2 or not (steps > 0).all():
            yield Finding(BLOCKS if used else NOTE, f"series {name}", "Timestamps do not rise.",
                          "Samples cannot be placed in time.", "Repair the timestamps, or choose other behavior with "
                          "--set 'preprocessing.behavior=[]'.")  # fmt: skip
            continue
        known = np.isfinite(session.trials["stop_time"])
        start, stop = (session.trials[column][known] for column in ("start_time", "stop_time"))
        share = float(np.mean((start >= time[0] - steps[0]) & (stop <= time[-1] + 2 * np.median(steps))))
        if share < 0.9:
            yield Finding(WRONG if used else NOTE, f"series {name}", f"It covers {100 * share:.0f} % of the trials: "
                          f"{time[0]:g} to {time[-1]:g} s, trials {start.min():g} to {stop.max():g} s.",
                          "It may be on another clock; trials without behavior are left out.",
                          "Check the series' starting time, rate and timestamps.")  # fmt: skip


def _of_prepared(session: Session, prepared: Prepared) -> Iterator[Finding]:
    told = bad_trials(session, prepared.chain.align or "start_time")
    for dropped in prepared.dropped:
        if dropped.what == "spikes" or dropped.reason in told:
            continue
        total, why = session.n_trials, "They are not averaged."
        if dropped.what == "units":
            total, why = session.n_units, "They take no part in the fit."
        mend = _MENDS.get(dropped.reason, _MENDS[dropped.what])
        yield Finding(WRONG if dropped.count > 0.5 * total else NOTE, dropped.what, dropped.sentence, why, mend)
    averages = prepared.averages
    if rare := [f"{name} ({n})" for name, n in zip(averages.conditions, averages.trial_counts) if n < 2]:
        yield Finding(WRONG, "trials", f"Conditions with one trial: {listed(rare)}.",
                      "Their averages have no standard error and no reliability.",
                      "Choose coarser conditions, or set preprocessing.minimum_trials.")  # fmt: skip
    if session.resolution > prepared.chain.dt * (1 + 1e-6):
        yield Finding(WRONG, "units", f"Spikes were counted in bins of {session.resolution:g} s, and are binned in "
                      f"{prepared.chain.dt:g} s.", "Within a counted bin nothing is known: it is filled evenly.",
                      f"--set preprocessing.dt={session.resolution:g}")  # fmt: skip
    if prepared.reliability is None or not np.isfinite(prepared.reliability).any():
        yield Finding(NOTE, "trials", "No condition has four trials.",
                      "Reliability and the ceiling of scores cannot be told.", "Record more trials.")  # fmt: skip


_MENDS = {
    "trials": "Change the window or the event (--set preprocessing.window=[-0.3,0.5]) to keep them.",
    "units": "Set preprocessing.minimum_reliability to keep unreliable units.",
    NEVER_CHANGES: "None, unless they should not be silent: check the sorting.",
    NOT_OBSERVED: "None, if they were lost on the way; otherwise check the units' obs_intervals.",
}


def check_averages(
    averages: Activity,
    *,
    assume_equal_spacing: bool = False,
    for_fit: bool = True,
    n_folds: int = 4,
    recorded_fraction: float | None = None,
) -> list[Finding]:
    """What is found in average rates, whatever file they come from.

    Args:
        averages: spikes/s.
        for_fit: whether they are to be fitted, which needs directions and units to leave out, or to be compared.
        assume_equal_spacing, n_folds, recorded_fraction: of the fit, as for `directions` and `fewest_units`.
    """
    needed = fewest_units(n_folds, recorded_fraction)
    of_a_fit = _of_conditions(averages, assume_equal_spacing, needed) if for_fit else ()
    return [*of_a_fit, *_of_rates(averages, np.asarray(averages.rates, float))]


def fewest_units(n_folds: int = 4, recorded_fraction: float | None = None) -> int:
    """How many units a fit needs: two in every fold, and one that is recorded.

    Args:
        n_folds: groups of units, judged one after the other.
        recorded_fraction: share of all units that serve as hints; none for all of the other folds.

    Example:
        >>> fewest_units(4), fewest_units(2, recorded_fraction=0.05)
        (8, 11)
    """
    needed = 2 * n_folds
    while recorded_fraction is not None and round(recorded_fraction * needed) < 1:
        needed = max(needed + 1, int(0.5 / recorded_fraction))
    return needed


def _of_conditions(averages: Activity, assume_equal_spacing: bool, needed: int) -> Iterator[Finding]:
    labels = list(dict.fromkeys(averages.conditions))
    if len(labels) < FEWEST_DIRECTIONS:
        why = next((f" {note}" for note in averages.notes if note.startswith(guesses.ONE_CONDITION)), "")
        yield Finding(BLOCKS, "conditions", f"{len(labels)} conditions: {listed(labels)}.{why}",
                      "A fit leaves directions out and chooses among the others, which needs four; rotations "
                      "need two, since their mean is removed.",
                      "Name the columns that tell directions apart, as in --set "
                      "'preprocessing.conditions=[\"target_direction\"]'; `recirc compare` needs two.")  # fmt: skip
    elif not assume_equal_spacing and condition_angles(labels) is None:
        why = f" ({why})" if (why := _no_circle(labels)) else ""
        yield Finding(BLOCKS, "conditions", f"Labels are no angles in degrees: {listed(labels)}{why}.",
                      "A fit interpolates between directions.",
                      "Name a column of angles or target positions (targets at two distances in one direction need the "
                      "column of angles, which averages over distances); or --set assume_equal_spacing=true, if "
                      "conditions in this order lie at equal steps around the circle.")  # fmt: skip
    if (n_units := len(averages.units)) < needed:
        yield Finding(BLOCKS, "units", f"{n_units} units can be used.",
                      f"Units are held out to judge a fit by, which needs {needed}.",
                      "Add units, give fewer folds, or lower preprocessing.minimum_reliability.")  # fmt: skip


def _no_circle(labels: list[str]) -> str:
    try:
        return no_circle(np.array(labels, float))
    except ValueError:
        return ""


def _of_rates(averages: Activity, rates: np.ndarray) -> Iterator[Finding]:
    names, mean = np.asarray(averages.units), rates.mean(axis=(0, 1))
    if (fast := mean > HIGHEST_RATE).any():
        yield Finding(WRONG, "units", f"Mean rates above {HIGHEST_RATE:g} spikes/s: {listed(names[fast])}.",
                      "No neuron fires so fast for long; times may be in the wrong unit, or units merged.",
                      "Check the sorting and the unit of time.")  # fmt: skip
    names, flat = names[mean > LOWEST_RATE], rates.reshape(-1, rates.shape[2])[:, mean > LOWEST_RATE]
    flat = flat - flat.mean(axis=0)
    flat = flat / np.maximum(np.sqrt((flat**2).sum(axis=0)), 1e-12)
    if pairs := [f"{names[i]} and {names[j]}" for i, j in np.argwhere(np.triu(flat.T @ flat, k=1) > COPIED)]:
        yield Finding(WRONG, "units", f"Units that are copies of each other: {listed(pairs, 4)}.",
                      "A unit held out would be known from its copy.", "Remove one of each pair.")  # fmt: skip
    n_samples, n_units = rates.shape[0] * rates.shape[1], rates.shape[2]
    if n_samples < FEWEST_SAMPLES * n_units:
        yield Finding(NOTE, "conditions", f"{n_samples} samples (conditions times bins) for {n_units} units.",
                      "Comparisons reduce units to components, and are loose with under 5 samples per dimension.",
                      "Use a longer window or more conditions.")  # fmt: skip
