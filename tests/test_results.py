"""Deployment statistics: rates, percentiles and the difference of two."""

import pytest

from mnist_exp.results import DeploymentStatistics, size_text


def test_statistics_since_earlier_statistics() -> None:
    end = DeploymentStatistics(20, 15, {5: 20})
    found = end.since(DeploymentStatistics(4, 1, {5: 4}))
    assert (found.requests, found.failures, found.times_ms) == (16, 14, {5: 16})


def test_statistics_of_a_restarted_process_count_from_zero() -> None:
    end = DeploymentStatistics(20, 15, {5: 20})
    assert end.since(DeploymentStatistics(100, 0, {5: 100})) == end


@pytest.mark.parametrize(
    ("times_ms", "expected"), [({}, 0), ({1.0: 95, 900.0: 5}, 1), ({1.0: 94, 900.0: 6}, 900)]
)
def test_the_p95_is_the_time_of_95_of_100_requests(
    times_ms: dict[float, int], expected: float
) -> None:
    assert DeploymentStatistics(100, 0, times_ms).p95_ms == expected


def test_the_text_counts_requests_and_failures() -> None:
    assert str(DeploymentStatistics(1, 0)) == "1 request, 0 failed"
    assert str(DeploymentStatistics(2, 1)) == "2 requests, 1 failed"


def test_a_size_has_decimal_units() -> None:
    sizes = (400_000, 9_900_000, 12_000_000, 1_200_000_000)
    assert [size_text(size) for size in sizes] == ["0.4 MB", "9.9 MB", "12 MB", "1.2 GB"]
