"""What a preprocessing leaves open, guessed from the names and values in a session; every guess is a sentence."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from recirc.data.conditions import condition_labels, in_radians, is_angular
from recirc.data.screening import listed
from recirc.data.session import PreparationError, Series, Session

# what a column of events is called, and how much before and after it is wanted, s
EVENTS = (
    (r"(move|movement|mvt|reach)_?(onset|on|start)", 0.5, 0.6),
    (r"go(_?cue)?(_|$)|go_?cue", 0.3, 0.9),
    (r"(target|tgt|cue|stim\w*)_?(on|onset|start)", 0.2, 1.0),
)
CONDITIONS = (
    r"(target|reach|movement|tgt|stim\w*)_?(dir|direction|angle|theta)\w*",
    r"(direction|angle|theta|dir)\w*",
    r"(target|tgt)_?(pos|position|location)\w*",
    r"(condition|cond)(_?id)?",
    r"(trial|maze|target|reach)_?(type|condition|id)",
)
CHOICE = "active_target"  # which of several targets counts, in the layout of the Neural Latents Benchmark
BEHAVIOR = (r"hand.*vel", r"vel", r"emg|muscle", r"force", r"hand.*pos", r"pos")
COVERED = 0.05  # share of trials that a guessed window may lose at either end
MOST_CONDITIONS = 0.5  # a column with more different values per trial is no condition


def event_columns(session: Session) -> list[str]:
    """Columns that hold times within their trials, start and stop not counted."""
    return [name for name, share in _shares_inside(session).items() if share > 0.5]


def outside_events(session: Session) -> list[str]:
    """Columns that are called as events are, and whose times lie outside most trials; durations are not meant."""
    called = "|".join(pattern for pattern, *_ in EVENTS)
    return [name for name, share in _shares_inside(session).items() if share <= 0.5 and re.search(called, name.lower())]


def _shares_inside(session: Session) -> dict[str, float]:
    """Of every column that is called like one of events, the share of times that lie in their trials."""
    start, stop = session.trials["start_time"], session.trials["stop_time"]
    patterns, found = (".*(time|onset|_on$|cue)", *(pattern for pattern, *_ in EVENTS)), {}
    for name, column in session.trials.items():
        if name in ("start_time", "stop_time", "id") or column.dtype.kind != "f" or column.ndim != 1:
            continue
        known = np.isfinite(column) & np.isfinite(start) & np.isfinite(stop)
        inside = (column >= start - 1e-6) & (column <= stop + 1e-6)
        if any(re.match(pattern, name.lower()) for pattern in patterns) and known.any():
            found[name] = float(inside[known].mean())
    return found


def guess_align(session: Session) -> tuple[str, str]:
    """The event to align to, and a sentence."""
    events = event_columns(session)
    for pattern, *_ in EVENTS:
        if found := [name for name in events if re.search(pattern, name.lower())]:
            return found[0], f"Trials are aligned to {found[0]} (other events: {_others(events, found[0])})."
    return "start_time", f"Trials are aligned to start_time; no event is known by its name ({_others(events)})."


def guess_window(session: Session, align: str, dt: float) -> tuple[tuple[float, float], str]:
    """Seconds around the event that nearly all trials have, at least five bins, and a sentence."""
    before, after = next((spans for pattern, *spans in EVENTS if re.search(pattern, align.lower())), (0.2, 1.0))
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
    trials, names = session.trials, telling_columns(session)
    pairs = [(x, x[:-1] + y) for x in names for y in "yY" if x[-1:] in "xX" and x[:-1] + y in names]
    pairs.sort(key=lambda pair: not re.search("target|tgt", pair[0].lower()))

    def called(patterns: Iterable[str]) -> list[str]:
        return [name for pattern in patterns for name in names if re.fullmatch(pattern, name.lower())]

    lists = [name for name in names if trials[name].dtype == object and CHOICE in trials]
    candidates = [(name, CHOICE) if name in lists else (name,) for name in called(CONDITIONS[:3])]
    candidates += [pair for pair in pairs if re.search("target|tgt|goal|reach", pair[0].lower())]
    candidates += [(name,) for name in called(CONDITIONS[3:])]
    for columns in candidates:
        if any(trials[name].dtype.kind not in "iufUSbO" for name in columns):
            continue
        try:
            n_found = len(set(condition_labels(trials, columns)) - {""})
        except ValueError:  # a list for every trial
            continue
        if 1 < n_found <= max(MOST_CONDITIONS * session.n_trials, 2):
            return columns, f"Conditions are the {n_found} values of {' and '.join(columns)}."
    return (), "All trials are one condition, since no column is known by its name to tell conditions apart."


def guess_radians(session: Session, columns: Sequence[str]) -> tuple[bool | None, str | None]:
    """Whether angles are radians, and a sentence if that was a guess."""
    column = session.trials[columns[0]] if len(columns) == 1 and is_angular(columns[0]) else np.empty(0, str)
    if column.dtype.kind not in "iuf" or column.ndim != 1:
        return None, None
    found = in_radians(column.astype(float))
    return found, f"Angles in {columns[0]} are taken as {'radians' if found else 'degrees'}."


def guess_behavior(session: Session) -> tuple[tuple[str, ...], str]:
    """The series that the network is to produce, and a sentence."""
    for pattern in BEHAVIOR:
        if found := [name for name in session.series if re.search(pattern, name.lower())]:
            series = session.series[found[0]]
            return (found[0],), f"Behavior is {found[0]} ({listed(series.channels)}; {series.unit or 'no unit'})."
    have = f" ({listed(session.series)})" if session.series else ""
    return (), f"No behavior is used: no series is known by its name{have}."


def guess_rectify(session: Session, behavior: Sequence[str]) -> tuple[bool, str | None]:
    """Whether behavior is raw EMG, which is rectified; and a sentence if so."""
    for name in behavior:
        name = name.partition(":")[0]
        if re.search("emg", name.lower()) and name in session.series and _is_raw(session.series[name]):
            return True, f"{name} swings around zero like raw EMG; its absolute values are used."
    return False, None


def _is_raw(series: Series) -> bool:
    some = np.asarray(series.values[: min(series.values.shape[0], 20_000)], float)
    some = some[np.isfinite(some)]
    return bool(some.size and (some < 0).mean() > 0.2)


def _others(events: Sequence[str], chosen: str = "") -> str:
    return listed(name for name in events if name != chosen) or "none"
