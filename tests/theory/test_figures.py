"""Figures: they show the numbers they are given, bit for bit the same every time, and take hostile names."""

import math
import typing
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import xarray as xr

from recirc import figures
from recirc.analyses import AnalysisResult, Row, frame, select
from recirc.analyses.table import networks, per_network
from recirc.compare import AbstractSimilarity
from recirc.figures import flow, style, units

DIRECTIONS = [f"{45 * i}" for i in range(8)]
BETWEEN = [f"{22.5 + 45 * i}" for i in range(8)]
HOSTILE = "<img onerror=alert(1)> $x^{ & \x00" + "n" * 300


def reaches(n_units=12, n_steps=60, conditions=DIRECTIONS, seed=0):
    """Rates of units tuned to direction, each a damped oscillation: (condition, time, unit)."""
    draw = np.random.default_rng(seed)
    time = np.linspace(0.01, 0.5, n_steps)
    theta = np.radians([float(name) for name in conditions])[:, None, None]
    preferred, phase = draw.uniform(0, 2 * np.pi, (2, n_units))
    wave = np.sin(2 * np.pi * draw.uniform(2, 5, n_units) * time[:, None] + phase) * np.exp(-time[:, None] / 0.3)
    rates = 8 * np.cos(theta - preferred) * wave + 3 * np.sin(theta + phase) * np.gradient(wave, axis=0) * 5
    return xr.DataArray(
        rates,
        dims=("condition", "time", "unit"),
        coords={
            "condition": list(conditions),
            "time": ("time", time, {"units": "s"}),
            "unit": [f"{i}" for i in range(n_units)],
        },
        attrs={"units": "spikes/s"},
    )


def like(target, errors, seed=1):
    """One distorted copy per arm, along a new first axis."""
    draw = np.random.default_rng(seed)
    smooth = np.cumsum(draw.normal(size=(len(errors), *target.shape)), axis=2)
    smooth *= float(target.std()) / smooth.std()
    copies = [(target + error * noise).assign_coords(arm=arm) for (arm, error), noise in zip(errors.items(), smooth)]
    return xr.concat(copies, "arm")


def study_table(n_seeds=5, regimes=("paper", "tuned"), seed=0):
    """A table as a study of hints writes them, in two regimes, with one network that diverged."""
    draw = np.random.default_rng(seed)
    found = []

    def add(metric, arm, value, number, regime, **condition):
        fraction = condition.get("fraction")
        null = {"kind": "shuffled", "mean": 0.31, "p95": 0.38, "p": 0.01} if "svcca" in metric else None
        found.append(
            Row(
                metric, "population" if null else "generalization", arm,
                value * math.exp(0.15 * draw.normal()),
                condition=condition | {"regime": regime, "seed": number}, null=null,
                direction="higher" if null else "lower",
                teacher=0.82 if null and fraction else None,
            )
        )  # fmt: skip

    probes = [("train", {}, 0.0015), ("heldout_direction", {}, 0.3), ("perturbed_initial_state", {"snr_db": 30}, 0.02)]
    probes += [("private_noise", {"sigma": sigma}, 0.4 * sigma) for sigma in (0.05, 0.1, 0.2)]
    probes += [("input_scale", {"scale": 1.5}, 0.6)]
    worse = {"hints": 0.4, "no_hints": 1.0, "force": 2.5}
    for regime in regimes:
        for number in range(n_seeds):
            for name, level, error in probes:
                for arm, factor in worse.items():
                    extra = {"fraction": 0.05} if arm == "hints" else {}
                    add("output_nmse", arm, error * factor, number, regime, set=name, **level, **extra)
            for fraction in (0.01, 0.025, 0.05, 0.1, 0.25, 1.0):
                value = 0.75 + 0.08 * math.log10(fraction)
                add("svcca5_concatenated", "hints", value, number, regime, set="train", fraction=fraction)
            for arm, value in (("no_hints", 0.52), ("force", 0.45), ("untrained", 0.37)):
                add("svcca5_concatenated", arm, value, number, regime, set="train")
        lost = {"set": "heldout_direction", "regime": regime, "seed": 99, "outcome": "diverged"}
        found.append(Row("output_nmse", "generalization", "force", math.nan, condition=lost, direction="lower"))
    return frame(found)


