"""What a spec with one mistake is refused with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from slimtasks.errors import SpecError


def only_mistake(load: Callable[[], object]) -> str:
    """The line that tells it; there is no other."""
    with pytest.raises(SpecError) as error:
        load()
    found = error.value.what.splitlines()
    assert len(found) == 1, found
    return found[0]
