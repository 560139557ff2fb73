"""Figures of the delayed reach study: they show the numbers they are given, and choose by the stated rules."""

import math
import xml.etree.ElementTree as ElementTree

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from recirc import figures
from recirc.analyses import Row, frame, select
from recirc.compare.mechanism import INITIAL, INPUT, SUFFICES, MechanismSummary
from recirc.figures import flow, scores, style, units
from recirc.figures.cells import Cell, cells

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
MANY = {"units": COLUMNS["units"] * 2, "population": COLUMNS["population"] * 2, "mechanism": COLUMNS["mechanism"]}


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
        for line in (0.0, 0.5):
            for penalty in penalties:
                for number in range(n_seeds):
                    where = {"rate_penalty": penalty, "target_off_share": line, "seed": number}
                    found += _network(draw, centers, arm, where)
    lost = {"set": "test", "rate_penalty": 1.0, "target_off_share": 0.0, "seed": 99, "outcome": "diverged"}
    return [*found, Row("output_r2", "performance", "relu", math.nan, condition=lost)]


def _network(draw, centers, arm, where):
    penalty, share_off = where["rate_penalty"], where["target_off_share"]
    found = [
        Row(metric, "unit", arm, value + spread * (draw.normal() * 0.5 + (arm == "tanh") - penalty),
            condition=condition | where)
        for metric, (value, spread, condition) in centers.items()
    ]  # fmt: skip
    share = float(np.clip((0.9 if share_off else 0.1 + 0.3 * penalty) + 0.06 * draw.normal(), 0, 1))
    verdict = INITIAL if share > 0.85 else INPUT if share < 0.2 else SUFFICES if share < 0.25 else "mixed"
    crossed = {"set": "crossed_at_go", "verdict": verdict} | where
    found += [
        Row("state_share", "mechanism", arm, share, condition=crossed),
        Row("input_share", "mechanism", arm, 0.97 - share, condition=crossed),
        Row("target_off_at_go_r2", "mechanism", arm, share - 0.1, condition=crossed),
    ]
    for sigma in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0):
        r2 = 1 - (0.02 + sigma**2 * (2.5 if arm == "relu" else 1.2) * (1 + penalty)) * math.exp(0.2 * draw.normal())
        found.append(Row("output_r2", "robustness", arm, r2, condition={"set": "input_noise", "sigma": sigma} | where))
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
    rates = rates + draw.gamma(2, 0.6, n_units) * moves * np.cos(theta - phase + 2 * np.pi * 1.4 * time[:, None])
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
        figures.EpochRates(title, population(seed=i, scale=10 if i == 0 else 1), (-0.4, 0.0), (0.05, 0.55), go=0.0)
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
        found.append(figures.Plane(title, paths, DIRECTIONS, "R² skew .67, ratio .86 (p .01), 1.2 Hz, −0.05 to 0.35 s"))
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
    table = frame(grid_rows(n_seeds=4))
    noise = {"noise_set": "input_noise", "metric": "output_r2", "panel": "target_off_share", "shade": "rate_penalty"}
    ways = {
        "scores": lambda: figures.score_grid(table, COLUMNS),
        "many_scores": lambda: figures.score_grid(table, MANY),
        "psths": lambda: figures.psths(activities(3)),
        "jpca_planes": lambda: figures.jpca_planes(planes()),
        "flow_fields": lambda: figures.flow_fields(networks()),
        "noise": lambda: figures.noise_curve(table, **noise),
        "switch": lambda: figures.switch_trajectories(hand_paths()),
        "mechanism": lambda: figures.mechanism_shares(table),
    }
    return {name: ways[name]() for name in names or ways}


@pytest.fixture(scope="module")
def drawn():
    return draw_figures()


@pytest.fixture(scope="module")
def drawn_in_one_column():
    with figures.one_column():
        return draw_figures()


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    )


def written(figure):
    """Texts of a figure other than at ticks, with their places in pixels."""
    from matplotlib.text import Text

    ticks = {id(text) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in axis.get_ticklabels()}
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent()) for text in found if id(text) not in ticks and _shown(text)]


def _shown(text):
    return text.axes is None or text.axes.axison or text in text.axes.texts


def test_equal_results_give_equal_bytes_and_text_stays_text(drawn):
    files = style.render(drawn["jpca_planes"], "planes")
    assert files == style.render(draw_figures("jpca_planes")["jpca_planes"], "planes")
    assert b"dc:date" not in files["svg"]
    assert "ratio .86" in texts(files["svg"])


