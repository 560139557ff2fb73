"""Tests over seeds, their intervals, and claims: theorems, planted effects, and nothing where there is nothing."""

import itertools

import jax
import numpy as np
import pytest
import scipy.stats

from recirc import compare
from recirc.analyses import Effect, judged

KEY = jax.random.key(0)
RANDOM = np.random.default_rng


def claim(values, smallest=0.2, **fields):
    (found,) = judged([Effect("it helps", np.asarray(values), smallest, **fields)], "here", key=KEY)
    return found


def verdicts(effect, n, repeats, seed=0):
    draws = RANDOM(seed).normal(effect, 1.0, (repeats, n))
    return [claim(values).supported for values in draws]


class TestSignFlips:
    @pytest.mark.parametrize("values", [[0.3, -0.1, 0.9, 0.4, 0.2], [1.0, 1.0, -1.0, 0.0, 0.0, 2.0], [0.1] * 7, [-2.0]])
    @pytest.mark.parametrize("center", [0.0, 0.1, -0.35])
    def test_are_all_signs(self, values, center):
        shifted = np.array(values) - center
        sums = np.array([np.dot(signs, shifted) for signs in itertools.product([1, -1], repeat=len(values))])
        expected = {"greater": np.mean(sums >= shifted.sum() - 1e-9), "less": np.mean(sums <= shifted.sum() + 1e-9)}
        for alternative, p in expected.items():
            assert compare.sign_flip_test(values, center, alternative, key=KEY) == p
        both = min(1.0, 2 * min(expected.values()))
        assert compare.sign_flip_test(values, center, key=KEY) == both

    @pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.9375])
    @pytest.mark.parametrize("n", [5, 9, 25])
    def test_the_interval_holds_what_the_test_does_not_reject(self, n, level):
        values = RANDOM(n).normal(0.3, 1, n)
        low, high = compare.sign_flip_interval(values, level, key=KEY)
        for center in [*np.linspace(-2, 2, 81), low, high, low - 1e-6, high + 1e-6]:
            p = compare.sign_flip_test(values, center, key=KEY) if np.isfinite(center) else 0
            assert (low <= center <= high) == (p > 1 - level + 1e-12) or np.isinf(center)

    def test_random_signs_are_nearly_all_signs(self, monkeypatch):
        values = RANDOM(0).normal(0.4, 1, 16)
        exact = compare.sign_flip_test(values, key=KEY), compare.sign_flip_interval(values, key=KEY)
        monkeypatch.setattr("recirc.compare.statistics.N_EXACT", 10)
        drawn = compare.sign_flip_test(values, key=KEY), compare.sign_flip_interval(values, key=KEY)
        assert drawn[0] == pytest.approx(exact[0], abs=0.01)
        assert drawn[1] == pytest.approx(exact[1], abs=0.02)

    def test_few_values_have_no_bounds(self):
        assert compare.sign_flip_interval([1.0, 2.0, 3.0], key=KEY) == (-np.inf, np.inf)
        assert compare.sign_flip_test([1.0, 2.0, 3.0], key=KEY) == 0.25

    def test_false_alarms_come_at_their_level(self):
        """Also of skewless values with long tails; 5 % of 1,000 are 50, and 99.9 % of binomial counts 29 to 74."""
        for draws in (RANDOM(1).normal(size=(1000, 10)), RANDOM(2).standard_t(2, size=(1000, 10))):
            alarms = sum(compare.sign_flip_test(values, alternative="greater", key=KEY) <= 0.05 for values in draws)
            assert 29 <= alarms <= 74


def test_the_seeds_that_are_needed_find_the_effect():
    """Power .8, and a little more as seeds are whole; of 400, 99.9 % of binomial counts at .8 are 293 to 345."""
    values = RANDOM(3).normal(size=200)
    values = (values - values.mean()) / values.std(ddof=1)
    n = compare.seeds_needed(values, 0.8)
    draws = RANDOM(4).normal(0.8, 1, (400, n))
    found = sum(compare.sign_flip_test(drawn, alternative="greater", key=KEY) <= 0.05 for drawn in draws)
    assert 293 <= found <= 352


def test_no_fewer_seeds_are_said_to_do_than_can_reach_the_level():
    assert compare.seeds_needed([1.0, 1.0, 1.0], 5.0) == 5
    assert compare.seeds_needed([1.0, 1.0, 1.0], 5.0, alpha=0.05 / 8) == 8


@pytest.mark.parametrize(("n", "mean", "alpha"), [(12, 0.8, 0.05), (12, 1.0, 0.0125), (20, 0.5, 0.05)])
def test_power_is_the_share_of_studies_that_find_the_mean(n, mean, alpha, key):
    random, told = np.random.default_rng(n), compare.sign_flip_power(2.0, 2.0 * mean, n, alpha=alpha)
    studies = 2.0 * (mean + random.normal(size=(300, n)))
    found = sum(compare.sign_flip_test(values, alternative="greater", key=key) <= alpha for values in studies)
    assert scipy.stats.binomtest(found, 300, told).pvalue > 0.001
    assert compare.sign_flip_power(1.0, 9.0, 4) == 0.0, "four values cannot reach a p of .05"


def test_levels_are_holms_and_stop_where_he_stops():
    levels = compare.holm_levels([0.04, 0.001, 0.02, 0.3])
    np.testing.assert_allclose(levels, [0.05 / 3, 0.0125, 0.05 / 3, 0.05 / 3])
    np.testing.assert_allclose(compare.holm_levels([0.01, 0.02, 0.001]), [0.025, 0.05, 0.05 / 3])
    assert compare.holm_levels([]).shape == (0,)


