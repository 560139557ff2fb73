"""Words of the delayed reach study's report, written by its numbers."""

from collections.abc import Mapping, Sequence

import numpy as np

from recirc.figures.style import label
from recirc.runs import Claim, Row
from recirc.runs.report import Picture, ReportText, Section, Table
from recirc.studies.kao2019 import COMPARED, MOVEMENT, PREPARATION, ROTATION, SOURCE, Preset
from recirc.studies.kao2019_reference import Reference
from recirc.studies.kao2019_verdict import Network, by_network, judge_all
from recirc.studies.levels import ALPHA, INSIDE, UNIT_SHARE, Levels, level_verdicts, value_of

LINE = {"on": "target stays on", "off_at_go": "target off at go"}
TESTS = (
    ("trained directions", {"set": "train"}),
    ("new directions", {"set": "heldout_direction"}),
    ("radius 0.75", {"set": "radius", "scale": 0.75}),
    ("radius 1.25", {"set": "radius", "scale": 1.25}),
    ("radius 1.5", {"set": "radius", "scale": 1.5}),
    ("delay 0.1 s", {"set": "delay", "delay_s": 0.1}),
    ("delay 2 s", {"set": "delay", "delay_s": 2.0}),
    ("jump 0.25 s before go", {"set": "target_switch", "time_s": -0.25}),
    ("jump at go", {"set": "target_switch", "time_s": 0.0}),
    ("jump 0.1 s after go", {"set": "target_switch", "time_s": 0.1}),
    ("jump 0.2 s after go", {"set": "target_switch", "time_s": 0.2}),
)

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
    ("comparison windows", "not known", f"seconds from movement onset: preparation {PREPARATION}, movement {MOVEMENT}, "
     f"rotations {ROTATION}, similarities {COMPARED}"),
    ("mechanism", "low-dimensional views of the dynamics", "movements made again from the state of one condition under "
     "the input of another; flow fields and fixed points are shown beside"),
)  # fmt: skip


def report_text(
    rows: Sequence[Row],
    reference_rows: Sequence[Row],
    judged: Sequence[Claim],
    preset: Preset,
    name: str,
    reference: Reference,
) -> ReportText:
    """The words of the report.

    Args:
        rows: one per network and number.
        reference_rows: of the reference.
        judged: the claims.
        preset, name: the size of the run and what it is called.
        reference: what networks were compared with.
    """
    levels = judge_all(rows, reference_rows, reference.mechanism)
    networks = by_network(rows)
    return ReportText(
        title="Same behavior, same units, other mechanism?",
        verdict=_verdict(levels, judged, preset, name, reference),
        sections=_sections(networks, levels, reference_rows, reference),
        unknowns=UNKNOWNS,
        key_numbers=False,
    )


def _verdict(levels: Mapping[Network, Levels], judged, preset: Preset, name: str, reference: Reference) -> str:
    every = list(levels.values())
    count = {answer: sum(claim.supported is answer for claim in judged) for answer in (True, False, None)}
    own = {v: sum(e.verdict == v for e in every) for v in dict.fromkeys(e.verdict for e in every)}
    performing = sum(e.performs for e in every)
    missing = len(every) - performing
    shortfall = f" {missing} did not, and count as failures below." if missing else ""
    stand_in = (
        ""
        if reference.trials is not None or reference.another is None
        else (
            " No recording was given, so that this circuit stands in; likeness to it is not likeness to motor cortex."
        )
    )
    return (
        f"A reconstruction of {SOURCE}, preset {name} ({preset.n_seeds} networks per cell). Reference: "
        f"{reference.name}.{stand_in} {performing} of {len(every)} networks do the task.{shortfall} Units are like the "
        f"reference's in {sum(e.units is True for e in every)}, the population in "
        f"{sum(e.population is True for e in every)}, both in "
        f"{sum(bool(e.units and e.population) for e in every)}. By mechanism, networks are "
        f"{', '.join(f'{v} ({n})' for v, n in own.items())}. Of {len(judged)} claims, supported: {count[True]}, not "
        f"supported: {count[False]}, beyond a run of this size: {count[None]}."
    )  # fmt: skip


def _cells(networks: Mapping[Network, list[Row]]) -> dict[tuple, list[list[Row]]]:
    cells: dict[tuple, list[list[Row]]] = {}
    for (*cell, _), own in networks.items():
        cells.setdefault(tuple(cell), []).append(own)
    lines = list(LINE)
    return dict(sorted(cells.items(), key=lambda item: (lines.index(item[0][1]), item[0][0], item[0][2])))


def _sections(networks, levels, reference_rows, reference: Reference) -> list[Section]:
    cells = _cells(networks)
    found = {cell: level_verdicts(own, reference_rows, reference.mechanism) for cell, own in cells.items()}
    rule = (
        f"Units count as alike if {UNIT_SHARE:.0%} of their features are distributed no further from the reference's "
        f"than 95 % of halves of the reference are from each other; populations, if CCA and Procrustes are beyond "
        f"their null (p < {ALPHA:g}) and {' and '.join(map(label, INSIDE))} lie in the reference's interval over "
        "units. Similarities have shuffled conditions as null (DSA: components with random signs), jPCA and tangling "
        "tensor-maximum-entropy surrogates, the alignment index random subspaces. Geometry alone says nothing about "
        "mechanism."
    )
    return [
        Section("How alike, level by level?", rule, [Picture("scores", "A line per cell; points are networks.")], [
            _level_table(found)]),
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
            [_transfer_table(cells)]),
    ]  # fmt: skip


def _level_table(found: Mapping[tuple, tuple]) -> Table:
    rows = []
    for (arm, line, penalty), verdicts in found.items():
        for verdict in verdicts:
            alike = f"{verdict.alike} of {verdict.n}" if verdict.n else "unknown"
            rows.append((arm, LINE[line], f"{penalty:g}", verdict.level, alike, verdict.sentence))
    columns = ("nonlinearity", "target line", "rate penalty", "level", "alike", "evidence")
    return Table(columns, rows, "Verdicts, with range over networks")


def _transfer_table(cells: Mapping[tuple, list[list[Row]]]) -> Table:
    rows = []
    for (arm, line, penalty), own in cells.items():
        medians = []
        for _, place in TESTS:
            values = np.array([value_of(each, "output_r2", **place) for each in own])
            values = values[np.isfinite(values)]
            medians.append(float(np.median(values)) if len(values) else None)
        rows.append((arm, LINE[line], f"{penalty:g}", *medians))
    columns = ("nonlinearity", "target line", "rate penalty", *(name for name, _ in TESTS))
    return Table(columns, rows, "R² where training never went")
