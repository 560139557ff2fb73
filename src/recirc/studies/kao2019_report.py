"""Figures of the delayed reach study, from what its run folder holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from recirc import figures
from recirc.analyses import frame
from recirc.compare import JPCA, soft_constant
from recirc.figures.style import label
from recirc.runs import Row, read_dataset, read_metrics
from recirc.studies.kao2019 import MOVEMENT, NONLINEARITIES, PERFORMS, PREPARATION, ROTATION, TARGET_LINES
from recirc.studies.kao2019_likeness import COMPARED, SOFT
from recirc.studies.levels import value_of
from recirc.types import Activity

EXAMPLE_SEED = 0  # the first, whatever it looks like
JUMP = np.deg2rad(90.0)
SHOWN_SWITCHES = (-0.25, 0.0, 0.1)
COLUMNS = {
    "task": [figures.Column("output_r2", {"set": "train"}, goal=PERFORMS)],
    "units": [
        figures.Column("unit_feature_distance", COMPARED),
        figures.Column("unit_preparatory_tuning", COMPARED),
        figures.Column("unit_movement_tuning", COMPARED),
        figures.Column("unit_multiphasic", COMPARED),
    ],
    "population": [
        figures.Column("cca_mean4", COMPARED),
        figures.Column("procrustes_angle", COMPARED),
        figures.Column("dsa", COMPARED),
        figures.Column("jpca_ratio", COMPARED),
        figures.Column("alignment_index", COMPARED),
        figures.Column("participation_ratio", COMPARED),
        figures.Column("tangling_p95", COMPARED | {"of": None}),
    ],
    "mechanism": [
        figures.Column("state_share"),
        figures.Column("input_share"),
        figures.Column("target_off_at_go_r2"),
        figures.Column("n_fixed_points", {"epoch": "movement"}),
    ],
}


def draw(folder: Path) -> None:
    """Make every figure of the study from `metrics.json` and `activity.nc`."""
    rows = read_metrics((folder / "metrics.json").read_text(encoding="utf-8"))[1]
    place, activity = folder / "figures", read_dataset(folder / "activity.nc")
    reference = [row for row in rows if row.arm == "reference"]
    trained = [row for row in rows if row.arm in NONLINEARITIES and "seed" in row.condition]
    table = frame([*reference, *trained])
    figures.save(figures.score_grid(table, COLUMNS), place, "scores", "Scores of every cell and level")
    figures.save(figures.mechanism_shares(frame(trained)), place, "mechanism", "What the movement comes from")
    noise = figures.noise_curve(frame(trained), noise_set="input_noise", panel="target_line", shade="rate_penalty")
    figures.save(noise, place, "noise", "Error against input noise")
    if "rates" not in activity:
        return
    examples = example_networks(activity)
    figures.save(
        figures.psths([_reference_rates(activity), *(_rates(activity, i) for i in examples)], zero="movement onset"),
        place,
        "units",
        "Example units of reference and networks",
    )
    planes = figures.jpca_planes(_planes(activity, examples, trained, reference))
    figures.save(planes, place, "rotations", "Planes of rotation")
    flows = [(name_of(activity, i), _flows(activity, i)) for i in examples]
    figures.save(figures.flow_fields(flows), place, "flow", "Flow of the rates")
    paths = [path for i in examples[:2] for path in _paths(activity, i)]
    figures.save(figures.switch_trajectories(paths), place, "switches", "Hand paths when the target jumps")


def example_networks(activity: xr.Dataset) -> list[int]:
    """One network per nonlinearity and target line: first seed, middle penalty, and not all but silent."""
    if "flow_steps" not in activity:
        return []
    has_flow = np.isfinite(activity["flow_steps"].values).all(axis=(1, 2))
    penalties = np.unique(activity["rate_penalty"].values)
    middle = penalties[len(penalties) // 2]
    found = []
    for name in NONLINEARITIES:
        for line in TARGET_LINES:
            match = (activity["arm"] == name) & (activity["target_line"] == line)
            match &= (activity["seed"] == EXAMPLE_SEED) & np.isclose(activity["rate_penalty"], middle)
            found += np.flatnonzero(match.values & has_flow)[:1].tolist()
    return found


def name_of(activity: xr.Dataset, index: int) -> str:
    """A network in a few words."""
    own = activity.isel(network=index)
    line = {"on": "target on", "off_at_go": "target off"}[str(own["target_line"].values)]
    return f"{label(str(own['arm'].values))}, {line}"


def _reference_rates(activity: xr.Dataset) -> figures.EpochRates:
    return figures.EpochRates("reference", activity["target_rates"], PREPARATION, MOVEMENT)


def _rates(activity: xr.Dataset, index: int) -> figures.EpochRates:
    own = activity["rates"].isel(network=index).rename(network_unit="unit")
    own = own.drop_vars([n for n in own.coords if n not in ("condition", "time")])
    own = own.assign_coords(unit=[str(i) for i in range(own.sizes["unit"])])
    own.attrs["units"] = "1"
    return figures.EpochRates(name_of(activity, index), own, PREPARATION, MOVEMENT, go=-0.15)


def as_activity(rates: xr.DataArray) -> Activity:
    """Rates of the run folder as an activity whose time 0 is movement onset."""
    time = rates["time"].values
    dt = float(np.median(np.diff(time)))
    conditions = [str(c) for c in rates["condition"].values]
    values = rates.values.astype(float)
    values = values[:, :, np.ptp(values, axis=(0, 1)) > 0]  # silent units are counted in the scores
    return Activity(values, dt=dt, conditions=conditions, start=float(time[0]) - dt)


def _planes(activity: xr.Dataset, examples: Sequence[int], rows, reference) -> list[figures.Plane]:
    theirs = as_activity(activity["target_rates"])
    planes = [_plane("reference", theirs, SOFT, reference)]
    for index in examples:
        own = as_activity(activity["rates"].isel(network=index))
        planes.append(
            _plane(name_of(activity, index), own, soft_constant(own, theirs, SOFT), _rows_of(activity, index, rows))
        )
    return planes


def _rows_of(activity: xr.Dataset, index: int, rows: Sequence[Row]) -> list[Row]:
    own = activity.isel(network=index)
    arm, place = str(own["arm"].values), {"target_line": str(own["target_line"].values)}
    place |= {"rate_penalty": float(own["rate_penalty"].values), "seed": int(own["seed"].values)}
    return [r for r in rows if r.arm == arm and all(r.condition.get(n) == v for n, v in place.items())]


def _plane(title: str, a: Activity, soft: float, rows: Sequence[Row]) -> figures.Plane:
    found = JPCA(soft=soft, start=ROTATION[0], stop=ROTATION[1]).fit(a)
    chance = next((r.null["p"] for r in rows if r.metric == "jpca_ratio" and r.null is not None), np.nan)
    caption = (
        f"R² skew {found.r2_skew:.2f}, ratio {value_of(rows, 'jpca_ratio'):.2f} (p {chance:.2g}), "
        f"{found.frequency_hz[0]:.1f} Hz, {found.variance[0]:.0%} of variance, "
        f"{found.start:.2f} to {found.stop:.2f} s"
    )
    return figures.Plane(title, found.project(a)[:, :, :2], a.conditions, caption)


def _flows(activity: xr.Dataset, index: int) -> dict[str, figures.Flow]:
    own, flows = activity.isel(network=index), {}
    conditions = [str(c) for c in own["condition"].values]
    for i, epoch in enumerate(activity["epoch"].values):
        first, last = own["flow_steps"].values[i].astype(int)
        x, y, u, v = own["flow"].values[i].astype(float)
        points = own["flow_points"].values[i]
        points = points[np.isfinite(points).all(axis=1)]
        flows[str(epoch)] = figures.Flow(
            x, y, u, v, own["flow_path"].values[:, first:last], conditions, points[:, :2], points[:, 2] > 0.5, held=0
        )
    return flows


def _paths(activity: xr.Dataset, index: int) -> list[figures.HandPaths]:
    conditions = [str(c) for c in activity["condition"].values]
    angles = np.deg2rad([float(c) for c in conditions])
    old, new = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angles, angles + JUMP))
    found = []
    for time in SHOWN_SWITCHES:
        positions = activity[f"switch_{time}"].isel(network=index).values.astype(float)
        step = int(np.searchsorted(activity["trial_time"].values, time)) if time > 0 else None
        miss = np.linalg.norm(positions[:, -20:].mean(axis=1) - new, axis=1).mean()
        when = "at go" if time == 0 else f"{abs(time):g} s {'before' if time < 0 else 'after'} go"
        found.append(
            figures.HandPaths(
                f"{name_of(activity, index)}, jump {when}", positions, old, new, conditions, step,
                f"mean end-point error {miss:.2f}",
            )
        )  # fmt: skip
    return found