@pytest.mark.parametrize("page", ["drawn", "drawn_in_one_column"])
def test_texts_stay_on_the_page_and_off_each_other(page, request):
    for name, figure in request.getfixturevalue(page).items():
        figure.draw_without_rendering()  # panels of a fixed shape find their place
        places = written(figure)
        width, height = figure.bbox.width, figure.bbox.height
        assert len(places) > 5, name
        for i, (text, box) in enumerate(places):
            assert box.x0 > -1, (name, text)
            assert box.y0 > -1, (name, text)
            assert box.x1 < width + 1, (name, text)
            assert box.y1 < height + 1, (name, text)
            for other, place in places[:i]:
                across = min(box.x1, place.x1) - max(box.x0, place.x0)
                along = min(box.y1, place.y1) - max(box.y0, place.y0)
                assert min(across, along) < 0.75, (name, text, other)


def test_cells_are_sorted_by_share_nonlinearity_and_penalty():
    table = frame(grid_rows(n_seeds=1, penalties=(1.0, 0.0)))
    found = cells(table)
    assert [tuple(cell) for cell in found[:4]] == [
        ("tanh", 0.0, 0.0), ("tanh", 1.0, 0.0), ("relu", 0.0, 0.0), ("relu", 1.0, 0.0),
    ]  # fmt: skip
    assert {cell.target_off_share for cell in found[4:]} == {0.5}
    assert found[0].select(table, "jpca_ratio")["arm"].tolist() == ["tanh"]


def three_cells():
    """Cells below, inside and above the reference's interval, of three networks each."""
    rows = [Row("jpca_ratio", "population", "reference", 0.8, ci=(0.7, 0.9), condition={"set": "compared"})]
    for penalty, center in ((0.0, 0.5), (0.1, 0.75), (1.0, 0.95)):
        rows += [
            Row("jpca_ratio", "population", "tanh", center + 0.01 * seed,
                condition={"set": "compared", "rate_penalty": penalty, "target_off_share": 0.0, "seed": seed})
            for seed in (-1, 0, 1)
        ]  # fmt: skip
    return rows


def test_a_field_says_on_which_side_of_the_interval_its_median_lies():
    column = figures.Column("jpca_ratio", {"set": "compared"}, goal=0.745)
    axes = figures.score_grid(frame(three_cells()), {"population": [column]}).axes[0]
    fills = [matplotlib.colors.to_hex(patch.get_facecolor()) for patch in axes.patches[:3]]
    assert fills == [scores.OUTSIDE, scores.INSIDE, scores.OUTSIDE]
    said = [text.get_text() for text in axes.texts]
    assert [text for text in said if text in ("▲", "▼")] == ["▼", "▲"]
    assert {"0.80", "0.70–0.90", "0.50", "0.75", "0.95"} <= set(said)
    assert [text for text in said if text.startswith("× ") and "of" in text] == ["× 3 of 3", "× 1 of 3"]


def test_inside_and_outside_differ_in_gray():
    light = [np.dot(matplotlib.colors.to_rgb(c), (0.3, 0.59, 0.11)) for c in (scores.INSIDE, scores.OUTSIDE)]
    assert light[1] - light[0] > 0.12


def test_a_network_that_gave_no_number_missed_its_goal():
    column = figures.Column("output_r2", {"set": "test"}, goal=0.0)
    axes = figures.score_grid(frame(grid_rows()), {"task": [column]}).axes[0]
    assert [t.get_text() for t in axes.texts if t.get_text().startswith("× 1")] == ["× 1 of 6"]


def test_a_column_that_finds_two_rows_of_a_network_is_refused():
    with pytest.raises(ValueError, match="say in its condition which"):
        figures.score_grid(frame(grid_rows(n_seeds=1)), {"task": [figures.Column("output_r2")]})


def test_a_condition_of_none_leaves_rows_with_that_key_out():
    extra = [Row("jpca_ratio", "population", row.arm, 0.1, condition={**row.condition, "of": "outputs"})
             for row in three_cells()]  # fmt: skip
    column = figures.Column("jpca_ratio", {"set": "compared", "of": None})
    axes = figures.score_grid(frame(three_cells() + extra), {"population": [column]}).axes[0]
    assert "0.75" in {text.get_text() for text in axes.texts}


def test_tuning_is_that_of_unit_features():
    import recirc

    rates = population()
    time = rates["time"].values
    activity = recirc.Activity(rates.values, dt=time[1] - time[0], start=2 * time[0] - time[1], conditions=DIRECTIONS)
    features = recirc.compare.UnitFeatures((-0.4, 0.0), (0.05, 0.55))(activity)
    ours = units._tuning(activities(1)[0])
    np.testing.assert_allclose(ours, features.parts["movement_tuning"], rtol=1e-5)


