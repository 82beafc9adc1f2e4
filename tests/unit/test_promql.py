from __future__ import annotations

from tests.promql import groupings, metrics


def test_metrics_and_their_labels_are_found() -> None:
    expression = """
      histogram_quantile(0.9, sum by (method, le) (rate(x_bucket{method=~"A|{B}", job!="j"}[5m])))
        and on (instance) time() - y > 3e2 or vector(0) unless absent(up{job="z"} offset 5m)
    """
    assert metrics(expression) == {"x_bucket": {"method", "job"}, "y": set(), "up": {"job"}}
    assert groupings(expression) == {"method", "le", "instance"}
