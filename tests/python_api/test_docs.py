"""The blocks of docs/python-api.md, one after the other."""

import re

from conftest import ROOT


def test_the_page(scene):
    page = (ROOT / "docs/python-api.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python-api.md", "exec"), names)
