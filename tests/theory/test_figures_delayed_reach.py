"""Figures of the delayed reach study: they show the numbers they are given, and choose by the stated rules."""

import math

import numpy as np
import xarray as xr

from recirc import figures
from recirc.runs.metrics import Row

DIRECTIONS = [f"{45 * i}" for i in range(8)]
PENALTIES = (0.0, 0.001, 0.01, 0.1, 1.0)
UNIT = np.stack([np.cos(np.radians(45.0 * np.arange(8))), np.sin(np.radians(45.0 * np.arange(8)))], axis=1)
COLUMNS = {
    "task": [
        figures.Column("output_r2", {"set": "test"}, goal=0.95),
        figures.Column("endpoint_error", {"set": "test"}, "end-point error"),
    ],
    "units": [
        figures.Column("unit_movement_tuning", name="tuning, move"),
        figures.Column("unit_multiphasic", name="multi-phasic"),
    ],
    "population": [
        figures.Column("jpca_ratio"),
        figures.Column("alignment_index", name="align. index"),
        figures.Column("procrustes_angle", name="Procr. angle"),
        figures.Column("participation_ratio", name="partic. ratio"),
        figures.Column("tangling_p95", name="tangling, p95"),
    ],
    "mechanism": [
        figures.Column("state_share", {"set": "crossed_at_go"}, "state share"),
        figures.Column("target_off_at_go_r2", name="target off at go"),
        figures.Column("n_fixed_points", {"epoch": "movement"}),
    ],
}


def grid_rows(n_seeds=5, penalties=PENALTIES, seed=0):
    """Rows of a grid of cells, a reference with intervals, some networks under their goal, one that diverged."""
    draw = np.random.default_rng(seed)
    found = []
    centers = {
        "output_r2": (0.985, 0.015, {"set": "test"}),
        "endpoint_error": (0.05, 0.02, {"set": "test"}),
        "unit_movement_tuning": (0.48, 0.06, {}),
        "unit_multiphasic": (0.55, 0.1, {}),
        "jpca_ratio": (0.8, 0.1, {}),
        "alignment_index": (0.3, 0.12, {}),
        "procrustes_angle": (0.8, 0.1, {}),
        "participation_ratio": (6.0, 1.5, {}),
        "tangling_p95": (140.0, 60.0, {}),
        "n_fixed_points": (3.0, 1.0, {"epoch": "movement"}),
    }
    intervals = {
        "unit_movement_tuning": 0.05, "unit_multiphasic": 0.08, "jpca_ratio": 0.05, "alignment_index": 0.1,
        "procrustes_angle": 0.08, "participation_ratio": 1.2, "tangling_p95": 45.0,
    }  # fmt: skip
    for metric, half in intervals.items():
        value = centers[metric][0]
        found.append(Row(metric, "unit", "reference", value, ci=(value - half, value + half)))
    for arm in ("tanh", "relu"):
        for line in ("on", "off_at_go"):
            for penalty in penalties:
                for number in range(n_seeds):
                    where = {"rate_penalty": penalty, "target_line": line, "seed": number}
                    found += _network(draw, centers, arm, where)
    lost = {"set": "test", "rate_penalty": 1.0, "target_line": "on", "seed": 99, "outcome": "diverged"}
    return [*found, Row("output_r2", "performance", "relu", math.nan, condition=lost)]


def _network(draw, centers, arm, where):
    penalty, line = where["rate_penalty"], where["target_line"]
    found = [
        Row(metric, "unit", arm, value + spread * (draw.normal() * 0.5 + (arm == "tanh") - penalty),
            condition=condition | where)
        for metric, (value, spread, condition) in centers.items()
    ]  # fmt: skip
    share = float(np.clip((0.9 if line == "off_at_go" else 0.1 + 0.3 * penalty) + 0.06 * draw.normal(), 0, 1))
    verdict = "initial-condition driven" if share > 0.85 else "input driven" if share < 0.2 else "mixed"
    crossed = {"set": "crossed_at_go", "verdict": verdict} | where
    found += [
        Row("state_share", "mechanism", arm, share, condition=crossed),
        Row("input_share", "mechanism", arm, 0.97 - share, condition=crossed),
        Row(
            "target_off_at_go_r2",
            "mechanism",
            arm,
            share - 0.1,
            condition={"set": "target_off_at_go"} | where,
        ),
    ]
    for sigma in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0):
        r2 = 1 - (0.02 + sigma**2 * (2.5 if arm == "relu" else 1.2) * (1 + penalty)) * math.exp(
            0.2 * draw.normal()
        )
        found.append(
            Row("output_r2", "robustness", arm, r2, condition={"set": "input_noise", "sigma": sigma} | where)
        )
    return found


