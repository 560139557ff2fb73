"""`Named`, ranges, and what an activity of averages keeps when trials, units or fields are picked."""

import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc.ranges import check_within
from recirc.types import Named

SPANS = {"hold": [(0.0, 0.2), (0.0, 0.3)], "label": ["x", "y"], "go": 0.1}


def averages():
    return recirc.Activity(
        np.arange(24.0).reshape(3, 4, 2),
        dt=0.01,
        conditions=["a", "b", "c"],
        units=["u", "v"],
        standard_error=np.arange(24.0).reshape(3, 4, 2) / 10,
        trial_counts=[5, 6, 7],
        covariates={"direction": [0.0, 90.0, 180.0], "target": [[0, 1], [2, 3], [4, 5]]},
        events={"go": 0.1},
        notes=["one guess."],
    )


class TestNamed:
    def test_equal_entries_are_equal_and_hash_alike_however_they_are_given(self):
        same = [Named(SPANS), Named(Named(SPANS)), Named({name: np.array(value) for name, value in SPANS.items()})]
        assert len(set(same)) == 1
        for name in SPANS:
            assert Named(SPANS) != Named({**SPANS, name: 7.0})
        assert Named(SPANS) != SPANS
        assert Named() == Named({}) != Named(SPANS)

    def test_lists_come_back_as_arrays_and_numbers_as_they_are(self):
        named = Named(SPANS)
        assert list(named) == list(SPANS)
        assert len(named) == 3
        assert named["go"] == 0.1
        assert isinstance(named["go"], float)
        for name in ("hold", "label"):
            assert np.array_equal(named[name], np.array(SPANS[name]))
        with pytest.raises(KeyError, match="after"):
            named["after"]

    def test_nothing_that_is_done_to_what_went_in_or_came_out_changes_it(self):
        given = np.array(SPANS["hold"])
        named = Named({"hold": given})
        before = hash(named)
        given[0] = named["hold"][1] = 9.0
        assert np.array_equal(named["hold"], SPANS["hold"])
        assert hash(named) == before
        with pytest.raises(TypeError, match="item assignment"):
            named["hold"] = 1.0


