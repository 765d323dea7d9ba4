"""Bad arguments of the activations: the same error in the same words on both sides."""

import pytest

from handgrad import catalogue
from parity_tests.catalogue.tables import SIDES, refused

BAD = refused(catalogue.ACTIVATIONS)


@pytest.mark.parametrize("case", BAD)
def test_one_error_on_both_sides(case):
    act, kind, words = BAD[case]
    messages = []
    for side in SIDES.values():
        with pytest.raises(kind) as caught:
            act(side)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    for message in messages:
        assert "\n" not in message
        for word in words:
            assert word in message


@pytest.mark.parametrize("side", SIDES)
def test_threshold_and_glu_have_no_name(side):
    """Threshold's numbers have no defaults; GLU would halve the width that the next layer expects."""
    for name in ("threshold", "glu"):
        with pytest.raises(ValueError, match="activation must be one of"):
            SIDES[side].MLP([3, 2], name)
