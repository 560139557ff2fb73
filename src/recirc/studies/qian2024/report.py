"""Drawings and words of the study's report."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc import figures
from recirc.analyses import AnalysisResult, Claim, by_seed, select
from recirc.analyses.table import BASELINE, having, levels_of, number
from recirc.figures import array_of
from recirc.figures.labels import label, percent
from recirc.runs.report import ReportText, Table
from recirc.studies.qian2024.claims import (
    MATCHED,
    N_KNOWN,
    RECORDING,
    SLOWEST,
    TEXTS,
    TRIALS,
    controls,
    powers,
)  # fmt: skip
from recirc.studies.qian2024.design import (
    BENT,
    CENTRAL,
    CONTROL,
    FRACTION,
    KINDS,
    LOUD,
    N_FORCE,
    N_FORCE_LARGE,
    N_HIDDEN,
    N_TRIALS,
    NOISE,
    QUIET,
    RANDOM,
    SECONDS,
    SOURCE,
    TRAINING,
    Preset,
)  # fmt: skip
from recirc.studies.qian2024.measures import N_DRAWS

HIDDEN = f"{N_HIDDEN} hidden units"


def slowest(result: AnalysisResult) -> Figure:
    """Slowest time constants of students of a part, each beside its circuit's."""
    table, lines = having(result.table, "seed"), []
    for kind in KINDS:
        own = select(table, SLOWEST, "ridge", circuit=kind, **RECORDING)
        lines.append((label(kind), "ridge", _numbers(own, "value")))
        lines.append(("the circuit", "reference", _numbers(own, "teacher")))
    return figures.strips({"students of a tenth of the units": lines}, metric=SLOWEST)


def helps(result: AnalysisResult) -> Figure:
    """Slowest time constants of all students of the central circuit and of the control."""
    table, parts = having(result.table, "seed"), {}
    for circuit in (CENTRAL, CONTROL):
        own = select(table, SLOWEST, circuit=circuit)
        lines = [(name, arm, _numbers(select(own, arm=arm, **place), "value")) for name, arm, place in _cells(table)]
        parts[f"{label(circuit)} circuits"] = lines
    return figures.strips(parts, metric=SLOWEST)


def matched(result: AnalysisResult) -> Figure:
    """How well recorded units are matched, in the run that was shown and in another, and what follows a kick."""
    table = select(having(result.table, "seed"), arm="ridge", **RECORDING)
    asked = {"recorded units": (MATCHED, "train"), "in a new run": (MATCHED, "new_run")}
    asked["after a kick"] = ("kicked_units_r2", "kicks")
    parts = {
        title: [
            (label(kind), "ridge", _numbers(select(table, metric, circuit=kind, set=where), "value")) for kind in KINDS
        ]
        for title, (metric, where) in asked.items()
    }
    return figures.strips(parts, metric=MATCHED)


def units(result: AnalysisResult) -> Figure:
    """Recorded units of the first central circuit, and students driven by the same noise."""
    target, made = (_examples(array_of(result, name)) for name in ("target_rates", "rates"))
    target, made = (each.rename(unit="output").expand_dims(condition=["recording"]) for each in (target, made))
    names = [f"unit {i + 1}" for i in range(target.sizes["output"])]
    target, made = (each.assign_coords(output=names) for each in (target, made))
    axes = ("condition", "time", "output")
    return figures.target_against_output(target.isel(arm=0).transpose(*axes), made.transpose("arm", *axes))


def eigenvalues(result: AnalysisResult) -> Figure:
    """Eigenvalues of J of students of the first central circuit; the circuit's own are all 0."""
    weights = _examples(_recurrent(result))
    return figures.eigenvalues({name: _own_part(weights.sel(arm=name).values) for name in weights["arm"].values})


def _own_part(weights: np.ndarray) -> np.ndarray:
    """J without the zeros that make all students' of one size."""
    n_units = int(np.flatnonzero(weights.any(axis=0) | weights.any(axis=1)).max(initial=0)) + 1
    return weights[:n_units, :n_units]


def _recurrent(result: AnalysisResult) -> xr.DataArray:
    if result.networks is None or "recurrent" not in result.networks:
        raise figures.NothingToDraw("the result holds no weights.")
    return result.networks["recurrent"]


EXAMPLES = {
    "ridge": ("ridge", 0), "bptt": ("bptt", 0), f"BPTT, {N_HIDDEN} hidden": ("bptt", N_HIDDEN),
    "full_force": ("full_force", 0),
}  # fmt: skip


