"""`recirc check`: what a recording holds, and what is wrong with it."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

from recirc.analyses import fit_cost
from recirc.analyses.fit_claims import SMALLEST_GAIN
from recirc.analyses.fit_conditions import left_out_groups
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.fit_trials import ceilings, judging_scales, with_go_cue
from recirc.compare.statistics import largest_spread
from recirc.data import DataFileError, DataWarning, read_recording
from recirc.data.findings import BLOCKS, NOTE, Finding, check_averages, check_session
from recirc.data.prepared import Prepared
from recirc.data.screening import listed
from recirc.data.series_findings import of_averages
from recirc.data.session import Session
from recirc.runs.metrics import strict_json
from recirc.storage import printable
from recirc.studies.fit import with_conditions, with_held_out
from recirc.types import Activity

CLEAN, BLOCKED, UNREADABLE = 0, 1, 2
_LEFT_OUT = "What is left out takes no part in a fit."


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found in a recording.

    Args:
        summary: name -> what there is, in words or numbers.
        findings: the worst first.
        session: as it was stored; None for averages.
        prepared: the session made ready; None for averages, or where that is not possible.
        unreadable: why nothing could be read, if nothing could.
    """

    summary: dict[str, object]
    findings: list[Finding]
    session: Session | None = None
    prepared: Prepared | None = None
    unreadable: str = ""

    @property
    def code(self) -> int:
        """Exit code: 0 clean, 1 something blocks a fit, 2 unreadable."""
        is_blocked = any(finding.level == BLOCKS for finding in self.findings)
        return UNREADABLE if self.unreadable else BLOCKED if is_blocked else CLEAN

    @property
    def guesses(self) -> tuple[str, ...]:
        """What the preprocessing guessed, one sentence each."""
        return () if self.prepared is None else self.prepared.guesses

    def text(self) -> str:
        """Summary, guesses and findings as lines; names from the file cannot command a terminal."""
        if self.unreadable:
            return printable(f"unreadable: {self.unreadable}")
        lines = [f"{name}: {value}" for name, value in self.summary.items()]
        lines += ["", *self.guesses] if self.guesses else []
        for found in self.findings:
            what = f"{found.level.upper()} in {found.where}: {found.what}"
            lines += ["", what, f"  why: {found.why}", f"  mend: {found.mend}"]
        lines += ["", "Nothing was found that blocks a fit." if self.code == CLEAN else "A fit is blocked."]
        return "\n".join(map(printable, lines))

    def json(self) -> str:
        """The same as JSON."""
        findings = [dataclasses.asdict(finding) for finding in self.findings]
        return strict_json({"summary": self.summary, "guesses": self.guesses, "findings": findings})


