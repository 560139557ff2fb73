"""The verdict on data in memory: clocks, windows, what is said on each level, and what is refused."""

import jax
import numpy as np
import pytest

import recirc
from recirc.analyses import VerdictConfig, select, verdict
from recirc.compare import window

KEY = jax.random.key(5)
FEW = VerdictConfig(n_draws=39, n_resamples=5)


@pytest.fixture(scope="module")
def trials():
    return recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=jax.random.key(0))


@pytest.fixture(scope="module")
def network():
    return recirc.circuits.RateNetwork.random(n_units=30, n_inputs=3, n_outputs=4, gain=1.1, key=jax.random.key(1))


@pytest.fixture(scope="module")
def recording(trials):
    """Smooth rates around a movement, steps of 20 ms."""
    steps = np.random.default_rng(0).normal(size=(8, 50, 30))
    return recirc.Activity(20 + np.abs(np.cumsum(steps, axis=1)), dt=0.02, conditions=trials.conditions, start=-0.5)


@pytest.fixture(scope="module")
def own(network, trials):
    """What the network did, on a clock whose 0 is go."""
    return recirc.simulate(network, trials, key=KEY).replace(start=-0.7)


def test_a_network_is_as_like_its_own_activity_as_can_be(network, trials, own):
    """Its epoch "movement" begins at the 0 of that clock."""
    result = verdict(network, own, trials, key=KEY, config=VerdictConfig(n_draws=39, n_resamples=5, soft=None))
    row = select(result.table, "procrustes_angle", "network").iloc[0]
    assert row["value"] < 1e-6
    assert row["null_p"] < 0.05
    beside = result.table[(result.table["null_kind"] == "halves") & (result.table["arm"] == "network")]
    assert set(beside["level"]) == {"unit", "population"}
    assert beside["null_p"].min() > 0.05
    assert result.sentences["units"].startswith("Units: like the reference's.")
    assert "undetermined" in result.sentences["mechanism"]  # it was never trained to move
    assert "geometry does not tell" in result.sentences["mechanism"]
    np.testing.assert_allclose(result.arrays["rates"], own.rates, atol=1e-9)
    assert {recirc.figures.draw(result, name).get_label() for name in result.figures} == {""}


def test_order_of_conditions_repeats_and_clock_of_an_activity_do_not_matter(own, recording):
    shuffled = own.select([3, 1, 0, 2, 7, 6, 5, 4] * 2).replace(start=1.0)
    one = verdict(own, recording, key=KEY, config=FEW)
    other = verdict(
        shuffled.replace(outputs=None), recording, key=KEY, config=VerdictConfig(onset=1.7, n_draws=39, n_resamples=5)
    )
    for metric in ("cca_mean4", "jpca_ratio", "unit_feature_distance"):
        values = [select(result.table, metric, "network")["value"].item() for result in (one, other)]
        assert values[0] == pytest.approx(values[1])


def test_activity_alone_does_not_tell_a_mechanism(own, recording):
    sentence = verdict(own, recording, key=KEY, config=FEW, mechanism="input driven").sentences["mechanism"]
    assert "activity alone does not tell" in sentence


def test_a_task_that_decides_the_mechanism_by_itself_is_told_apart(network, recording):
    off = recirc.tasks.DelayedReach(hold=0.2, delay=0.5, target_off=0.0).trials(8, key=KEY)
    result = verdict(network, recording, off, key=KEY, config=FEW, mechanism="input driven")
    assert result.sentences["mechanism"].startswith("Mechanism: undetermined; that of the reference is input driven.")
    assert "the task decides and not the circuit; give trials with the target on" in result.sentences["mechanism"]
    assert np.isnan(select(result.table, "state_share", "network")["value"].item())


def test_repeats_of_the_reference_give_ceilings(own, recording):
    noise = np.random.default_rng(1).uniform(size=(24, 50, 30))
    repeated = recording.select(np.tile(np.arange(8), 3))
    repeated = repeated.replace(rates=np.asarray(repeated.rates) + noise)
    table = verdict(own, repeated, key=KEY, config=FEW).table
    assert 0.5 < select(table, "cca_mean4", "network")["ceiling"].item() <= 1
    assert select(table, "jpca_ratio", "reference")["n"].item() == 30