def recording_table(fractions=(0.1, 0.75), seed=0):
    """A table as `fit` writes them: a left-out direction at a time."""
    draw = np.random.default_rng(seed)
    simple = {"gp": 0.68, "cosine_tuning": 0.51, "condition_mean": 0.05, "direct_map": 0.43}
    found = []
    for fraction in fractions:
        for name in DIRECTIONS:
            where = {"set": "heldout_direction", "direction": name, "fraction": fraction}
            baselines = {key: value + 0.08 * draw.normal() for key, value in simple.items()}
            values = 0.6 + 0.1 * draw.normal() + 0.04 * draw.normal(size=3)
            found += [
                Row(
                    "heldout_direction_r2", "unit", "network", value, condition=where | {"seed": i}, baselines=baselines
                )
                for i, value in enumerate(values)
            ]
            found.append(
                Row(
                    "heldout_direction_r2",
                    "unit",
                    "ensemble",
                    values.mean() + 0.02,
                    condition=where,
                    baselines=baselines,
                )
            )
    return frame(found)


def draw_figures(*names):
    """The figures of these names, or all, on made-up results."""
    circuit, table = reaches(conditions=DIRECTIONS + BETWEEN), study_table()
    networks = like(circuit, {"hints": 0.15, "no_hints": 0.9})
    muscles = circuit[:8, :, :2].rename(unit="output").drop_vars("output")
    outputs = like(muscles, {"no_hints": 0.4, "hints": 0.1})
    draw = np.random.default_rng(3)
    weights = {arm: g * draw.normal(size=(60, 60)) / 60**0.5 for arm, g in (("hints", 0.9), ("no_hints", 1.4))}
    ways = {
        "muscles": lambda: figures.target_against_output(muscles, outputs),
        "units": lambda: figures.example_units(circuit[:8], networks[0, :8], recorded=["0", "1", "2", "3"]),
        "components": lambda: figures.principal_components(circuit, networks, heldout=BETWEEN),
        "fraction": lambda: figures.similarity_against_fraction(table),
        "probes": lambda: figures.generalization(table),
        "noise": lambda: figures.noise_curve(table),
        "spectrum": lambda: figures.eigenvalues(weights),
        "directions": lambda: figures.r2_by_direction(recording_table()),
    }
    return {name: ways[name]() for name in names or ways}


@pytest.fixture(scope="module")
def drawn():
    return {name: style.render(figure, name) for name, figure in draw_figures().items()}


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314
    )


def test_equal_results_give_equal_bytes(drawn):
    for name, figure in draw_figures("fraction", "spectrum").items():
        assert style.render(figure, name) == drawn[name]


def test_text_in_vector_figures_is_text_without_dates(drawn):
    for name, files in drawn.items():
        assert len(texts(files["svg"])) > 20, name
        assert b"dc:date" not in files["svg"]
        assert files["png"].startswith(b"\x89PNG")
    assert "held-out" in texts(drawn["probes"]["svg"])
    assert "Gaussian process" in texts(drawn["directions"]["svg"])


def test_figures_do_not_depend_on_the_users_settings(drawn):
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        figure = figures.noise_curve(study_table())
        assert style.render(figure, "noise") == drawn["noise"]


def test_every_network_is_a_point_and_the_line_runs_through_medians():
    table = study_table(n_seeds=7, regimes=("paper",))
    axes = figures.similarity_against_fraction(table).axes[0]
    here = select(table, "svcca5_concatenated", "hints", fraction=0.05)
    points = {value for line in axes.lines if line.get_marker() == "o" for value in np.round(line.get_ydata(), 12)}
    assert {round(value, 12) for value in here["value"]} <= points
    middle = here["value"].median()
    assert any(np.isclose(line.get_ydata(), middle).any() for line in axes.lines if len(line.get_xdata()) == 6)