def test_psths_show_the_same_units_in_any_order_and_scale_and_no_constant_ones():
    whole = activities(1)[0]
    rates = whole.rates.copy()
    rates[:, :, 7] = 3.0
    order = np.random.default_rng(1).permutation(rates.sizes["unit"])
    shuffled = figures.EpochRates("b", 5 * rates[:, :, order], whole.preparation, whole.movement)
    figure = figures.psths([figures.EpochRates("a", rates, whole.preparation, whole.movement), shuffled], n_units=5)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(titles) == 10
    assert titles[:5] == titles[5:]
    assert not any(title.startswith("unit 7 ") for title in titles)
    tunings = [float(title.split("(")[1][:-1]) for title in titles[:5]]
    assert tunings == sorted(tunings, reverse=True)


def test_arrows_cover_one_time_that_keeps_them_off_each_other():
    flows = [each for _, here in networks() for each in here.values()]
    time_s = flow.arrow_time(flows)
    shares = [np.mean(time_s * np.hypot(f.u, f.v) <= flow._spacing(f)) for f in flows]
    assert np.mean(shares) >= 0.9
    longer = [np.mean(2 * time_s * np.hypot(f.u, f.v) <= flow._spacing(f)) for f in flows]
    assert np.mean(longer) < 0.9
    faster = [figures.Flow(f.x, f.y, 10 * f.u, 10 * f.v, f.trajectories, f.conditions, f.fixed_points, f.stable)
              for f in flows]  # fmt: skip
    assert flow.arrow_time(faster) == pytest.approx(time_s / 10)


def test_flow_is_drawn_in_one_time_and_stability_by_filling(drawn):
    from matplotlib.quiver import Quiver

    made = [axes for axes in drawn["flow_fields"].axes if axes.findobj(Quiver)]
    given = [each for _, here in networks() for each in here.values()]
    time_s = flow.arrow_time(given)
    for axes, each in zip(made, given, strict=True):
        arrows = axes.findobj(Quiver)[0]
        np.testing.assert_allclose(arrows.U, time_s * each.u.ravel())
        large = [line for line in axes.lines if line.get_markersize() == 5]
        filled = [line.get_markerfacecolor() != "white" for line in large]
        assert filled == each.stable.tolist()


def test_noise_has_a_line_per_penalty_darker_the_larger_and_every_network(drawn):
    axes = drawn["noise"].axes[0]
    thick = [line for line in axes.lines if line.get_marker() not in ("None", "", None)]
    tanh = [line for line in thick if line.get_marker() == "o"]
    assert len(thick) == 10
    light = [np.mean(matplotlib.colors.to_rgb(line.get_color())) for line in tanh]
    assert (np.diff(light) < 0).all()
    cell = Cell("tanh", 0.1, 0.0)
    here = cell.select(frame(grid_rows(n_seeds=4)), "output_r2", set="input_noise", sigma=0.2)
    values = {round(value, 12) for value in here["value"]}
    thin = {round(float(line.get_ydata()[3]), 12) for line in axes.lines if line not in thick}
    assert values <= thin
    assert any(np.isclose(line.get_ydata()[3], np.median(list(values))) for line in tanh)
    assert axes.get_ylim()[0] == pytest.approx(-0.1)


def test_errors_are_drawn_on_a_logarithmic_axis_and_r2_is_not():
    rows = [Row("output_nmse", "robustness", row.arm, 1 - row.value, condition=row.condition, direction="lower")
            for row in grid_rows(n_seeds=1, penalties=(0.0,)) if row.condition.get("set") == "input_noise"]  # fmt: skip
    figure = figures.noise_curve(frame(rows), noise_set="input_noise", panel="target_off_share", shade="rate_penalty")
    assert figure.axes[0].get_yscale() == "log"
    assert len(figure.axes[0].yaxis.get_minorticklocs()) > 0
    assert figure.axes[0].get_xscale() == "symlog"
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "target off at go in 0\N{NO-BREAK SPACE}%",
        "target off at go in 50\N{NO-BREAK SPACE}%",
    ]