@pytest.mark.parametrize(
    ("start", "preparation", "movement", "rotation"),
    [
        (-0.5, (-0.5, 0.0), (0.0, 0.5), (0.0, 0.4)),
        (0.0, (0.0, 0.5), (0.5, 1.0), (0.5, 0.9)),
        (-0.9, (-0.9, 0.0), (0.0, 0.1), (0.0, 0.1)),
    ],
)
def test_windows_follow_from_the_clock(recording, start, preparation, movement, rotation):
    found = VerdictConfig().resolved(recording.replace(start=start), 40)
    for mine, asked in ((found.preparation, preparation), (found.movement, movement), (found.rotation, rotation)):
        assert mine == pytest.approx(asked)
    assert VerdictConfig(movement=(0.1, 0.2)).resolved(recording, 40).rotation == (0.1, 0.2)


def test_what_does_not_fit_is_refused_in_a_sentence(network, trials, recording):
    other_delays = recirc.tasks.DelayedReach().trials(8, key=KEY)
    bad = np.array(recording.rates)
    bad[0, 0, 0] = np.nan
    for reference, given, sentence in (
        (recording, None, "give trials"),
        (recording.replace(conditions=list("abcdefgh")), trials, "label both alike"),
        (recording.replace(start=5.0), trials, "give the onset"),
        (recording, other_delays, "trials of one delay"),
        (recording.replace(rates=bad), trials, "the reference: 1 rates are not finite"),
        (recording.select([0]), trials, "one condition"),
        (window(recording, 0.0, 0.02), trials, "samples"),
    ):
        with pytest.raises(ValueError, match=sentence):
            verdict(network, reference, given, key=KEY, config=FEW)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_unit_that_is_not_finite_is_not_taken_for_a_silent_one(own, recording, value):
    bad = np.array(own.rates)
    bad[1, 2, 3] = value
    found = "1 rates are not finite, the first of unit 3 in condition 45 at time index 2"
    with pytest.raises(ValueError, match=f"the network: {found}"):
        verdict(own.replace(rates=bad), recording, key=KEY, config=FEW)
    for name in ("single_trials", "another"):
        with pytest.raises(ValueError, match=f"{name}: {found}"):
            verdict(own, recording, key=KEY, config=FEW, **{name: own.replace(rates=bad)})


def test_silent_units_are_counted(own, recording):
    silent = np.where(np.arange(30) < 24, 0.0, own.rates)
    table = verdict(own.replace(rates=silent), recording, key=KEY, config=FEW).table
    assert select(table, "silent_units", "network")["value"].item() == pytest.approx(0.8)


def test_of_too_few_units_it_says_that_they_are_too_few(own, recording):
    found = verdict(own.select_units(own.units[:6]), recording, key=KEY, config=FEW)
    for level in ("units", "population"):
        said = "not judged, since 6 of its 6 units change, and least_units of the config is 10."
        assert found.sentences[level] == f"{level.capitalize()}: {said}"


def test_arguments_of_another_kind_are_named(network, own, recording, trials, signatures_unchecked):
    for given, words in (
        ((own, network), "the reference is of type RateNetwork; give an Activity"),
        ((network, network, trials), "the reference is of type RateNetwork"),
        ((trials, recording), "network is of type Trials; give a circuit or an Activity"),
        ((network, recording, own), "trials is of type Activity; give Trials"),
    ):
        with pytest.raises(TypeError, match=words):
            verdict(*given, key=KEY, config=FEW)
    with pytest.raises(TypeError, match="key is 0"):
        verdict(own, recording, key=0, config=FEW)
    with pytest.raises(ValueError, match="mechanism is 'banana'; give one of initial-condition driven, input driven"):
        verdict(own, recording, key=KEY, config=FEW, mechanism="banana")


def test_angles_are_the_same_condition_however_often_they_turn(own, recording):
    turned = [str((int(label) + 180) % 360 - 180) for label in own.conditions]
    assert "-90" in turned
    tables = [
        verdict(side, recording, key=KEY, config=FEW).table.drop(columns="seconds", errors="ignore")
        for side in (own, own.replace(conditions=turned))
    ]
    assert tables[0].equals(tables[1])