def test_rotated_scaled_and_shifted_networks_fall_on_the_circuit():
    circuit = reaches()
    draw = np.random.default_rng(5)
    rotation = np.linalg.qr(draw.normal(size=(12, 12)))[0]
    trained = np.arange(8) < 6
    ours, _ = flow._components(circuit.values, trained)
    theirs, _ = flow._components(3 * circuit.values @ rotation + 7, trained)
    np.testing.assert_allclose(flow._onto(theirs, ours, trained), ours, atol=1e-9)


def test_example_units_span_the_ranks_and_skip_constant_ones():
    r2 = np.array([0.9, np.nan, 0.1, 0.5, 0.7, 0.3])
    members = np.ones(6, bool)
    assert units._spread(r2, members, 3) == [0, 3, 2]
    assert units._spread(r2, members & (np.arange(6) < 3), 3) == [0, 2]
    assert units._spread(r2, ~members, 3) == []


def test_labels_keep_their_order_and_their_distance():
    moved = style._apart([1.0, 2.0, 2.5, 40.0], 8.5)
    assert (np.diff(moved) > 8.5 - 1e-9).all()
    assert moved[3] == 40.0
    assert moved[:3].mean() == pytest.approx(np.mean([1.0, 2.0, 2.5]))
    np.testing.assert_allclose(style._apart([1.0, 97.0, 98.0], 8.5, 5, 100), [5, 91.5, 100])


def test_directions_come_from_angles_or_else_equal_steps():
    assert style.angles(["0", "22.5", "315"]).tolist() == [0, 22.5, 315]
    assert style.angles(["left", "up", "right", "down"]).tolist() == [0, 90, 180, 270]
    assert style.angles(["1", "2", "3", "4"]).tolist() == [0, 90, 180, 270]
    assert style.direction_color(0) == style.direction_color(360)


def test_networks_come_before_summaries():
    summary = Row("m", "unit", "hints", 0.5, condition={"set": "train"})
    single = Row("m", "unit", "hints", 0.4, condition={"set": "train", "seed": 1})
    assert networks(frame([summary, single]))["value"].tolist() == [0.4]
    assert networks(frame([summary]))["value"].tolist() == [0.5]
    assert networks(select(frame([summary, single]), "m", fraction=0.1)).empty


def test_a_network_scored_on_many_directions_counts_once_by_its_mean():
    values = {"0": 0.2, "45": 0.6}
    rows = [Row("m", "unit", "network", v, condition={"direction": d, "seed": 3}) for d, v in values.items()]
    assert per_network(frame(rows)).to_dict() == {3: pytest.approx(0.4)}
    lost = Row("m", "unit", "network", math.nan, condition={"direction": "90", "seed": 3, "outcome": "diverged"})
    assert per_network(frame([*rows, lost])).isna().tolist() == [True]


def test_hostile_names_are_drawn_as_plain_text():
    circuit = reaches()
    circuit = circuit.assign_coords(unit=[HOSTILE, *circuit["unit"].values[1:]])
    figure = figures.example_units(circuit, 0.9 * circuit, recorded=[HOSTILE], n_each=1)
    svg = style.render(figure, HOSTILE[:40])["svg"]
    assert b"<img" not in svg
    assert "<img onerror" in texts(svg) or "<img" in texts(svg)
    assert "n" * 40 not in texts(svg)


@pytest.mark.parametrize("draw", [figures.generalization, figures.noise_curve, figures.r2_by_direction,
                                  figures.similarity_against_fraction])  # fmt: skip
def test_no_rows_and_no_finite_values_still_give_a_figure(draw):
    where = {"set": "heldout_direction", "direction": "0", "sigma": 0.1, "outcome": "diverged", "seed": 0}
    lost = [
        Row(metric, "unit", "hints", math.nan, condition=where | {"set": name})
        for metric in ("output_nmse", "heldout_neuron_r2", "heldout_direction_r2", "svcca5_concatenated")
        for name in ("train", "private_noise", "heldout_direction")
    ]
    assert style.render(draw(frame([])))["png"]
    assert style.render(draw(frame(lost)))["png"]


def test_weights_that_are_not_finite_have_no_eigenvalues():
    figure = figures.eigenvalues({"force": np.full((3, 3), np.nan), "hints": np.eye(3)})
    assert "no finite weights" in figure.axes[0].get_title(loc="left")


