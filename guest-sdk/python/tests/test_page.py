"""The code in docs/python.md runs."""

from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs/python.md"
BLOCKS = [block.split("\n```", 1)[0] for block in PAGE.read_text().split("\n```python\n")[1:]]


@pytest.mark.parametrize("source", BLOCKS)
def test_block(source):
    exec(compile(source, "python.md", "exec", dont_inherit=True), {"__name__": "page"})


def test_there_are_some():
    assert len(BLOCKS) > 4
