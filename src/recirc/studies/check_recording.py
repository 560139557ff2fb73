"""`recirc check`: what a recording holds, and what is wrong with it."""

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from recirc.analyses.fit_config import FitConfig
from recirc.data import DataFileError, DataWarning, read_recording
from recirc.data.findings import BLOCKS, NOTE, Finding, check_averages, check_session
from recirc.data.prepared import Prepared
from recirc.data.safe_open import open_hdf5
from recirc.data.screening import printable
from recirc.data.session import Session
from recirc.runs import load_config
from recirc.runs.metrics import strict_json
from recirc.types import Activity

CLEAN, BLOCKED, UNREADABLE = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Checked:
    """What `check` found.

    Args:
        summary: name -> what there is, in words or numbers.
        guesses: what the preprocessing guessed, one sentence each.
        findings: the worst first.
        prepared: the session made ready; None for averages, or where that is not possible.
    """

    summary: dict[str, object]
    guesses: tuple[str, ...]
    findings: list[Finding]
    prepared: Prepared | None = None

    @property
    def code(self) -> int:
        """0, or 1 if something blocks a fit."""
        return BLOCKED if any(finding.level == BLOCKS for finding in self.findings) else CLEAN


def run(
    data: Path,
    *,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    as_json: bool = False,
    figure: Path | None = None,
    seed: int = 0,
) -> int:
    """Print what is found in a recording.

    Args:
        data: the recording.
        config, overrides: of the fit that it is for, as in `fit_recording.run`.
        as_json: print JSON.
        figure: picture of the first units' spikes and average rates to write, PNG or SVG.
        seed: of the halves of trials that reliability is told by.

    Returns:
        Exit code: 0 clean, 1 something blocks a fit, 2 unreadable.

    Raises:
        ValueError: if the configuration or the picture's name cannot be used, or there is nothing to draw.
    """
    settings = load_config(FitConfig, config, overrides)
    if figure is not None and (figure.suffix not in (".png", ".svg") or not figure.absolute().parent.is_dir()):
        raise ValueError(
            f"the picture cannot be {str(figure)!r}; give a name that ends in .png or .svg, in a folder that exists."
        )
    recording, doubts = None, []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            recording = read_recording(Path(data))
        doubts = [Finding(NOTE, "file", str(warning.message), _LEFT_OUT, "None if so meant.") for warning in caught]
        checked = check(recording, settings, seed=seed)
        checked = dataclasses.replace(checked, findings=[*checked.findings, *doubts])
    except DataFileError as error:
        finding = Finding(BLOCKS, "file", str(error), "Nothing is taken from a file in doubt.", "As it says.")
        checked = Checked({}, (), [finding])
        if not _opens(Path(data)):
            print(_as_json(checked) if as_json else printable(f"unreadable: {error}"))
            return UNREADABLE
    print(_as_json(checked) if as_json else as_text(checked))
    if figure is not None and recording is not None:
        draw(recording, checked, Path(figure))
        if not as_json:
            print(f"Wrote {figure}.")
    return checked.code


_LEFT_OUT = "What is left out takes no part in a fit."


def _opens(data: Path) -> bool:
    """Whether a file that was refused is sound as a container, so that its content is what has to be mended."""
    try:
        open_hdf5(data).close()
    except DataFileError:
        return False
    return True


def check(recording: Session | Activity, config: FitConfig, *, seed: int = 0) -> Checked:
    """Summary and findings of a session, or of average rates."""
    if isinstance(recording, Activity):
        rates = np.asarray(recording.rates)
        summary = {
            "units": rates.shape[2],
            "conditions": ", ".join(dict.fromkeys(recording.conditions)),
            "time": f"{recording.start:g} to {recording.time[-1]:g} s in bins of {recording.dt:g} s",
            "mean rate (spikes/s)": _spread(rates.mean(axis=(0, 1))),
        }
        return Checked(summary, (), check_averages(recording, **_fit(config)))
    findings, prepared = check_session(recording, config.preprocessing, **_fit(config), key=jax.random.key(seed))
    return Checked(_summary(recording, prepared), () if prepared is None else prepared.guesses, findings, prepared)


