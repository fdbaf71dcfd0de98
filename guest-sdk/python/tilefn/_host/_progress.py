"""How far a job is, in a notebook and on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int, int], object]


@contextmanager
def shown(progress: bool | Progress | None) -> Iterator[Progress | None]:
    """What a run calls with the tiles done, skipped, and all."""
    if callable(progress):
        yield progress
        return
    notebook = _notebook() if progress is not False else None
    if notebook is not None:
        yield from _in_notebook(notebook)
    elif progress or (progress is None and sys.stderr.isatty()):
        yield from _on_terminal()
    else:
        yield None


def _notebook() -> Any:
    """IPython's display, in a notebook that is running."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from IPython import display  # type: ignore[import-not-found,unused-ignore]

    return display


def _in_notebook(display: Any) -> Iterator[Progress]:
    handle = display.display(display.HTML(_bar(0, 0)), display_id=True)
    try:
        yield lambda done, _skipped, total: handle.update(display.HTML(_bar(done, total)))
    finally:
        handle.update(display.HTML(""))


def _bar(done: int, total: int) -> str:
    return f'<progress value="{done}" max="{max(total, 1)}"></progress> {done} of {total} tiles'


def _on_terminal() -> Iterator[Progress]:
    def show(done: int, _skipped: int, total: int) -> None:
        percent = 100 * done // total if total else 0
        sys.stderr.write(f"\r{'█' * (percent * 30 // 100):<30} {percent:3} %  {done}/{total} tiles")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