def _examples(values: xr.DataArray) -> xr.DataArray:
    """One student of a recording of the central circuit per arm, with an axis of arms in place of that of networks."""
    found = {}
    for name, (arm, n_hidden) in EXAMPLES.items():
        place = {"arm": arm, "n_hidden": n_hidden, "circuit": CENTRAL, "data": "recording", "length_s": SECONDS}
        is_own = np.all([values[key].values == wanted for key, wanted in place.items()], axis=0)
        is_own &= np.isclose(values["fraction"].values, FRACTION)
        if is_own.any():
            found[name] = int(np.argmax(is_own))
    if not found:
        raise figures.NothingToDraw("no student of the first circuit was kept.")
    picked = values.isel(network=list(found.values()))
    bare = picked.drop_vars([name for name, each in picked.coords.items() if "network" in each.dims])
    return bare.rename(network="arm").assign_coords(arm=list(found))


DRAWINGS = figures.DRAWINGS["qian2024"] = {
    "slowest": slowest, "matched": matched, "helps": helps, "units": units, "eigenvalues": eigenvalues,
}  # fmt: skip


def figures_of(table: pd.DataFrame, networks: xr.Dataset) -> tuple[str, ...]:
    """Which figures can be drawn."""
    of_numbers = ("slowest", "matched", "helps") if len(select(table, SLOWEST)) else ()
    return (*of_numbers, *(("units", "eigenvalues") if "recurrent" in networks else ()))


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    return table.reindex(columns=[column])[column].dropna().to_numpy(float)


def _cells(table: pd.DataFrame) -> list[tuple[str, str, dict]]:
    """What students of a circuit can differ in: name in print, arm, and place."""
    own = select(table, SLOWEST, "ridge", circuit=CENTRAL)
    where = ((f"{SECONDS:g} s", RECORDING), (f"{N_TRIALS} trials", TRIALS))
    found = [
        (f"{percent(share)} of units, {data}", "ridge", place | {"fraction": share})
        for data, place in where
        for share in levels_of(own, "fraction")
    ]
    lengths = [each for each in levels_of(select(own, data="recording"), "length_s") if each != SECONDS]
    tenth = f"{percent(FRACTION)} of units"
    found += [(f"{tenth}, {length:g} s", "ridge", RECORDING | {"length_s": length}) for length in lengths]
    for data, place in where:
        noises = [each for each in levels_of(own, "noise") if each != NOISE]
        found += [(f"{tenth}, {data}, noise {noise:g}", "ridge", place | {"noise": noise}) for noise in noises]
        choices = [each for each in levels_of(own, "recorded") if each != RANDOM]
        found += [(f"{tenth}, {label(each)}, {data}", "ridge", place | {"recorded": each}) for each in choices]
    learned = [("BPTT", "bptt", data, place) for data, place in where]
    learned.append(("BPTT, task", "bptt_task", *where[0]))
    for name, arm, data, place in learned:
        found += [(f"{name}, {data}", arm, place), (f"{name}, {HIDDEN}, {data}", arm, place | {"n_hidden": N_HIDDEN})]
    found += [(f"{label(arm)}, {where[0][0]}", arm, RECORDING) for arm in ("full_force", "full_force_task")]
    shares = levels_of(select(table, SLOWEST, "full_force_large", circuit=CENTRAL), "fraction")
    large = label("full_force_large")
    return found + [(f"{large}, {percent(share)}", "full_force_large", RECORDING | {"fraction": share})
                    for share in shares]  # fmt: skip


COLUMNS = {  # metric, and the set that it is of
    "slowest mode (s)": (SLOWEST, "origin"), "spurious": ("n_spurious_slow", "origin"),
    "non-normality": ("nonnormality", "origin"), "slowest turns (Hz)": ("slowest_mode_hz", "origin"),
    "fixed points": ("n_fixed_points", "origin"), "kicks, R²": ("kicked_units_r2", "kicks"),
    "recorded, R²": (MATCHED, "train"), "in a new run": (MATCHED, "new_run"),
    "unrecorded, R²": ("heldout_neuron_r2", "new_run"), "DSA": ("dsa", "new_run"), "InputDSA": ("input_dsa", "new_run"),
    "task error": ("output_nmse", "train"),
}  # fmt: skip


OF_NULLS = ("kicks, R²", "recorded, R²", "in a new run", "unrecorded, R²", "DSA", "InputDSA")


