"""What the judge must see of an ordinary net: 1e-8 of one gradient entry in float64, 1e-3 in most of float32."""

import numpy as np
import pytest

from parity_tests.meta.sensitivity import seen


@pytest.mark.parametrize(("dtype", "error", "share"), [(np.float64, 1e-8, 0.99), (np.float32, 1e-3, 0.9)])
def test_one_wrong_entry_is_seen(dtype, error, share):
    tried, judge, _ = seen(dtype, error, 60)
    assert tried > 100
    assert judge >= share * tried


def test_nothing_is_seen_where_nothing_is_wrong():
    """An error below rounding changes no number, and then there is no entry to try."""
    assert seen(np.float32, 1e-12, 10) == (0, 0, 0)
