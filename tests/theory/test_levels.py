"""Levels: a population is like another sample of itself, and one of other scores over conditions and times is not."""

import jax
import levels as benchmark
import noises
import numpy as np
import pytest

from recirc.analyses import VerdictConfig, reference
from recirc.analyses.levels import judge
from recirc.analyses.reference import rows_beside
from recirc.analyses.table import frame
from recirc.analyses.verdict_config import Reference

KEY = jax.random.key(7)


def alike(network, reference, **settings):
    config = VerdictConfig(**{"n_draws": 0, "n_resamples": 2, **settings}).resolved(reference, len(network.units))
    rows = rows_beside(network, Reference(reference), config, key=jax.random.key(0), brief=True)
    return judge(frame(rows), None, by=["arm"]).iloc[0]


@pytest.fixture(scope="module")
def population():
    made = noises.noise(np.random.default_rng(0), "8 even", "tuned", n_units=80)
    return made.replace(rates=np.asarray(made.rates) - np.asarray(made.rates).min())


@pytest.mark.filterwarnings("ignore:.* samples for:UserWarning")
def test_another_half_is_alike_and_other_scores_are_not(population):
    one, other = (population.select_units(population.units[i::2]) for i in range(2))
    assert alike(one, other)[["units", "population"]].tolist() == [True, True]
    strange = benchmark.other_scores(one, np.random.default_rng(1))
    assert alike(strange, other)["population"] == False  # noqa: E712


@pytest.mark.filterwarnings("ignore:.* samples for:UserWarning")
@pytest.mark.parametrize(("n_reference", "n_splits"), [(6, 199), (40, 19)])
def test_where_no_difference_could_be_found_nothing_is_called_alike(population, n_reference, n_splits):
    """Halves of six units scatter too much, and of 19 halvings no p among six features is under .05."""
    network, reference = population.select_units(population.units[:40]), population.units[40 : 40 + n_reference]
    found = alike(network, population.select_units(reference), n_splits=n_splits, least_units=2)
    assert found[["units", "population"]].isna().all()


@pytest.mark.filterwarnings("ignore:.* samples for:UserWarning")
def test_what_halves_of_the_reference_tell_does_not_depend_on_which_network_came_first(population, monkeypatch):
    one, other = (population.select_units(population.units[i::2]) for i in range(2))
    noise = np.random.default_rng(3).uniform(0, 20, other.rates.shape)
    other = other.replace(rates=noise)  # whose halves have nothing in common, so that every halving has another p
    config = VerdictConfig(n_draws=9, n_pairs=2, n_splits=19).resolved(other, len(one.units))
    found = []
    for order in ((1, 2), (2, 1)):
        monkeypatch.setattr(reference, "_OF_HALVES", {})
        keys = {seed: jax.random.key(seed) for seed in order}
        rows = {s: rows_beside(one, Reference(other), config, key=k, halves_key=KEY) for s, k in keys.items()}
        found.append([frame(rows[s]).dropna(subset="null_half_p")["null_half_p"].tolist() for s in (1, 2)])
    assert len(found[0][0]) > 0
    assert found[0] == found[1]
    assert found[0][0] == found[0][1]