def test_saving_writes_both_files_and_refuses_paths(tmp_path):
    figure = figures.eigenvalues({"hints": np.eye(3)})
    path = figures.save(figure, tmp_path / "figures", "spectrum", "Eigenvalues")
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["spectrum.png", "spectrum.svg"]
    for name in ("../escape", "", "a/b", ".hidden"):
        with pytest.raises(ValueError, match="letters, digits"):
            figures.save(figure, tmp_path, name)


def fitted(**about):
    """A result as `fit` has it, of the units' own rates as prediction."""
    rates = reaches().expand_dims(seed=[0, 1])
    arrays = xr.Dataset({"target_rates": rates.isel(seed=0, drop=True), "prediction": 0.9 * rates})
    return AnalysisResult("fit", (), arrays=arrays, about=about)


def test_a_figure_is_drawn_by_its_name_and_a_wrong_name_is_met_with_the_nearest():
    drawn = style.render(figures.draw(fitted(), "example_units"))["svg"]
    assert "predicted" in texts(drawn)
    with pytest.raises(ValueError, match="'example_units'"):
        figures.draw(fitted(), "example_unit")
    with pytest.raises(ValueError, match="It has: none"):
        figures.draw(AnalysisResult("nothing", ()), "example_units")


def test_what_a_result_lacks_is_nothing_to_draw():
    lost = fitted()
    lost.arrays["prediction"][:] = np.nan
    for result, name in ((lost, "principal_components"), (fitted(), "outputs"), (AnalysisResult("fit", ()), "outputs")):
        with pytest.raises(figures.NothingToDraw):
            figures.draw(result, name)


def test_components_of_a_fit_are_normalized_as_it_was():
    drawn = [style.render(figures.draw(fitted(**about), "principal_components"))["svg"]
             for about in ({}, {"soft_normalization": 5.0}, {"soft_normalization": 50.0})]  # fmt: skip
    assert drawn[0] == drawn[1] != drawn[2]


def test_baselines_are_drawn_unless_they_are_not_asked_for():
    for way in (True, False):
        figure = figures.r2_by_direction(recording_table(), baselines=way)
        assert ("Gaussian process" in texts(style.render(figure)["svg"])) is way


def test_a_metric_is_called_what_its_class_says():
    class Likeness(AbstractSimilarity):
        metric: typing.ClassVar[str] = "likeness_of_nothing"
        label: typing.ClassVar[str] = "nothing's likeness"

        def __call__(self, a, b):
            raise NotImplementedError

    assert style.label(Likeness.metric) == Likeness.label
    assert style.label("linear_cka") == "linear CKA"
    assert style.label("of_no_class") == "of no class"


def test_a_notebook_shows_a_figure_whatever_its_backend():
    figure, _ = style.panels(1, 1, height=1.0)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_against_chance_has_a_line_per_null_right_of_1_where_it_is_nearer_whichever_is_better():
    null = {"kind": "rotated_conditions", "mean": 0.5, "p95": 0.4, "p": 0.01, "certified": True}
    far = null | {"p95": 0.6, "certified": False}
    rows = [
        Row("procrustes_angle", "population", "b", 0.3, null=null, direction="lower", ceiling=0.2),
        Row("linear_cka", "population", "b", 0.45, null=null | {"p95": 0.6}),
        Row("dsa", "population", "b", 9.0, null=far),
        Row("alone", "population", "b", 0.4),
    ]
    figure = figures.against_chance(frame(rows), alike=["procrustes_angle"])
    (axes,) = figure.axes
    places = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(places, [(2.0, 0), (-0.5, 1), (4.0, 2)])
    (ceiling,) = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(ceiling, 3.0)
    first, second, third = [line for line in axes.lines if line.get_marker() == "o"]
    assert first.get_markerfacecolor() != second.get_markerfacecolor() == "white"
    assert third.get_markersize() < second.get_markersize()
    assert [text.get_text() for text in axes.texts] == ["0.300", "0.450", "9.00 →"]
    with pytest.raises(figures.NothingToDraw, match="no number has a null"):
        figures.against_chance(frame(rows[3:]))