def _fit(config: FitConfig) -> dict[str, Any]:
    """What a fit needs of a recording."""
    return {name: getattr(config, name) for name in ("assume_equal_spacing", "n_folds", "recorded_fraction")}


def _summary(session: Session, prepared: Prepared | None) -> dict[str, object]:
    trials = session.trials
    durations = trials["stop_time"] - trials["start_time"]
    summary: dict[str, object] = {
        "units": session.n_units,
        "spikes": sum(len(times) for times in session.spikes),
        "trials": session.n_trials,
        "columns of trials": ", ".join(trials),
        "series": "; ".join(f"{n} ({', '.join(s.channels)}; {s.unit})" for n, s in session.series.items()),
    }
    if session.n_trials:
        summary["duration of trials (s)"] = _spread(durations)
        gaps = trials["start_time"][1:] - trials["stop_time"][:-1]
        summary["gaps between trials (s)"] = _spread(gaps) if len(gaps) else "none"
    if session.observed is not None:
        counts = np.array([len(spans) for spans in session.observed])
        summary["observed intervals per unit"] = _spread(counts)
    if prepared is not None:
        averages = prepared.averages
        counts = zip(averages.conditions, averages.trial_counts)
        summary["trials used per condition"] = ", ".join(f"{name}: {n}" for name, n in counts)
        summary["units used"] = len(averages.units)
        summary["mean rate (spikes/s)"] = _spread(np.mean(averages.rates, axis=(0, 1)))
        summary["reliability of units"] = _spread(prepared.reliability)
    return summary


def _spread(values: np.ndarray | None) -> str:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not known.size:
        return "not known"
    low, middle, high = np.percentile(known, [0, 50, 100])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def as_text(checked: Checked) -> str:
    """Summary, guesses and findings as lines; names from the file cannot command a terminal."""
    lines = [f"{name}: {value}" for name, value in checked.summary.items()]
    lines += ["", *checked.guesses] if checked.guesses else []
    for finding in checked.findings:
        lines += [
            "",
            f"{finding.level.upper()} in {finding.where}: {finding.what}",
            f"  why: {finding.why}",
            f"  mend: {finding.mend}",
        ]
    lines += ["", "Nothing was found that blocks a fit." if checked.code == CLEAN else "A fit is blocked."]
    return "\n".join(map(printable, lines))


def _as_json(checked: Checked) -> str:
    findings = [dataclasses.asdict(finding) for finding in checked.findings]
    return strict_json({"summary": checked.summary, "guesses": checked.guesses, "findings": findings})


def draw(recording: Session | Activity, checked: Checked, path: Path) -> None:
    """Write the first picture of a session: spikes by trial and average rates of some units.

    Raises:
        ValueError: if there are no single trials that could be drawn.
    """
    from recirc import figures

    prepared = checked.prepared
    if (
        prepared is None
        or prepared.single_trials is None
        or prepared.aligned_at is None
        or isinstance(recording, Activity)
    ):
        raise ValueError("there are no trials to draw: the file holds averages, or nothing could be aligned.")
    start, stop = prepared.chain.window or (0.0, 0.0)
    place = {name: i for i, name in enumerate(recording.units)}
    spikes = []
    for name in prepared.averages.units:
        times = recording.spikes[place[name]]
        times = np.sort(times[np.isfinite(times)])
        spikes.append([_between(times, when, start, stop) for when in prepared.aligned_at])
    averages, chosen = prepared.averages, prepared.most_reliable(5)
    labelled = averages.to_xarray()
    labelled["time"] = "time", averages.time - averages.dt / 2, {"units": "s"}
    rates, error = (labelled[name][:, :, chosen] for name in ("rates", "standard_error"))
    drawn = figures.rasters([spikes[i] for i in chosen], prepared.single_trials.conditions, rates, error,
                            event=(prepared.chain.align or "").removesuffix("_time").replace("_", " "))  # fmt: skip
    path.write_bytes(figures.render(drawn)[path.suffix[1:]])


def _between(times: np.ndarray, when: float, start: float, stop: float) -> np.ndarray:
    first, last = np.searchsorted(times, [when + start, when + stop])
    return times[first:last] - when
