"""Each test begins with no program loaded."""

import host
import pytest


@pytest.fixture(autouse=True)
def _fresh():
    yield
    host.forget()
