"""What the report of the delayed reach study shows and says, by its numbers."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc import figures
from recirc.analyses import AnalysisResult
from recirc.analyses.levels import ALPHA, INSIDE, UNIT_SHARE, level_verdicts, numbers
from recirc.analyses.reference import COMPARED as HERE
from recirc.analyses.reference import Reference
from recirc.figures import DRAWINGS, Column, Shown, rotations_beside, units_beside
from recirc.figures.style import label
from recirc.runs.report import Picture, ReportText, Section, Table
from recirc.studies.kao2019 import design
from recirc.studies.kao2019.claims import CELL, judge_all, trained

COLUMNS_OF_CELL = ("nonlinearity", "target line", "rate penalty")
LINE = {"on": "target stays on", "off_at_go": "target off at go"}
EXAMPLE_SEED = 0  # the first, whatever it looks like
JUMP = np.deg2rad(90.0)
GO = -0.15  # seconds from movement onset
SHOWN_SWITCHES = (-0.25, 0.0, 0.1)
POPULATION = ("cca_mean4", "procrustes_angle", "dsa", "jpca_ratio", "alignment_index", "participation_ratio")
COLUMNS = {
    "task": [Column("output_r2", {"set": "train"}, goal=design.PERFORMS)],
    "units": [
        Column(f"unit_{name}", HERE)
        for name in ("feature_distance", "preparatory_tuning", "movement_tuning", "multiphasic")
    ],
    "population": [*(Column(name, HERE) for name in POPULATION), Column("tangling_p95", HERE | {"of": None})],
    "mechanism": [
        *(Column(name) for name in ("state_share", "input_share", "target_off_at_go_r2")),
        Column("n_fixed_points", {"epoch": "movement"}),
    ],
}
JUMPS = {-0.25: "0.25 s before go", 0.0: "at go", 0.1: "0.1 s after go", 0.2: "0.2 s after go"}
TESTS: dict[str, dict[str, Any]] = {
    "trained directions": {"set": "train"},
    "new directions": {"set": "heldout_direction"},
    **{f"radius {scale:g}": {"set": "radius", "scale": scale} for scale in design.RADII},
    **{f"delay {delay:g} s": {"set": "delay", "delay_s": delay} for delay in design.DELAYS},
    **{f"jump {when}": {"set": "target_switch", "time_s": time} for time, when in JUMPS.items()},
}
UNKNOWNS = (
    ("everything beyond the abstract", "the paper's text was not at hand",
     "task, network and training follow code published by the author's group for this task, and what is not there is "
     "ours; no number of the paper is quoted or aimed at"),
    ("network", "tanh and rectified units, as in that code", "100 units, time constant 50 ms, steps of 10 ms, no "
     "autapses, spectral radius 1.1 at the start"),
    ("delays in training", "variable", "uniform from 200 to 800 ms; 10 % catch trials"),
    ("rate penalties", "swept, values unknown", "weights of the mean squared rate, see config.toml; they rise from "
     "zero over the first 500 updates, since a strong one from the start silences the network before it learns"),
    ("error", "mean squared", "in units of each output's variance, so that velocity and position count alike; a "
     "penalty weighs less than in the code by that factor"),
    ("optimizer and stop", "not known; that code stops by the smaller R² of velocity and position",
     "Adam, at most 1,500 updates of 32 trials, stop at R² .98 of every output on held-out trials, not before the "
     "800th update"),
    ("when the target's input goes off", "after the movement", "that, and at go, which leaves no input to be "
     "driven by"),
    ("reference", "recordings of cortex", "a recording if one is given; else a stability-optimized circuit, whose "
     "movements arise from a prepared state"),
    ("comparison windows", "not known", f"seconds from movement onset: preparation {design.PREPARATION}, movement "
     f"{design.MOVEMENT}, rotations {design.ROTATION}, similarities {design.COMPARED}"),
    ("mechanism", "low-dimensional views of the dynamics", "movements made again from the state of one condition under "
     "the input of another; flow fields and fixed points are shown beside"),
)  # fmt: skip


def about(reference: Reference) -> dict[str, Any]:
    """What drawings and words need to know beside the numbers."""
    stands_in = reference.another is not None and reference.single_trials is None
    told = {"name": reference.name, "mechanism": reference.mechanism, "stands_in": stands_in}
    return {"reference": told, "config": dataclasses.asdict(design.comparison(0.0, 1))}


def figures_of(arrays: xr.Dataset) -> tuple[str, ...]:
    """Which figures can be drawn; without a network that could be measured, those of the numbers alone."""
    return tuple(DRAWINGS["kao2019"]) if "rates" in arrays else ("scores", "mechanism", "noise")


def _scores(result: AnalysisResult) -> Figure:
    reference = result.table[result.table["arm"] == "reference"]
    return figures.score_grid(pd.concat([reference, trained(result.table)]), COLUMNS)


def _noise(result: AnalysisResult) -> Figure:
    axes = {"noise_set": "input_noise", "panel": "target_line", "shade": "rate_penalty"}
    return figures.noise_curve(trained(result.table), **axes)


def _flow(result: AnalysisResult) -> Figure:
    return figures.flow_fields([(_name(own), _flows(own)) for own in _examples(result)])


def _switches(result: AnalysisResult) -> Figure:
    return figures.switch_trajectories([path for own in _examples(result)[:2] for path in _paths(own)])


DRAWINGS["kao2019"] = {
    "scores": _scores,
    "mechanism": lambda result: figures.mechanism_shares(trained(result.table)),
    "noise": _noise,
    "units": lambda result: units_beside(result, _shown(result), zero="movement onset", go=GO),
    "rotations": lambda result: rotations_beside(result, _shown(result)),
    "flow": _flow,
    "switches": _switches,
}


def _examples(result: AnalysisResult) -> list[xr.Dataset]:
    """One network per nonlinearity and target line: first seed, middle penalty, and not all but silent."""
    arrays = result.arrays
    if "flow_steps" not in arrays:
        return []
    penalties = np.unique(arrays["rate_penalty"])
    usable = arrays["flow_steps"].notnull().all(("epoch", "edge")) & (arrays["seed"] == EXAMPLE_SEED)
    usable &= np.isclose(arrays["rate_penalty"], penalties[len(penalties) // 2])
    cells = [(name, line) for name in design.NONLINEARITIES for line in design.TARGET_LINES]
    match = [usable & (arrays["arm"] == name) & (arrays["target_line"] == line) for name, line in cells]
    return [arrays.isel(network=np.flatnonzero(found)[0]) for found in match if found.any()]


def _name(own: xr.Dataset) -> str:
    """A network in a few words."""
    line = {"on": "target on", "off_at_go": "target off"}[own["target_line"].item()]
    return f"{label(own['arm'].item())}, {line}"


def _shown(result: AnalysisResult) -> list[Shown]:
    table, found = trained(result.table), []
    for own in _examples(result):
        rows = table[np.all([table[name] == own[name].item() for name in design.NETWORK], axis=0)]
        found.append(Shown(_name(own), own["rates"], rows))
    return found


def _flows(own: xr.Dataset) -> dict[str, figures.Flow]:
    flows, conditions = {}, own["condition"].values.tolist()
    for epoch in own["epoch"].values:
        here = own.sel(epoch=epoch)
        first, last = here["flow_steps"].values.astype(int)
        points = here["flow_points"].values
        points = points[np.isfinite(points).all(axis=1)]
        x, y, u, v = here["flow"].values.astype(float)
        path = own["flow_path"].values[:, first:last]
        flows[epoch] = figures.Flow(x, y, u, v, path, conditions, points[:, :2], points[:, 2] > 0.5, held=0)
    return flows


def _paths(own: xr.Dataset) -> list[figures.HandPaths]:
    conditions = own["condition"].values.tolist()
    angles = np.deg2rad([float(condition) for condition in conditions])
    old, new = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angles, angles + JUMP))
    found = []
    for time in SHOWN_SWITCHES:
        positions = own[f"switch_{time}"].values.astype(float)
        step = int(np.searchsorted(own["trial_time"].values, time)) if time > 0 else None
        miss = np.linalg.norm(positions[:, -20:].mean(axis=1) - new, axis=1).mean()
        when = "at go" if time == 0 else f"{abs(time):g} s {'before' if time < 0 else 'after'} go"
        title, caption = f"{_name(own)}, jump {when}", f"mean end-point error {miss:.2f}"
        found.append(figures.HandPaths(title, positions, old, new, conditions, step, caption))
    return found


def words(result: AnalysisResult, *, name: str, size: design.Preset) -> ReportText:
    """The words of the report.

    Args:
        result: of the study.
        name, size: what the run is called, and how large it is.
    """
    about = result.about["reference"]
    levels = judge_all(result.table, about["mechanism"])
    return ReportText(
        title="Same behavior, same units, other mechanism?",
        verdict=_verdict(levels, result, name, size),
        sections=_sections(result, levels, about["mechanism"]),
        unknowns=UNKNOWNS,
        key_numbers=False,
    )


def _verdict(levels: pd.DataFrame, result: AnalysisResult, name: str, size: design.Preset) -> str:
    about, n = result.about["reference"], len(levels)
    count = {answer: sum(claim.supported is answer for claim in result.claims) for answer in (True, False, None)}
    own = ", ".join(f"{verdict} ({k})" for verdict, k in levels.groupby("verdict", sort=False).size().items())
    done = levels["performs"].sum()
    shortfall = f" {n - done} did not, and count as failures below." if done < n else ""
    stand_in = (
        " No recording was given, so that this circuit stands in; likeness to it is not likeness to motor cortex."
    )
    units, population = levels["units"], levels["population"]
    return (
        f"A reconstruction of {design.SOURCE}, preset {name} ({size.n_seeds} networks per cell). Reference: "
        f"{about['name']}.{stand_in if about['stands_in'] else ''} {done} of {n} networks do the task.{shortfall} "
        f"Units are like the reference's in {units.sum()}, the population in {population.sum()}, both in "
        f"{(units & population).sum()}. By mechanism, networks are {own}. Of {len(result.claims)} claims, supported: "
        f"{count[True]}, not supported: {count[False]}, beyond a run of this size: {count[None]}."
    )


def _sections(result: AnalysisResult, levels: pd.DataFrame, mechanism: str | None) -> list[Section]:
    rule = (
        f"Units count as alike if {UNIT_SHARE:.0%} of their features are distributed no further from the reference's "
        f"than 95 % of halves of the reference are from each other; populations, if CCA and Procrustes are beyond "
        f"their null (p < {ALPHA:g}) and {' and '.join(INSIDE.values())} lie in the reference's interval over "
        "units. Similarities have shuffled conditions as null (DSA: components with random signs), jPCA and tangling "
        "tensor-maximum-entropy surrogates, the alignment index random subspaces. Geometry alone says nothing about "
        "mechanism."
    )
    return [
        Section("How alike, level by level?", rule, [Picture("scores", "A line per cell; points are networks.")], [
            _level_table(result, _cells(levels), mechanism)]),
        Section("Single units", "", [Picture("units", "One network per nonlinearity and target line (first seed, "
            "middle penalty), units at the same ranks of movement tuning. Target on: until the movement ends; off: at "
            "go.")]),
        Section("Population", "Rotations are found in much that is smooth: read each ratio with its p.",
            [Picture("rotations", "The plane of the fastest rotation, from a dot to an arrowhead.")]),
        Section("Mechanism", "Every movement is made again from the state at go of every condition under the input of "
            "every other. A network whose target is off at go has no input to be driven by.",
            [Picture("mechanism", "Share of the differences between movements that comes from state and from input."),
             Picture("flow", "Flow of the rates under the input of the first condition, trajectories of all, and fixed "
                 "points that were found (at least these).")]),
        Section("Input noise", "Noise on all inputs in every step; sigma before its scaling by the time step.",
            [Picture("noise", "Error against noise.")]),
        Section("Without further training", "Smaller R² of velocity and position, medians over networks of a cell. A "
            "target that jumps at or after go is shown from then on in all networks, also in those trained with the "
            "target off at go: for them that is a new input as well as a new target.",
            [Picture("switches", "Hand paths when the target jumps by 90 degrees (tanh networks of the first seed).")],
            [_transfer_table(result, _cells(levels))]),
    ]  # fmt: skip


def _cells(levels: pd.DataFrame) -> list[tuple]:
    """Nonlinearity, target line and rate penalty of every cell."""
    cells = levels.reset_index()[CELL].drop_duplicates().itertuples(index=False, name=None)
    return sorted(cells, key=lambda cell: (list(LINE).index(cell[1]), cell[0], cell[2]))


def _level_table(result: AnalysisResult, cells: list[tuple], mechanism: str | None) -> Table:
    rows, own = [], dict(list(trained(result.table).groupby(CELL, sort=False)))
    for arm, line, penalty in cells:
        for each in level_verdicts(own[arm, line, penalty], result.table, mechanism, by=design.NETWORK):
            alike = f"{each.alike} of {each.n}" if each.n else "unknown"
            rows.append((arm, LINE[line], f"{penalty:g}", each.level, alike, each.sentence))
    return Table((*COLUMNS_OF_CELL, "level", "alike", "evidence"), rows, "Verdicts, with range over networks")


def _transfer_table(result: AnalysisResult, cells: list[tuple]) -> Table:
    networks, medians = trained(result.table), {}
    for name, place in TESTS.items():
        values = numbers(networks, design.NETWORK, "output_r2", **place)
        medians[name] = values[np.isfinite(values)].groupby(CELL).median()
    rows = [
        (arm, LINE[line], f"{penalty:g}", *(found.get((arm, line, penalty)) for found in medians.values()))
        for arm, line, penalty in cells
    ]
    return Table((*COLUMNS_OF_CELL, *medians), rows, "R² where training never went")