def population(n_units=40, n_steps=120, seed=0, scale=1.0):
    """Rates with preparation, then turning: (condition, time, unit), time from -0.5 s to 0.7 s."""
    draw = np.random.default_rng(seed)
    time = np.linspace(-0.49, 0.7, n_steps)
    theta = np.radians(45.0 * np.arange(8))[:, None, None]
    preferred, phase = draw.uniform(0, 2 * np.pi, (2, n_units))
    moves = np.clip(time / 0.15, 0, 1)[:, None] * np.exp(-np.maximum(time, 0) / 0.35)[:, None]
    ready = (np.clip((time + 0.45) / 0.2, 0, 1) * np.clip(1 - time / 0.2, 0, 1))[:, None]
    rates = draw.uniform(0.2, 1, n_units) * np.cos(theta - preferred) * ready
    rates = rates + draw.gamma(2, 0.6, n_units) * moves * np.cos(
        theta - phase + 2 * np.pi * 1.4 * time[:, None]
    )
    rates = rates + draw.uniform(-1, 1, n_units) * moves + 2
    return xr.DataArray(
        scale * rates, dims=("condition", "time", "unit"),
        coords={
            "condition": DIRECTIONS,
            "time": ("time", time, {"units": "s"}),
            "unit": [f"{i}" for i in range(n_units)],
        },
        attrs={"units": "spikes/s" if scale > 1 else "1"},
    )  # fmt: skip


def activities(n=5):
    titles = ["recording", "tanh, 0", "tanh, 0.1", "ReLU, 0", "ReLU, 0.1"][:n]
    return [
        figures.EpochRates(
            title, population(seed=i, scale=10 if i == 0 else 1), (-0.4, 0.0), (0.05, 0.55), go=0.0
        )
        for i, title in enumerate(titles)
    ]


def planes(n=5):
    titles = ["recording", "tanh, 0", "tanh, 0.1", "ReLU, 0", "ReLU, 0.1"][:n]
    time = np.linspace(0, 0.4, 40)
    found = []
    for i, title in enumerate(titles):
        angle = np.radians(45.0 * np.arange(8))[:, None] + 2 * np.pi * (0.8 + 0.4 * i) * time[None, :]
        size = (1 + 3 * time - 6 * time**2)[None, :] * (1 + 0.3 * np.cos(2 * angle[:, :1] + i))
        paths = np.stack([size * np.cos(angle), size * np.sin(angle)], axis=2)
        found.append(
            figures.Plane(title, paths, DIRECTIONS, "R² skew .67, ratio .86 (p .01), 1.2 Hz, −0.05 to 0.35 s")
        )
    return found


def hand_paths():
    """Reaches that bend to a target 90 degrees on, well and badly, when it jumps before and after go."""
    time = np.linspace(-0.2, 1.0, 121)[None, :, None]
    early, late = (0.5 * (1 + np.tanh((time - middle) / 0.1)) for middle in (0.35, 0.55))
    new = np.roll(UNIT, -2, axis=0)
    found = []
    for name, miss in (("tanh, 0", 0.0), ("ReLU, 0.1", 0.3)):
        before = new[:, None] * (1 - 0.5 * miss) * early
        after = UNIT[:, None] * early + (new - UNIT)[:, None] * (1 - miss) * late
        for when, path, step in (("before go", before, None), ("0.3 s after go", after, 50)):
            title, caption = f"{name}: jump {when}", f"R² {1 - miss:.2f}"
            found.append(figures.HandPaths(title, path, UNIT, new, DIRECTIONS, step, caption))
    return found


def flow_of(spin=3.0, pull=2.0, center=(0.0, 0.0), extent=2.0, n=13, stable=(True,), held=None):
    line = np.linspace(-extent, extent, n)
    x, y = np.meshgrid(line, line)
    u, v = -pull * (x - center[0]) - spin * y, -pull * (y - center[1]) + spin * x
    time = np.linspace(0, 0.5, 30)[None, :, None]
    angle = np.radians(45.0 * np.arange(8))[:, None, None] + spin * time
    paths = 0.6 * extent * np.exp(-pull * time) * np.concatenate([np.cos(angle), np.sin(angle)], axis=2)
    points = np.array([center, (0.5 * extent, -0.4 * extent)])[: len(stable)]
    return figures.Flow(x, y, u, v, paths, DIRECTIONS, points, np.array(stable), held)


def networks():
    return [
        (
            "tanh, 0.1, target off at go",
            {
                "hold": flow_of(0.5, 3),
                "delay": flow_of(0.2, 4, (0.8, 0.3), stable=(True, False), held=1),
                "movement": flow_of(7, 1.5),
            },
        ),
        (
            "ReLU, 0, target stays on",
            {
                "hold": flow_of(0.5, 3, extent=5),
                "delay": flow_of(0.4, 4, (2, 1), extent=5, held=1),
                "movement": flow_of(1, 6, (-3, 1), extent=5, stable=(True, False), held=1),
            },
        ),
    ]


def draw_figures(*names):
    """The figures of these names, or all, on made-up results."""
    rows = grid_rows()
    noise = {
        "noise_set": "input_noise",
        "metric": "output_r2",
        "panel": "target_line",
        "shade": "rate_penalty",
    }
    ways = {
        "score_grid": lambda: figures.score_grid(rows, COLUMNS),
        "psths": lambda: figures.psths(activities()),
        "jpca_planes": lambda: figures.jpca_planes(planes()),
        "flow_fields": lambda: figures.flow_fields(networks()),
        "noise": lambda: figures.noise_curve(rows, **noise),
        "switch": lambda: figures.switch_trajectories(hand_paths()),
        "mechanism": lambda: figures.mechanism_shares(rows),
    }
    return {name: ways[name]() for name in names or ways}