def check_file(data: Path, config: FitConfig, *, seed: int = 0) -> Checked:
    """What is found in a file, left-out parts and reasons to refuse it included.

    Args:
        data: the recording.
        config: of the fit that it is for.
        seed: of the halves of trials that reliability is told by.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            recording = read_recording(data)
    except DataFileError as error:
        refusal = Finding(BLOCKS, "file", str(error), "Nothing is taken from a file in doubt.", "As it says.")
        return Checked({}, [refusal], unreadable="" if error.opened else str(error))
    checked = check(recording, config, seed=seed)
    checked.findings.extend(Finding(NOTE, "file", str(each.message), _LEFT_OUT, "None if so meant.") for each in caught)
    return checked


def check(recording: Session | Activity, config: FitConfig, *, seed: int = 0) -> Checked:
    """Summary and findings of a session, or of average rates."""
    fit: dict[str, Any] = {name: getattr(config, name) for name in ("n_folds", "recorded_fraction")}
    if isinstance(recording, Session):
        key, is_even = jax.random.key(seed), config.assume_equal_spacing
        found, prepared = check_session(recording, config.preprocessing, assume_equal_spacing=is_even, **fit, key=key)
        summary = _summary(recording, prepared)
        if prepared is not None:
            summary |= _tells(prepared, config, found)
        return Checked(summary, found, recording, prepared)
    summary: dict[str, object] = {
        "units": len(recording.units),
        "conditions": listed(dict.fromkeys(recording.conditions), 40),
        "time": f"{recording.start:g} to {recording.time[-1]:g} s in bins of {recording.dt:g} s",
        "mean rate (spikes/s)": _spread(np.mean(recording.rates, axis=(0, 1))),
    }
    found = [*check_averages(recording, **fit), *of_averages(recording)]
    return Checked(summary | _tells(Prepared(recording, config.preprocessing), config, found), found)


def _tells(prepared: Prepared, config: FitConfig, found: list[Finding]) -> dict[str, object]:
    """How much a fit can tell; nothing if something blocks it, which is added to what is found."""
    if any(each.level == BLOCKS for each in found):
        return {}
    try:
        config, activity = with_conditions(with_held_out(config, prepared), prepared)
        config = with_go_cue(config, activity)
        ready = prepare(activity, config)
        groups = left_out_groups(ready, config, seed=0)
    except ValueError as error:
        found.insert(0, Finding(BLOCKS, "fit", str(error), "No fit can be made so.", "As it says."))
        return {}
    scales, n = judging_scales(ready, config, groups), ready.n_trials
    tops = [top for top in ceilings(ready, scales) if top is not None]
    spread = largest_spread(n, SMALLEST_GAIN)
    told = f"{np.isfinite(scales).all(axis=0).sum()} units judged in {n} left-out conditions"
    told += f"; noise allows an R² of {np.median(tops):.2f} (median)" if tops else ""
    told += f"; a mean gain of {SMALLEST_GAIN:g} in R² is found with power .8 if gains spread by {spread:.2g} or less"
    return {"a fit can tell": f"{told}.", "a fit takes": fit_cost.sentence(ready, config)}


def _summary(session: Session, prepared: Prepared | None) -> dict[str, object]:
    start, stop = session.trials["start_time"], session.trials["stop_time"]
    summary: dict[str, object] = {
        "units": session.n_units,
        "spikes": sum(map(len, session.spikes)),
        "trials": session.n_trials,
        "columns of trials": ", ".join(session.trials),
        "series": "; ".join(f"{n} ({listed(s.channels)}; {s.unit})" for n, s in session.series.items()),
    }
    if session.n_trials:
        summary["duration of trials (s)"] = _spread(stop - start)
        summary["gaps between trials (s)"] = _spread(start[1:] - stop[:-1]) if session.n_trials > 1 else "none"
    if session.observed is not None:
        summary["observed intervals per unit"] = _spread(np.array([len(spans) for spans in session.observed]))
    if prepared is not None:
        averages = prepared.averages
        counts = zip(averages.conditions, averages.trial_counts)
        summary["trials used per condition"] = listed((f"{name}: {n}" for name, n in counts), 40)
        summary["units used"] = len(averages.units)
        summary["mean rate (spikes/s)"] = _spread(np.mean(averages.rates, axis=(0, 1)))
        summary["reliability of units"] = _spread(prepared.reliability)
    return summary


def _spread(values: Any) -> str:
    """Median and range of what is known."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return "{1:.3g} ({0:.3g} to {2:.3g})".format(*np.percentile(known, [0, 50, 100])) if known.size else "not known"


def check_picture(path: Path) -> None:
    """Raise ValueError if there can be no picture of this name."""
    if path.suffix not in (".png", ".svg") or not path.absolute().parent.is_dir():
        mend = "give a name that ends in .png or .svg, in a folder that exists."
        raise ValueError(f"the picture cannot be {str(path)!r}; {mend}")


def draw(checked: Checked, path: Path) -> None:
    """Write the first picture of a session: spikes by trial and average rates of its most reliable units.

    Raises:
        ValueError: if there are no single trials that could be drawn.
    """
    from recirc import figures

    session, prepared = checked.session, checked.prepared
    if session is None or prepared is None or prepared.single_trials is None or prepared.aligned_at is None:
        raise ValueError("there are no trials to draw: the file holds averages, or nothing could be aligned.")
    averages, chosen, spikes = prepared.averages, prepared.most_reliable(5), []
    for unit in chosen:
        times = session.spikes[session.units.index(averages.units[unit])]
        times = np.sort(times[np.isfinite(times)])
        edges = np.add.outer(prepared.aligned_at, prepared.chain.window or (0.0, 0.0))
        rows = zip(np.searchsorted(times, edges), prepared.aligned_at)
        spikes.append([times[first:last] - when for (first, last), when in rows])
    arrays = averages.to_xarray()
    arrays["time"] = "time", averages.time - averages.dt / 2, {"units": "s"}
    rates, error = (arrays[name][:, :, chosen] for name in ("rates", "standard_error"))
    event = (prepared.chain.align or "").removesuffix("_time").replace("_", " ")
    drawn = figures.rasters(spikes, prepared.single_trials.conditions, rates, error, event=event)
    path.write_bytes(figures.render(drawn)[path.suffix[1:]])