class TestClaims:
    def test_a_planted_effect_is_hardly_ever_contradicted(self):
        """An effect of .5 s.d. at ten seeds, smallest .2; undecided is right for most of them."""
        found = verdicts(0.5, 10, 400)
        assert found.count(False) <= 20
        assert found.count(None) > found.count(False)

    def test_nothing_is_supported_at_the_level(self):
        """5 % of 400 are 20, and 99.9 % of binomial counts 7 to 36."""
        assert verdicts(0.0, 10, 400).count(True) <= 36

    def test_the_smallest_effect_is_contradicted_at_the_level(self):
        assert verdicts(0.2, 10, 400).count(False) <= 36

    def test_a_large_effect_is_supported(self):
        assert verdicts(2.0, 10, 100).count(True) >= 98

    def test_no_effect_is_contradicted_with_many_seeds(self):
        assert verdicts(0.0, 300, 10) == [False] * 10

    def test_an_effect_too_small_to_matter_is_contradicted(self):
        values = 0.1 + 0.01 * RANDOM(0).normal(size=10)
        assert claim(values).supported is False
        assert claim(values, smallest=0.05).supported is True

    def test_three_seeds_decide_nothing_and_say_how_many_would(self):
        found = claim([0.5, 0.6, 0.4])
        assert (found.supported, found.ci) == (None, (-np.inf, np.inf))
        assert found.needs is not None
        assert found.needs >= 5
        assert claim([0.5]).needs is None
        assert claim(np.zeros(0)).n == 0

    def test_ratios_are_judged_as_logarithms(self):
        ratios = np.array([1.5, 2.0, 1.2, 3.0, 1.8, 2.2, 1.4])
        found, logs = claim(np.log(ratios), np.log(1.1), shown=np.exp), claim(np.log(ratios), np.log(1.1))
        assert found.effect == pytest.approx(np.exp(logs.effect))
        assert found.ci == pytest.approx(tuple(np.exp(logs.ci)))
        assert (found.supported, found.smallest) == (True, pytest.approx(1.1))

    @pytest.mark.parametrize(("lack", "expected"), [(0.0, True), (0.3, False), (0.1, None)])
    def test_that_nothing_much_is_missing_is_a_claim_too(self, lack, expected):
        values = -lack + 0.05 * RANDOM(1).normal(size=12)
        assert claim(values - values.mean() - lack, -0.1, none=-0.1, planned=0.0).supported is expected

    def test_seeds_are_counted_by_the_binomial(self):
        many, few, some = (np.arange(10) < n for n in (10, 2, 7))
        fields = {"smallest": 0.9, "none": 0.5}
        assert [claim(seeds, **fields).supported for seeds in (many, few, some)] == [True, False, None]
        assert claim(many, **fields).ci == pytest.approx((0.05**0.1, 1.0))
        found = claim(some, **fields)
        assert found.p == pytest.approx(176 / 1024)
        assert found.needs == 11

    def test_a_family_has_the_level_of_one_claim(self):
        """Eight claims without effect; 5 % of 300 are 15, and 99.9 % of binomial counts 4 to 29."""
        draws = RANDOM(5).normal(size=(300, 8, 10))
        families = [[Effect(str(i), values, 1.0) for i, values in enumerate(family)] for family in draws]
        found = [[c.supported for c in judged(family, "here", key=KEY)] for family in families]
        assert sum(True in family for family in found) <= 29
        at_smallest = [
            [c.supported for c in judged([Effect(e.claim, e.values + 1, 1.0) for e in family], "here", key=KEY)]
            for family in families
        ]
        assert sum(False in family for family in at_smallest) <= 29

    def test_the_interval_says_what_the_verdict_says(self):
        draws = RANDOM(6).normal(0.4, 1.0, (100, 4, 10))
        for family in draws:
            for found in judged([Effect(str(i), v, 0.5) for i, v in enumerate(family)], "here", key=KEY):
                low, high = found.ci
                expected = False if high < 0.5 else True if low > 0 else None
                assert found.supported is expected
                assert (found.p <= 0.05) == (low > 0)


@pytest.mark.parametrize(("n", "alpha"), [(8, 0.05), (8, 0.005), (20, 0.01)])
def test_power_is_how_often_a_mean_is_found(n, alpha):
    random = np.random.default_rng(5)
    samples = 2.4 + 2.0 * random.normal(size=(200, n))
    p = [compare.sign_flip_test(values, 0.0, "greater", key=jax.random.key(0)) for values in samples]
    assert compare.sign_flip_power(2.0, 2.4, n, alpha=alpha) == pytest.approx(np.mean(np.array(p) <= alpha), abs=0.1)
    assert compare.sign_flip_power(1.0, 9.0, 4) == 0.0, "four values cannot reach a p of .05"


def test_a_claim_that_nothing_is_missing_is_planned_for_where_nothing_is():
    """Values on the line are undecided, and the seeds are counted that would tell 0 from it."""
    lacks = Effect("A sample suffices", np.array([-0.1, -0.09, -0.12, -0.08, -0.11, -0.1]), smallest=-0.1, none=-0.1)
    (claim,) = judged([lacks], "here", key=jax.random.key(0))
    assert claim.supported is None
    assert claim.needs == Effect("The same", lacks.values, -0.1, -0.1, planned=0.0).needs(0.05)


@pytest.mark.parametrize("n", [5, 12, 40])
def test_the_largest_spread_is_that_of_which_as_many_seeds_are_needed(n):
    values = RANDOM(n).normal(size=30)
    values *= compare.statistics.largest_spread(n, 0.2) / values.std(ddof=1)
    assert compare.seeds_needed(values * (1 - 1e-9), 0.2) == n
    assert compare.seeds_needed(values * 1.001, 0.2) == n + 1
