"""What the report of the delayed reach study shows and says, by its numbers."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from recirc import figures
from recirc.analyses import AnalysisResult, select
from recirc.analyses.levels import ALPHA, level_verdicts, numbers
from recirc.analyses.reference import HERE
from recirc.analyses.sources import stated_sources
from recirc.analyses.verdict_config import Reference
from recirc.figures import DRAWINGS, Column, Shown, rotations_beside, units_beside
from recirc.figures.labels import percent
from recirc.figures.style import label
from recirc.runs.report import ReportText, Table
from recirc.studies.kao2019 import design
from recirc.studies.kao2019.claims import judge_all, trained
from recirc.studies.kao2019.reference import published

CELL = design.NETWORK[:-1]
COLUMNS_OF_CELL = ("nonlinearity", "target off in", "rate penalty")
NOISE: dict[str, Any] = {"noise_set": "input_noise", "panel": "target_off_share", "shade": "rate_penalty"}
JUMP = np.deg2rad(90.0)
SHOWN_SWITCHES = (-0.25, 0.0, 0.1)
UNITS = ("preparatory_tuning", "movement_tuning", "multiphasic")
MECHANISM = ("state_share", "target_off_at_go_r2")
POPULATION = ("dsa", "jpca_ratio", "jpca_frequency", "alignment_index", "participation_ratio")
HELD_OUT = {
    "cca_mean4_crossfit": "1 − CCA, left-out directions",
    "procrustes_angle_crossfit": "Procrustes angle, left out",
}
COLUMNS = {
    "task": [Column("output_r2", {"set": "train"}, goal=design.PERFORMS)],
    "units": [Column("silent_units", HERE), *(Column(f"unit_{name}", HERE) for name in UNITS)],
    "population": [
        *(Column(f"{name}_distance", {"set": "halves"}, text) for name, text in HELD_OUT.items()),
        *(Column(name, HERE) for name in POPULATION),
        Column("tangling_p95", HERE | {"of": None}),
    ],
    "mechanism": [*map(Column, MECHANISM), Column("n_fixed_points", {"epoch": "movement"})],
}
JUMPS = {-0.25: "0.25 s before go", 0.0: "at go", 0.1: "0.1 s after go", 0.2: "0.2 s after go"}
TESTS: dict[str, dict[str, Any]] = {
    "trained directions": {"set": "train"},
    "new directions": {"set": "heldout_direction"},
    **{f"radius {scale:g}": {"set": "radius", "scale": scale} for scale in design.RADII},
    **{f"delay {delay:g} s": {"set": "delay", "delay_s": delay} for delay in design.DELAYS},
    **{f"jump {when}": {"set": "target_switch", "time_s": time} for time, when in JUMPS.items()},
}


def about(reference: Reference) -> dict[str, Any]:
    """What drawings and words need to know beside the numbers."""
    stands_in = reference.another is not None and reference.single_trials is None
    told = {"name": reference.name, "mechanism": reference.mechanism, "stands_in": stands_in}
    config = dataclasses.asdict(design.comparison(0.0, 1))
    return {"reference": told, "config": config, "sources": stated_sources(*design.METHODS)}


def figures_of(arrays: xr.Dataset) -> tuple[str, ...]:
    """Which figures can be drawn; without a network that could be measured, those of the numbers alone."""
    return tuple(DRAWINGS["kao2019"]) if "rates" in arrays else ("levels", "scores", "mechanism", "noise")


DRAWINGS["kao2019"] = {
    "levels": lambda result: figures.level_marks(judge_all(result.table, result.about["reference"]["mechanism"])),
    "scores": lambda result: figures.score_grid(
        pd.concat([*(select(result.table, arm=arm) for arm in ("reference", "published")), trained(result.table)]),
        COLUMNS,
    ),
    "mechanism": lambda result: figures.mechanism_shares(trained(result.table)),
    "noise": lambda result: figures.noise_curve(trained(result.table), **NOISE),
    "units": lambda result: units_beside(result, _shown(result), zero="movement onset", go=design.GO),
    "rotations": lambda result: rotations_beside(result, _shown(result)),
    "flow": lambda result: figures.flow_fields([(_name(own), _flows(own)) for own in _examples(result)]),
    "switches": lambda result: figures.switch_trajectories(
        [path for own in _examples(result)[:2] for path in _paths(own)]
    ),
}


def _examples(result: AnalysisResult) -> list[xr.Dataset]:
    """Networks of the first seed, without rate penalty and not all but silent, of both ends of the training."""
    arrays = result.arrays
    if "flow_steps" not in arrays:
        return []
    usable = arrays["flow_steps"].notnull().all(("epoch", "edge")) & (arrays["rate_penalty"] == 0)
    cells = [(name, share) for name in design.ARMS for share in design.TARGET_OFF_SHARES[::2]]
    match = [usable & (arrays["arm"] == name) & np.isclose(arrays["target_off_share"], share) for name, share in cells]
    return [arrays.isel(network=np.flatnonzero(found)[0]) for found in match if found.any()]


def _name(own: xr.Dataset) -> str:
    """A network in a few words."""
    return f"{label(own['arm'].item())}, off {100 * own['target_off_share'].item():g} %"


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
        path = own["flow_path"].values[:, slice(*here["flow_steps"].values.astype(int))]
        points = here["flow_points"].dropna("point").values
        x, y, u, v = here["flow"].values.astype(float)
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
        title, caption = f"{_name(own)}, jump {JUMPS[time]}", f"mean end-point error {miss:.2f}"
        found.append(figures.HandPaths(title, positions, old, new, conditions, step, caption))
    return found


def words(result: AnalysisResult, *, name: str, size: design.Preset) -> ReportText:
    """The words of the report of a run that is called `name` and as large as `size`."""
    reference = result.about["reference"]
    levels = judge_all(result.table, reference["mechanism"])
    units, population, performing = levels["units"], levels["population"], levels["performs"]
    verdicts = [claim.supported for claim in result.claims]
    values = {
        "source": design.SOURCE, "preset": name, "n_seeds": size.n_seeds, "reference": reference["name"],
        "stand_in": reference["stands_in"], "n_networks": len(levels), "n_performing": performing.sum(),
        "n_missing": (~performing).sum(), "shortfall": not performing.all(), "n_units": units.sum(),
        "n_population": population.sum(), "n_both": (units & population).sum(), "n_claims": len(verdicts),
        "mechanisms": ", ".join(f"{kind} ({k})" for kind, k in levels.groupby("verdict", sort=False).size().items()),
        "supported": verdicts.count(True), "contradicted": verdicts.count(False), "undecided": verdicts.count(None),
        "alpha": ALPHA, "windows": design.WINDOWS, "training": size.training, "noise": design.NOISE,
        "n_updates": int(size.training["n_passes"] * size.training["n_updates"]),
        "published": "; ".join(_sources(result)), "otherwise": "; ".join(published()["otherwise"]),
    }  # fmt: skip
    cells = _cells(levels)
    tables = {"levels": _level_table(result, cells, reference["mechanism"]), "transfer": _transfer_table(result, cells)}
    return ReportText.from_toml(Path(__file__).with_suffix(".toml"), values, **tables)


def _sources(result: AnalysisResult) -> list[str]:
    """Where the published values are from, and in which windows."""
    rows = select(result.table, arm="published")
    return [
        f"{source} ({window})"
        for source, window in rows.reindex(columns=["source", "window"]).drop_duplicates().to_numpy()
    ]


def _cells(levels: pd.DataFrame) -> list[tuple]:
    """Nonlinearity, share of trials with the target off and rate penalty of every cell."""
    cells = levels.reset_index()[CELL].drop_duplicates().itertuples(index=False, name=None)
    return sorted(cells, key=lambda cell: (cell[1], list(design.ARMS).index(cell[0]), cell[2]))


def _level_table(result: AnalysisResult, cells: list[tuple], mechanism: str | None) -> Table:
    rows, own = [], dict(list(trained(result.table).groupby(CELL, sort=False)))
    for arm, share, penalty in cells:
        place = {"target_off_share": share, "rate_penalty": penalty}
        twins = select(result.table, arm=f"untrained_{arm}", **place).dropna(subset="seed")
        each = level_verdicts(own[arm, share, penalty], result.table, mechanism, by=design.NETWORK, twins=twins)
        rows.append((label(arm), percent(share), f"{penalty:g}", " ".join(verdict.sentence for verdict in each)))
    return Table((*COLUMNS_OF_CELL, "evidence"), rows, "The verdicts in words, cell by cell", folded=True)


def _transfer_table(result: AnalysisResult, cells: list[tuple]) -> Table:
    networks, medians = trained(result.table), {}
    for name, place in TESTS.items():
        values = numbers(networks, design.NETWORK, "output_r2", **place)
        medians[name] = values[np.isfinite(values)].groupby(CELL).median()
    rows = [
        (label(arm), percent(share), f"{penalty:g}", *(found.get((arm, share, penalty)) for found in medians.values()))
        for arm, share, penalty in cells
    ]
    return Table((*COLUMNS_OF_CELL, *medians), rows, "R² where training never went")
