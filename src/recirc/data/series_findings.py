"""What is wrong with behavior: its clock, its span, and whether it shows the movements that labels tell."""

from collections.abc import Iterator

import numpy as np

from recirc.data.behavior import series_on_bins
from recirc.data.directions import condition_angles
from recirc.data.finding import BLOCKS, NOTE, WRONG, Finding
from recirc.data.guesses import BEHAVIOR
from recirc.data.keeping import outcomes
from recirc.data.movement import ALIKE, MOST_OPPOSED, UNEVEN, agreement, headings
from recirc.data.names import VELOCITY, is_called
from recirc.data.prepared import Prepared
from recirc.data.preprocessing import Preprocessing
from recirc.data.screening import listed, trial_names
from recirc.data.session import Series, Session
from recirc.types import Activity

FEWEST_PER_TRIAL = 5  # samples
_CHOOSE = "Choose other behavior with --set 'preprocessing.behavior=[]', or mend the file."


def of_series(session: Session, chain: Preprocessing) -> Iterator[Finding]:
    """Findings of the clock of every series."""
    known = np.isfinite(session.trials["stop_time"]) & np.isfinite(session.trials["start_time"])
    start, stop = (session.trials[column][known] for column in ("start_time", "stop_time"))
    for name, series in session.series.items():
        used, where = name in chain.series_used(session), f"series {name}"
        first, last, step, rises = series.clock
        if not rises:
            yield Finding(BLOCKS if used else NOTE, where, "Timestamps do not rise.",
                          "Samples cannot be placed in time.", f"Repair the timestamps. {_CHOOSE}")  # fmt: skip
            continue
        if not len(start):
            continue
        share = float(np.mean((start >= first - step) & (stop <= last + 2 * step)))
        if share < 0.9:
            yield Finding(WRONG if used else NOTE, where, f"It covers {100 * share:.0f} % of the trials: "
                          f"{first:g} to {last:g} s, trials {start.min():g} to {stop.max():g} s.",
                          "It may be on another clock; trials without behavior are left out.",
                          "Check the series' starting time, rate and timestamps.")  # fmt: skip
        trial = float(np.median(stop - start))
        if used and step * FEWEST_PER_TRIAL > trial:
            level = BLOCKS if step > trial else WRONG
            yield Finding(level, where, f"A sample every {step:g} s, in trials of {trial:g} s.",
                          "Movements within a trial cannot be seen; rate or timestamps may be in another unit.",
                          f"Give the rate in samples per second and timestamps in seconds. {_CHOOSE}")  # fmt: skip


def of_movement(session: Session, prepared: Prepared, assume_equal_spacing: bool) -> Iterator[Finding]:
    """Findings of directions that labels tell and behavior does not show."""
    single = prepared.single_trials
    if single is None or prepared.aligned_at is None or (name := _shown_by(session)) is None:
        return
    if (labels := condition_angles(single.conditions)) is None and assume_equal_spacing:
        names = list(prepared.averages.conditions)
        labels = np.array([360 * names.index(label) / len(names) for label in single.conditions])
    if labels is None:
        return
    chain, series = prepared.chain, session.series[name]
    starts = prepared.aligned_at + (chain.window or (0.0, 0.0))[0]
    plane = [series.channels.index(axis) for axis in "xy"] if {"x", "y"} <= set(series.channels) else [0, 1]
    values = series_on_bins(series, starts, chain.n_bins, chain.dt)[:, :, plane]
    known = values[np.isfinite(values).all(axis=2)]
    if not len(known) or not (np.ptp(known, axis=0) > 1e-9 * np.abs(known).max()).any():
        return  # nothing moves, which is a finding of its own
    moved = headings(values, is_velocity=is_called(VELOCITY, name))
    found = agreement(moved, labels, single.conditions)
    if found is None:
        return
    where, columns = f"trials/{', '.join(chain.conditions or ())}", " and ".join(chain.conditions or ())
    if found.share > MOST_OPPOSED:
        depends = found.within > ALIKE
        yield Finding(BLOCKS if depends else WRONG, where, f"Movements in {name} do not go where {columns} says "
                      f"(mean resultant length {found.same:.2f}).",
                      "The labels may be no angles of movement, in another unit, or about another middle." if depends
                      else "Movements differ within conditions; the hand may not be what the labels speak of.",
                      f"Name other conditions, or other behavior than {name}.")  # fmt: skip
        return
    if found.opposed:
        names = trial_names(session)[np.searchsorted(session.trials["start_time"], prepared.aligned_at, "right") - 1]
        told = next(
            (
                f"--set 'preprocessing.keep={{{each}=\"{next(iter(values))}\"}}'"
                for each, values in outcomes(session.trials)
            ),
            "name a column of outcomes in preprocessing.keep",
        )
        level = WRONG if len(found.opposed) > 0.05 * len(labels) else NOTE
        yield Finding(level, where, f"In {len(found.opposed)} of {len(labels)} trials {name} goes over 60 degrees from "
                      f"where {columns} says: {listed(names[found.opposed])}.", "They may be failed trials.",
                      f"If so, leave them out: {told}.")  # fmt: skip
    if abs(found.turn) > UNEVEN or found.same < found.mirrored - 0.05:
        how = f"{'mirrored and ' * (found.same < found.mirrored - 0.05)}turned by {found.turn:.0f} degrees"
        yield Finding(NOTE, where, f"Movements in {name} are {how} from {columns}.",
                      "Angles may count from another axis, or the other way round.",
                      "None, unless directions are to be told as in the workspace.")  # fmt: skip
    if found.largest > UNEVEN and not found.opposed:
        yield Finding(WRONG, where, f"The mean movement of a condition in {name} lies {found.largest:.0f} degrees from "
                      f"where {columns} says.", "The labels may not be at their true angles.",
                      "Check the labels; --set assume_equal_spacing=true only if steps are equal.")  # fmt: skip


def of_averages(averages: Activity) -> Iterator[Finding]:
    """Findings of averages with behavior of two channels that swing both ways, as velocity and position do."""
    labels, outputs = condition_angles(averages.conditions), averages.outputs
    if labels is None or outputs is None or outputs.shape[2] != 2:
        return
    values = np.asarray(outputs, float)
    speed = np.linalg.norm(values, axis=2).mean(axis=0)
    if (values.min(axis=(0, 1)) > -0.2 * values.max(axis=(0, 1))).any():
        return
    is_velocity = bool(max(speed[0], speed[-1]) < 0.5 * speed.max())
    found = agreement(headings(values, is_velocity=is_velocity), labels, averages.conditions)
    if found is not None and (found.share > MOST_OPPOSED or found.largest > 2 * UNEVEN):
        told = f"Outputs do not go where labels say (up to {found.largest:.0f} degrees off)."
        yield Finding(WRONG, "conditions", told, "If outputs are the hand, labels may be no angles of its movement.",
                      "Check the labels, or name the angles in a coordinate with units 'degree'.")  # fmt: skip


def _shown_by(session: Session) -> str | None:
    """A series of two channels or more that shows where a hand goes."""
    for pattern in (pattern for pattern in BEHAVIOR if "vel" in pattern or "pos" in pattern):
        for name, series in session.series.items():
            if is_called(pattern, name) and not is_called("eyes?|gaze|pupil", name) and _is_planar(series):
                return name
    return None


def _is_planar(series: Series) -> bool:
    return series.clock.rises and (len(series.channels) == 2 or {"x", "y"} <= set(series.channels))