def test_levels_have_a_mark_per_network_filled_where_it_is_alike():
    index = pd.MultiIndex.from_product(
        [["tanh"], [0.0, 0.5], [0.1], range(3)], names=["arm", "target_off_share", "rate_penalty", "seed"]
    )
    levels = pd.DataFrame({"performs": True, "units": pd.array([True, False, None] * 2, "boolean"),
                           "population": pd.array([False] * 6, "boolean"), "silent": 0.2,
                           "verdict": [INPUT] * 3 + [INITIAL, "mixed", "undetermined"]}, index)  # fmt: skip
    figure = figures.level_marks(levels)
    marks = [[line for line in axes.lines if line.get_marker() in ("o", "s")] for axes in figure.axes]
    assert [len(each) for each in marks[:4]] == [6] * 4
    filled = [sum(line.get_markerfacecolor() != "white" for line in each) for each in marks[:4]]
    assert filled == [6, 4, 0, 5]  # a small dot stands for what could not be judged
    assert sorted({line.get_markersize() for line in marks[1]}) == [1.5, 4]
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == [f"target off at go in {share}\N{NO-BREAK SPACE}%" for share in (0, 50)]


def test_published_values_have_a_line_of_their_own():
    rows = [*three_cells(), Row("jpca_ratio", "population", "published", 0.87, condition={"set": "compared"})]
    column = figures.Column("jpca_ratio", {"set": "compared"})
    plain, beside = (figures.score_grid(frame(each), {"population": [column]}) for each in (three_cells(), rows))
    said = {text.get_text() for text in beside.axes[0].texts} - {text.get_text() for text in plain.axes[0].texts}
    assert said == {"published", "0.87"}


def test_shares_are_filled_where_the_verdict_bears_them_out():
    table = frame(grid_rows(n_seeds=4))
    figure = figures.mechanism_shares(table)
    dominant = ({INITIAL}, {INPUT, SUFFICES}, {INITIAL, SUFFICES})
    for axes, metric, verdicts in zip(figure.axes, ("state_share", "input_share", "target_off_at_go_r2"), dominant):
        points = [line for line in axes.lines if line.get_marker() == "o"]
        asked = select(table, metric)
        assert sorted(float(p.get_xdata()[0]) for p in points) == pytest.approx(sorted(asked["value"].clip(0, 1)))
        filled = sum(point.get_markerfacecolor() != "white" for point in points)
        assert filled == asked["verdict"].isin(verdicts).sum()
        is_share = metric.endswith("share")
        assert axes.patches[0].get_x() == getattr(MechanismSummary, "least_share" if is_share else "least_follows")


def test_paths_rings_and_dots_of_a_condition_share_its_color():
    path = hand_paths()[1]
    axes = figures.switch_trajectories([path]).axes[0]
    for i, angle in enumerate((0, 45, 90, 135, 180, 225, 270, 315)):
        mine = [line for line in axes.lines if line.get_color() == style.direction_color(angle)]
        at = [np.array(line.get_xydata()) for line in mine]
        for wanted in (path.old[i], path.new[i], path.positions[i, path.step]):
            assert any(len(xy) == 1 and np.allclose(xy[0], wanted) for xy in at)
        assert any(len(xy) > 1 and np.allclose(xy, path.positions[i]) for xy in at)


def test_planes_show_all_of_every_trajectory_undistorted(drawn):
    for axes, plane in zip(drawn["jpca_planes"].axes, planes()):
        assert axes.get_aspect() == 1
        extent = np.abs(plane.coordinates).max()
        assert min(abs(edge) for edge in (*axes.get_xlim(), *axes.get_ylim())) > extent


def test_hostile_titles_are_drawn_as_plain_text():
    name = "<img onerror=alert(1)> $x^{ & \x00" + "n" * 300
    plane = planes(1)[0]
    hostile = figures.Plane(name, plane.coordinates, DIRECTIONS, name)
    svg = style.render(figures.jpca_planes([hostile]))["svg"]
    assert b"<img" not in svg
    assert "<img" in texts(svg)


def test_nothing_to_draw_still_gives_a_figure():
    drawings = [figures.psths, figures.jpca_planes, figures.flow_fields, figures.switch_trajectories]
    made = [draw([]) for draw in drawings] + [figures.mechanism_shares(frame([]))]
    made += [figures.score_grid(frame([]), columns) for columns in ({"task": [figures.Column("output_r2")]}, {})]
    assert all(figure.axes for figure in made)


def test_metrics_of_the_study_have_names_of_their_own_in_print():
    asked = {column.metric for group in COLUMNS.values() for column in group}
    asked |= {f"unit_{name}" for name in ("peak_time", "direction_change", "preparatory_tuning")}
    assert len({style.label(name) for name in asked}) == len(asked)