def tables(table: pd.DataFrame) -> dict[str, Table]:
    """What stands in the report: the students by circuit and by what they were shown, and what controls get."""
    table = having(table, "seed")
    circuits = [(label(kind), "ridge", RECORDING | {"circuit": kind}) for kind in KINDS]
    cells = [(name, arm, place | {"circuit": CENTRAL}) for name, arm, place in _cells(table)]
    others = ("curbd", "linear_dynamics")
    cells += [(label(arm), arm, RECORDING | {"circuit": CENTRAL}) for arm in others]
    cells.append(("ridge, steps of 1 ms", "ridge", RECORDING | {"circuit": CENTRAL, "data": "fine_steps"}))
    cells += [(f"{label(arm)}, tanh, {percent(share)}", arm, RECORDING | {"circuit": BENT, "fraction": share})
              for arm in ("ridge", "cornn") for share in (FRACTION, 1.0)]  # fmt: skip
    lines = [_lines(table, *each)[0] for each in cells]
    students = [line for line in lines if any(value is not None for value in line[1:])]
    claimed = ("claim", "students", "untrained students", "students of random circuits")
    return {
        "circuits": Table(("circuit", *COLUMNS), [line for each in circuits for line in _lines(table, *each)]),
        "students": Table(("student", *COLUMNS), students),
        "controls": Table(claimed, controls(table)),
        "nulls": Table(("student", *OF_NULLS), _chances(table, [*circuits, *cells])),
    }


def _lines(table: pd.DataFrame, name: str, arm: str, place: dict) -> list[list]:
    """Medians of students, and of their circuits where that is known."""
    own = [select(table, metric, arm, set=where, **place) for metric, where in COLUMNS.values()]
    middle = lambda column: [_median(each, column) for each in own]  # noqa: E731
    return [
        [name, *middle("value")],
        ["– itself", *middle("teacher")],
        ["– student untrained", *middle(f"{BASELINE}untrained")],
    ]


def _chances(table: pd.DataFrame, cells: list[tuple[str, str, dict]]) -> list[list]:
    """Medians of p, of those students of which nulls were drawn."""
    lines = []
    for name, arm, place in cells:
        asked = (COLUMNS[column] for column in OF_NULLS)
        line = [_median(select(table, metric, arm, set=where, **place), "null_p") for metric, where in asked]
        lines += [[name, *line]] if any(p is not None for p in line) else []
    return lines


def _median(table: pd.DataFrame, column: str) -> float | None:
    values = _numbers(table, column)
    return float(np.median(values)) if len(values) else None


def verdict(table: pd.DataFrame, judged: list[Claim], size: Preset) -> str:
    """A paragraph that the numbers write."""
    verdicts = [claim.supported for claim in judged]
    own = {"circuit": CENTRAL, **RECORDING}
    slow = _median(select(table, SLOWEST, "ridge", **own), "value")
    truth = _median(select(table, SLOWEST, "ridge", **own), "teacher")
    whole = _median(select(table, SLOWEST, "ridge", **own | {"fraction": 1.0}), "value")
    match = by_seed(table, MATCHED, "ridge", set="train", **own)
    spurious = _median(select(table, "n_spurious_slow", "ridge", **own), "value")
    found = {"slow": number(slow), "truth": number(truth), "whole": number(whole), "spurious": number(spurious)}
    return TEXTS["verdict"].format(
        n_claims=len(judged), supported=verdicts.count(True), contradicted=verdicts.count(False),
        undecided=verdicts.count(None), n_seeds=size.n_seeds,
        fewer=f" (that of all units in full-FORCE over {size.n_large})" if size.n_large else "",
        matched=number(match.median() if len(match) else None, 2), **found,
    )  # fmt: skip


def report_text(result: AnalysisResult, *, size: Preset, preset: str) -> ReportText:
    """The words of the report of a study of one size, the name of which is `preset`."""
    power = ", ".join(f"{TEXTS['short'][name]} {value:.2f}" for name, value in powers(size).items())
    values = {"source": SOURCE, "preset": preset, "verdict": result.sentences["verdict"], "n_seeds": size.n_seeds,
              "n_control": size.n_control, "n_shown": size.n_shown, "power": power, "n_known": N_KNOWN,
              "n_hidden": N_HIDDEN, "n_trials": N_TRIALS, "training": TRAINING, "n_force": N_FORCE, "quiet": QUIET,
              "loud": LOUD, "noise": NOISE, "n_varied": size.n_varied or "no", "n_force_large": N_FORCE_LARGE,
              "n_large": size.n_large or "no", "n_draws": N_DRAWS}  # fmt: skip
    return ReportText.from_toml(Path(__file__).with_suffix(".toml"), values, **tables(result.table))