class TestAverages:
    def test_picked_trials_take_their_counts_covariates_and_errors_along(self):
        whole = averages()
        for index in ([2, 0], np.array([True, False, True])):
            picked, order = whole.select(index), np.arange(3)[np.asarray(index)]
            assert picked.trial_counts == tuple(np.array(whole.trial_counts)[order])
            for name, values in whole.covariates.items():
                assert np.array_equal(picked.covariates[name], values[order])
            assert np.array_equal(picked.standard_error, whole.standard_error[order])
            assert (picked.events, picked.notes, picked.units) == (whole.events, whole.notes, whole.units)

    def test_picked_units_take_their_errors_along_and_leave_what_is_of_trials(self):
        whole = averages()
        picked = whole.select_units(["v"])
        assert picked.units == whole.without_units(["u"]).units == ("v",)
        assert np.array_equal(picked.standard_error, whole.standard_error[:, :, 1:])
        for name in ("trial_counts", "covariates", "events", "notes", "conditions"):
            assert getattr(picked, name) == getattr(whole, name)
        with pytest.raises(ValueError, match="no unit is called 'w'"):
            whole.select_units(["u", "w"])

    def test_new_rates_have_no_error_and_of_another_number_of_trials_no_counts_and_covariates(self):
        whole = averages()
        as_many = whole.replace(rates=whole.rates + 1)
        assert as_many.standard_error is None
        assert (as_many.trial_counts, as_many.covariates) == (whole.trial_counts, whole.covariates)
        fewer = whole.replace(rates=whole.rates[:2], conditions=["a", "b"])
        assert (fewer.trial_counts, fewer.covariates, fewer.standard_error) == ((), Named(), None)
        assert (fewer.events, fewer.notes) == (whole.events, whole.notes)
        given = whole.replace(rates=whole.rates + 1, standard_error=whole.standard_error)
        assert np.array_equal(given.standard_error, whole.standard_error)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"trial_counts": [1, 2]}, "trial_counts has shape"),
            ({"covariates": {"direction": [0.0]}}, "direction has shape"),
            ({"standard_error": np.zeros((3, 4, 1))}, "standard_error has shape"),
            ({"outputs": np.zeros((3, 5, 1))}, "outputs has"),
            ({"conditions": ["a"]}, "1 condition labels for 3 trials"),
            ({"units": ["u"]}, "1 unit names for 2 units"),
            ({"dt": 0.0}, "dt must be a positive number"),
            ({"dt": np.inf}, "dt must be a positive number"),
            ({"start": np.nan}, "start must be a finite number"),
            ({"outputs": np.zeros((3, 4))}, "outputs must have three axes"),
            ({"rates": np.zeros((3, 4, 2), complex)}, "rates has values of type complex128"),
            ({"rates": np.zeros((3, 4, 2), bool)}, "rates has values of type bool"),
            ({"rates": np.full((3, 4, 2), "1")}, "rates has values of type <U1"),
            ({"rates": [[[1.0]], [[1.0, 2.0]]]}, "rates has rows of unequal lengths"),
            ({"standard_error": np.full((3, 4, 2), -0.1)}, "standard_error has negative values"),
            ({"conditions": None}, "conditions are None"),
            ({"conditions": "0 9"}, "conditions are '0 9'; give a list"),
        ],
        ids=str,
    )
    def test_what_does_not_fit_is_named(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            averages().replace(**wrong)

    @pytest.mark.parametrize("name", ["covariates", "events"])
    def test_what_goes_by_name_is_a_mapping(self, name, signatures_unchecked):
        with pytest.raises(TypeError, match="values by name are of type list; give a mapping"):
            averages().replace(**{name: [1, 2, 3]})


def test_a_range_has_its_ends_or_not_and_never_nan():
    check_within("(0, 1]", share=1, other=None)
    for interval, wrong, wanted in (
        ("(0, 1]", 0, r"share must be in \(0, 1\], got 0"),
        ("[0, 1)", 1.0, r"share must be in \[0, 1\)"),
        ("[1, inf]", 0, "share must be at least 1, got 0"),
        ("(0, inf)", np.inf, "share must be above 0 and finite, got inf"),
        ("(0, inf]", np.nan, "share must be above 0, got nan"),
    ):
        with pytest.raises(ValueError, match=wanted):
            check_within(interval, share=wrong)


def test_numbers_and_text_label_conditions_alike():
    rates = np.ones((4, 2, 1))
    labels = (
        jnp.asarray([0.0, 45.0, 90.0, 22.5]),
        ["0.0", "45.", "90.00", "22.50"],
        [-0.0, 45, np.float32(90), 22.5],
        [0, 45, 90, 22.5],
        [0.0, 45.0, 90.0, 22.5],
        np.array([0, 45, 90, 22.5]),
        ["0", "45", "90", "22.5"],
    )
    made = [recirc.Activity(rates, dt=0.01, conditions=each).conditions for each in labels]
    assert made == [("0", "45", "90", "22.5")] * 7
    for kept in (["007", "7", "1e3", "1_0"], ["a", "1.2.3", "nan", "-"], [str(10**12 + i) for i in range(4)], "abcd"):
        assert recirc.Activity(rates, dt=0.01, conditions=kept).conditions == tuple(kept)
    assert len(set(recirc.Activity(rates, dt=0.01, conditions=np.arange(4) + 10**12).conditions)) == 4


@pytest.mark.parametrize("given", [[0, 90, -90, 180], [0.0, 90.0, -90.0, 22.5], ["0", "90.0", "-90", "a"]])
def test_labels_of_files_are_those_of_memory(given, tmp_path):
    activity = recirc.Activity(np.random.default_rng(0).uniform(size=(4, 9, 2)), dt=0.01, conditions=given)
    dataset = activity.to_xarray().assign_coords(condition=given)
    assert recirc.Activity.from_xarray(dataset).conditions == activity.conditions
    recirc.data.write_netcdf(activity, tmp_path / "a.nc")
    assert recirc.data.read_netcdf(tmp_path / "a.nc").conditions == activity.conditions


@pytest.mark.parametrize(("name", "wrong"), [("direction", "up"), ("level", "synapse")])
def test_a_score_has_a_direction_and_a_level_that_there_are(name, wrong, signatures_unchecked):
    words = {"level": "unit", "direction": "lower"}
    assert recirc.Score("m", 1.0, **words).direction == "lower"
    with pytest.raises(ValueError, match=f"m: {name} is '{wrong}'; use one of"):
        recirc.Score("m", 1.0, **{**words, name: wrong})
    with pytest.raises(ValueError, match=f"m: {name} is '{wrong}'"):
        recirc.analyses.Row("m", arm="a", value=1.0, **{**words, name: wrong})


def test_a_result_says_what_it_is_in_a_line():
    rows = (recirc.analyses.Row("m", "unit", "a", 1.0),) * 500
    result = recirc.analyses.AnalysisResult("verdict", rows, sentences={"units": "Units: alike."})
    assert repr(result) == "<AnalysisResult of verdict: 500 rows, 0 claims, 0 figures; Units: alike.>"
