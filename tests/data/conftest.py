"""What the tests of the data share."""

import pytest


@pytest.fixture
def refusal():
    """`refusal(kind, call, *args)` gives the one line with which the call is refused."""

    def message(kind, call, *args, **settings):
        with pytest.raises(kind) as caught:
            call(*args, **settings)
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return message
