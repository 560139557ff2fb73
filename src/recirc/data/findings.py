"""What is wrong with a recording, or worth knowing: where, what, why it matters, how to mend it."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.data import guesses
from recirc.data.averages_findings import FEWEST_CONDITIONS as FEWEST_CONDITIONS
from recirc.data.averages_findings import check_averages as check_averages
from recirc.data.averages_findings import fewest_units as fewest_units
from recirc.data.coverage import FIRES_NOT, lost_units
from recirc.data.finding import BLOCKS, LEVELS, NOTE, WRONG, Finding, said
from recirc.data.keeping import OUTCOMES, QUALITIES, keep_only, outcomes
from recirc.data.prepared import LOST_SPIKES, NEVER_CHANGES, NOT_OBSERVED, Prepared
from recirc.data.preprocessing import Preprocessing
from recirc.data.screening import (
    OVERLAPS,
    bad_spikes,
    bad_trials,
    listed,
    overlap,
    repeated_names,
    trial_names,
    wrong_clock,
)
from recirc.data.series_findings import of_movement, of_series
from recirc.data.session import PreparationError, Session
from recirc.data.spikes import inside

MOST_UNOBSERVED = 0.01  # share of a session's spikes
DROP_BAD = "Mend the file, or leave them out with --drop-bad."


def check_session(
    session: Session, preprocessing: Preprocessing, *, key: PRNGKeyArray, **fit: Any
) -> tuple[list[Finding], Prepared | None]:
    """Everything that is found in a session, the worst first, and the session made ready if that is possible.

    To look beyond what blocks, spikes and trials that cannot be right are left out first.

    Args:
        session, preprocessing: as it was stored, and as it would be prepared.
        key: random key of the halves that reliability is told by.
        **fit: what it is for, as for `check_averages`; and `assume_equal_spacing`, as for `directions`.

    Example:
        >>> import numpy as np
        >>> trials = {"start_time": np.arange(8.0), "stop_time": np.arange(8.0) + 0.9}
        >>> session = recirc.data.Session((np.arange(0.1, 8, 0.1),), ("u0",), trials)
        >>> findings, prepared = check_session(session, recirc.data.Preprocessing(), key=jax.random.key(0))
        >>> findings[0].level
        'blocks a fit'
    """
    findings, prepared, is_even = [], None, bool(fit.pop("assume_equal_spacing", False))
    try:
        kept, left_out = keep_only(session, preprocessing.keep, preprocessing.keep_units)
    except PreparationError as error:
        return [Finding(BLOCKS, "preparation", said(error.what), "Nothing can be chosen so.", said(error.mend))], None
    findings += [*_of_tables(kept), *_of_outcomes(kept, preprocessing), *_of_spikes(kept, preprocessing.drop_bad)]
    if all(finding.can_drop for finding in findings if finding.level == BLOCKS):
        try:
            chain, _ = preprocessing.resolved(kept)
            findings += _of_trials(kept, chain.align or "start_time", preprocessing.drop_bad)
            findings += of_series(kept, chain)
            prepared = dataclasses.replace(preprocessing, drop_bad=True).apply(session, key=key)
            chain = dataclasses.replace(prepared.chain, drop_bad=preprocessing.drop_bad)
            prepared = dataclasses.replace(prepared, chain=chain)
            findings += _of_prepared(kept, prepared, [each.reason for each in left_out])
            findings += of_movement(kept, prepared, is_even)
            findings += check_averages(prepared.averages, **fit)
        except ValueError as error:
            is_told = isinstance(error, PreparationError)
            what, mend = (error.what, error.mend) if is_told else (str(error), "change the preprocessing")
            findings.append(Finding(BLOCKS, "preparation", said(what), "Rates cannot be made.", said(mend)))
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level)), prepared


def _of_tables(session: Session) -> Iterator[Finding]:
    if wrong := wrong_clock(session):
        yield Finding(BLOCKS, "units/spike_times", said(wrong[0]), "Spikes and trials do not meet.", said(wrong[1]))
    if twice := repeated_names(session):
        yield Finding(BLOCKS, "units", f"Names of units repeat: {twice}.",
                      "Units could be mistaken for each other.", "Make names unique.")  # fmt: skip
    if not session.n_units:
        yield Finding(BLOCKS, "units", "There are no units.", "Without spikes there is nothing to fit.",
                      "Add a table of units with spike_times.")  # fmt: skip
    if not session.n_trials:
        others = session.about.get("intervals")
        mend = f"If one of {others} is of trials, move it to intervals/trials." if others else None
        yield Finding(BLOCKS, "trials", "There is no table of trials.", "Without trials there is nothing to align and "
                      "average.", mend or "Add a table of trials with start_time, stop_time and events.")  # fmt: skip
    if n_held_out := np.count_nonzero(session.unit_columns.get("heldout", ())):
        yield Finding(NOTE, "units/heldout", f"{n_held_out} units are marked as held out.",
                      "A fit holds out every unit in turn, unless it is asked to judge these alone.",
                      "To do so, --set 'held_out=[\"heldout\"]'; to leave them out, "
                      "--set preprocessing.keep_units.heldout=false.")  # fmt: skip
    for name, series in session.series.items():
        if not series.unit:
            yield Finding(NOTE, f"series {name}", "No unit is given.", "Sizes cannot be judged.",
                          "Set the attribute unit, where the format has one.")  # fmt: skip


def _of_outcomes(session: Session, chain: Preprocessing) -> Iterator[Finding]:
    """Columns that say which trials and units should count, where several values are taken together."""
    tables = ("trials", session.trials, OUTCOMES, "keep"), ("units", session.unit_columns, QUALITIES, "keep_units")
    for what, columns, pattern, setting in tables:
        for name, values in outcomes(columns, pattern):
            if name not in (*getattr(chain, setting), *(chain.conditions or ())):
                told, most = ", ".join(f"{value} ({n})" for value, n in values.items()), json.dumps(next(iter(values)))
                quoted = name if name.isidentifier() and name.isascii() else json.dumps(name)
                yield Finding(WRONG if what == "trials" else NOTE, f"{what}/{name}",
                              f"{what.capitalize()} have several values of {name}: {told}. All of them are used.",
                              "What failed may be averaged with what did not.",
                              f"To keep some, --set 'preprocessing.{setting}={{{quoted}={most}}}'.")  # fmt: skip


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
    touching = overlap(trials["start_time"], trials["stop_time"])
    touching[bad_trials(session, event).get(OVERLAPS, np.zeros(0, int))] = 0
    if (touching > 1e-6).any():
        n, most = int((touching > 1e-6).sum()), f"{touching.max():.3g} s"
        yield Finding(NOTE, "trials", f"{n:,} trials begin up to {most} before the one before has ended.",
                      "So little of a trial is not held against it.", "None.")  # fmt: skip
    for name, why in guesses.useless_events(session).items():
        yield Finding(NOTE, f"trials/{name}", f"{name} is called as events are and {why}.",
                      "No trial can be aligned to it.", "Give one time per trial, in seconds.")  # fmt: skip
    for name in guesses.outside_events(session):
        since = trials["start_time"] + trials[name]
        fits = np.mean((since <= trials["stop_time"])[np.isfinite(since)]) > 0.5
        yield Finding(WRONG, f"trials/{name}", f"{name} lies outside most trials.",
                      "No trial can be aligned to it; another event may have been chosen.",
                      "It looks as if counted from the start of each trial: add start_time." if fits else
                      "Give times in seconds on the session's clock.")  # fmt: skip


def _of_prepared(session: Session, prepared: Prepared, asked: list[str]) -> Iterator[Finding]:
    told = bad_trials(session, prepared.chain.align or "start_time")
    for dropped in prepared.dropped:
        if dropped.what == "spikes" or dropped.reason in told:
            continue
        total, why = session.n_trials, "They are not averaged."
        if dropped.what == "units":
            total, why = session.n_units, "They take no part in the fit."
        mend = _MENDS.get(FIRES_NOT if dropped.reason.startswith(FIRES_NOT) else dropped.reason, _MENDS[dropped.what])
        is_wrong = dropped.count > 0.5 * total or dropped.reason.startswith(FIRES_NOT)
        if dropped.reason in asked:
            is_wrong, mend = False, "None: it was asked for."
        yield Finding(WRONG if is_wrong else NOTE, dropped.what, dropped.sentence, why, mend)
    yield from _of_lost_units(prepared)
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


def _of_lost_units(prepared: Prepared) -> Iterator[Finding]:
    single, at = prepared.single_trials, prepared.aligned_at
    if single is None or at is None:
        return
    found = lost_units(np.asarray(single.rates)[np.argsort(at)], single.rates.shape[1] * single.dt)
    if told := [f"{single.units[unit]} (the {which} {n})" for unit, (n, which) in found.items()]:
        yield Finding(WRONG, "units", f"Units that fire in none of the first or last trials: {listed(told)}.",
                      "They may have been lost or not yet found; averages take that for silence.",
                      "Give obs_intervals, or keep other units with preprocessing.keep_units.")  # fmt: skip


_MENDS = {
    "trials": "Change the window or the event (--set preprocessing.window=[-0.3,0.5]) to keep them.",
    "units": "Set preprocessing.minimum_reliability to keep unreliable units.",
    NEVER_CHANGES: "None, unless they should not be silent: check the sorting.",
    FIRES_NOT: "None, if recording had ended; otherwise check that no spikes are missing.",
    LOST_SPIKES: "Mend the spike times of these units.",
    NOT_OBSERVED: "None, if they were lost on the way; otherwise check the units' obs_intervals.",
}
