"""What a preprocessing leaves open, guessed from the names and values in a session; every guess is a sentence."""

from collections.abc import Iterable, Sequence

import numpy as np

from recirc.data.conditions import condition_labels, in_radians, target_positions
from recirc.data.directions import no_circle
from recirc.data.names import LIMBS, POSITION, VELOCITY, begins_as, is_angular, is_called
from recirc.data.screening import listed
from recirc.data.session import PreparationError, Series, Session
from recirc.data.targets import target_centre

# what a column of events is called, word by word, and how much before and after it is wanted, s
EVENTS = (
    (r"(move|movement|mvt|reach)_?(onset|on|start)(_?time)?", 0.5, 0.6),
    (r"go(_?cue)?(_?time)?", 0.3, 0.9),
    (r"(target|tgt|cue|stim|stimulus)_?(on|onset|start)(_?time)?", 0.2, 1.0),
)
TIMES = "|".join((r"\w*time", r"\w*onset", r"\w*cue", "on", *(pattern for pattern, *_ in EVENTS)))
_WHAT = "target|tgt|reach|movement|move|stim|stimulus|cue"
DIRECTIONS = (
    rf"({_WHAT})_?(dir|direction|angle|theta)",
    r"direction|angle|theta|dir",
    r"(target|tgt)_?(pos|position|location)",
)
CONDITIONS = (r"(condition|cond)(_?id)?", r"(trial|maze|target|reach)_?(type|condition|id)")
STRENGTHS = (
    r"(signed_?)?(motion_?)?(coherence|coh|contrast|evidence|strength)",
    r"(sample_?|target_?|ready_?set_?)?interval",
)
CHOICE = "active_target"  # which of several targets counts, in the layout of the Neural Latents Benchmark
BEHAVIOR = (
    rf"hand_?(\w+_)?{VELOCITY}", rf"({LIMBS})?_?{VELOCITY}", "emgs?|muscles?", "forces?",
    rf"hand_?(\w+_)?{POSITION}", rf"({LIMBS})?_?{POSITION}",
)  # fmt: skip
RAW = "emgs?|muscles?"
COVERED = 0.05  # share of trials that a guessed window may lose at either end
MOST_CONDITIONS = 0.5  # a column with more different values per trial is no condition
ONE_CONDITION = "All trials are one condition"
BLOCK = 5_000  # samples


def event_columns(session: Session) -> list[str]:
    """Columns that hold times within their trials, start and stop not counted."""
    return [name for name, share in _shares_inside(session).items() if share > 0.5]


def outside_events(session: Session) -> list[str]:
    """Columns that are called as events are, and whose times lie outside most trials; durations are not meant."""
    return [name for name, share in _shares_inside(session).items() if share <= 0.5 and _is_event(name)]


def useless_events(session: Session) -> dict[str, str]:
    """Columns that are called as events are and cannot be any, with the reason."""
    found = {}
    for name, column in session.trials.items():
        if not _is_event(name) or name in _shares_inside(session):
            continue
        shape = " x ".join(map(str, column.shape))
        is_list, is_text = column.dtype == object, column.dtype.kind not in "iufO"
        why = "a list for every trial" if is_list else f"text ({column[0]!s:.20})" if is_text else f"numbers, {shape}"
        found[name] = f"holds {why if is_list or is_text or column.ndim > 1 else 'no time that is known'}"
    return found


def _is_event(name: str) -> bool:
    return any(is_called(pattern, name) for pattern, *_ in EVENTS)


def _shares_inside(session: Session) -> dict[str, float]:
    """Of every column that is called like one of events, the share of times that lie in their trials."""
    start, stop = session.trials["start_time"], session.trials["stop_time"]
    found = {}
    for name, column in session.trials.items():
        if name in ("start_time", "stop_time", "id") or column.dtype.kind not in "iuf" or column.ndim != 1:
            continue
        when = column.astype(float)
        known = np.isfinite(when) & np.isfinite(start) & np.isfinite(stop)
        inside = (when >= start - 1e-6) & (when <= stop + 1e-6)
        if is_called(TIMES, name) and known.any():
            found[name] = float(inside[known].mean())
    return found


def guess_align(session: Session) -> tuple[str, str]:
    """The event to align to, and a sentence."""
    events = event_columns(session)
    for pattern, *_ in EVENTS:
        if found := [name for name in events if is_called(pattern, name)]:
            return found[0], f"Trials are aligned to {found[0]} (other events: {_others(events, found[0])})."
    useless = [f"{name} {why}" for name, why in useless_events(session).items()]
    why = f"no event can be used: {listed(useless)}" if useless else "no event is known by its name"
    return "start_time", f"Trials are aligned to start_time; {why} ({_others(events)})."


def guess_window(session: Session, align: str, dt: float) -> tuple[tuple[float, float], str]:
    """Seconds around the event that nearly all trials have, at least five bins, and a sentence."""
    before, after = next((spans for pattern, *spans in EVENTS if is_called(pattern, align)), (0.2, 1.0))
    when = np.asarray(session.trials[align], float)
    lead, rest = when - session.trials["start_time"], session.trials["stop_time"] - when
    good = np.isfinite(lead) & np.isfinite(rest) & (lead >= 0) & (rest >= 0)
    if not good.any():
        raise PreparationError(f"{align} lies within no trial", "choose another event to align to", session.source)
    lead, rest = (float(np.quantile(a[good], COVERED, method="lower")) for a in (lead, rest))
    steps = [int(np.floor(min(a, b) / dt + 1e-6)) for a, b in ((before, lead), (after, rest))]
    if sum(steps) < 5:
        what = f"around {align} most trials have no more than {lead + rest:.3g} s"
        raise PreparationError(what, "align to another event, or give a window", session.source)
    window = (round(-steps[0] * dt, 9), round(steps[1] * dt, 9))
    return window, f"The window is {window[0]:g} to {window[1]:g} s around {align}."


