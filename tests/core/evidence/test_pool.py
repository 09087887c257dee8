"""What is read off the sorted scores of all images, against numpy on all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evidence.threshold import Sample, nearest_to

QUICK = settings(max_examples=60, deadline=None)
scores = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-5, 5, width=32)), min_size=1, max_size=300)
kinds = st.sampled_from([np.float32, np.float64])


def sample_of(pool):
    return Sample.uniform(np.array([0.0]), np.array([True]), pool)


@QUICK
@given(scores, kinds, st.floats(-6, 6))
def test_counts_at_a_threshold_are_exact_in_either_precision(values, kind, threshold):
    pool = np.array(values, kind)
    for at in (threshold, values[0], float(np.nextafter(values[0], 9)), float(np.nextafter(values[0], -9))):
        assert sample_of(pool).counted_above(at) == sum(float(value) >= at for value in pool)


@QUICK
@given(scores, kinds)
def test_the_largest_tie_is_the_lowest_of_the_most_frequent_scores(values, kind):
    found, counts = np.unique(np.array(values, kind), return_counts=True)
    assert sample_of(np.array(values, kind)).largest_tie == (float(found[counts.argmax()]), int(counts.max()))


@QUICK
@given(scores, kinds)
def test_quantiles_are_those_of_numpy(values, kind):
    pool = np.array(values, kind)
    assert sample_of(pool).quantiles((0.001, 0.4, 0.999)) == pytest.approx(np.quantile(pool, (0.001, 0.4, 0.999)), abs=1e-6)


@QUICK
@given(scores, st.floats(-6, 0), st.floats(0.1, 6))
def test_the_histogram_is_that_of_numpy_with_both_edges_in_the_last_bin(values, low, high):
    pool = np.array(values, np.float64)
    counts, edges = sample_of(pool).histogram(7, low, high)
    assert counts.tolist() == np.histogram(pool, edges)[0].tolist()
    assert edges == pytest.approx(np.linspace(low, high, 8))


@QUICK
@given(scores, st.floats(-6, 6), st.integers(1, 8), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_nearest_free_images_are_those_of_a_comparison_with_all(values, threshold, n, above, seed):
    by_row = np.array(values, np.float32)
    free = np.random.default_rng(seed).random(len(by_row)) < 0.5
    rows = [row for row in np.flatnonzero(free).tolist() if (float(by_row[row]) >= threshold) == above]
    expected = sorted(rows, key=lambda row: (abs(float(by_row[row]) - threshold), row))[:n]
    assert nearest_to(threshold, by_row, np.sort(by_row), free, n, above=above).tolist() == expected


def test_a_band_widens_past_images_that_are_not_free():
    by_row = np.arange(5_000, dtype=np.float32)
    free = np.zeros(5_000, bool)
    free[[3, 4_990]] = True
    assert nearest_to(2_500.0, by_row, by_row, free, 2, above=True).tolist() == [4_990]
    assert nearest_to(2_500.0, by_row, by_row, free, 2, above=False).tolist() == [3]