def telling_columns(session: Session) -> list[str]:
    """Columns that may say what a trial was: neither times nor ids."""
    return [name for name in session.trials if not name.endswith("_time") and name not in ("id", "trial_id")]


def guess_conditions(session: Session) -> tuple[tuple[str, ...], str]:
    """The columns that make a trial's condition, and a sentence."""
    trials, names, refused = session.trials, telling_columns(session), []
    pairs = [(x, x[:-1] + y) for x in names for y in "yY" if x[-1:] in "xX" and x[:-1] + y in names]
    pairs.sort(key=lambda pair: not is_called("target|tgt", pair[0][:-1]))

    def called(patterns: Iterable[str], tail: str = "") -> list[str]:
        return [name for pattern in patterns for name in names if begins_as(f"(?:{pattern}){tail}", name)]

    lists = [name for name in names if trials[name].dtype == object and CHOICE in trials]
    candidates = [(name, CHOICE) if name in lists else (name,) for name in called(DIRECTIONS)]
    candidates += [pair for pair in pairs if is_called("target|tgt|goal|reach", pair[0][:-1])]
    candidates += [(name,) for name in called((*CONDITIONS, *STRENGTHS), "$")]
    for columns in dict.fromkeys(candidates):
        told = " and ".join(columns)
        if any(trials[name].dtype.kind not in "iufUSbO" for name in columns):
            refused.append(f"{told} holds no numbers or words")
            continue
        try:
            n_found = len(set(condition_labels(trials, columns)) - {""})
        except ValueError:
            refused.append(f"{told} has a list for every trial")
            continue
        if 1 < n_found <= max(MOST_CONDITIONS * session.n_trials, 2):
            return columns, f"Conditions are the {n_found} values of {told}."
        values = f"{n_found} different values in {session.n_trials:,} trials" if n_found > 1 else "no two values"
        refused.append(f"{told} has {values}")
    why = listed(refused, 4) if refused else "no column is known by its name to tell conditions apart"
    return (), f"{ONE_CONDITION}, since {why}."


def tell_directions(session: Session, columns: Sequence[str]) -> str | None:
    """A sentence where directions are told from another point than zero, or cannot be told."""
    if (pair := target_positions(session.trials, columns)) is not None:
        if (centre := target_centre(pair)) is None:
            return f"Positions in {' and '.join(columns)} have no common centre; they are not taken as directions."
        told = f"({centre[0]:.6g}, {centre[1]:.6g})"
        return f"Directions of targets are taken about their middle, {told}." if centre.any() else None
    if (angles := _angles(session, columns)) is None:
        return None
    in_degrees = np.rad2deg(angles) if in_radians(angles) else angles
    why = no_circle(in_degrees[np.isfinite(in_degrees)])
    return f"Values of {columns[0]} are not taken as angles: {why}." if why else None


def guess_radians(session: Session, columns: Sequence[str]) -> tuple[bool | None, str | None]:
    """Whether angles are radians, and a sentence if that was a guess."""
    angles = _angles(session, columns)
    if angles is None or tell_directions(session, columns):
        return None, None
    found = in_radians(angles)
    return found, f"Angles in {columns[0]} are taken as {'radians' if found else 'degrees'}."


def _angles(session: Session, columns: Sequence[str]) -> np.ndarray | None:
    column = session.trials[columns[0]] if len(columns) == 1 and is_angular(columns[0]) else np.empty(0, str)
    return column.astype(float) if column.dtype.kind in "iuf" and column.ndim == 1 else None


def guess_behavior(session: Session) -> tuple[tuple[str, ...], str]:
    """The series that the network is to produce, and a sentence."""
    for pattern in BEHAVIOR:
        if found := [name for name in session.series if is_called(pattern, name)]:
            series = session.series[found[0]]
            return (found[0],), f"Behavior is {found[0]} ({listed(series.channels)}; {series.unit or 'no unit'})."
    have = f" ({listed(session.series)})" if session.series else ""
    return (), f"No behavior is used: no series is known by its name{have}."


def guess_rectify(session: Session, behavior: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Those series of behavior that are raw EMG, which is rectified; and a sentence if there are any."""
    names = dict.fromkeys(name if name in session.series else name.rpartition(":")[0] for name in behavior)
    raw = [name for name in names if is_called(RAW, name) and name in session.series and _is_raw(session.series[name])]
    does = "swings around zero like raw EMG; its absolute values are used"
    return tuple(raw), f"{listed(raw)} {does}." if raw else None


def _is_raw(series: Series) -> bool:
    """Whether a fifth of the values are negative, in three places of the series."""
    n_samples = series.n_samples
    places = (0, n_samples // 2, max(n_samples - BLOCK, 0))
    some = np.concatenate([np.asarray(series.values[at : at + BLOCK], float).ravel() for at in places])
    some = some[np.isfinite(some) & (some != 0)]
    return bool(some.size and (some < 0).mean() > 0.2)


def _others(events: Sequence[str], chosen: str = "") -> str:
    return listed(name for name in events if name != chosen) or "none"
