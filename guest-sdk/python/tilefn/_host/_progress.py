"""How far a job is, in a notebook and on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int, int], object]
Picture = Callable[[bytes], object]


@contextmanager
def shown(progress: bool | Progress | None) -> Iterator[tuple[Progress | None, Picture | None]]:
    """What a run calls with the tiles done, skipped, and all; and with a picture of the first output, a PNG file."""
    if callable(progress):
        yield progress, None
        return
    notebook = _notebook() if progress is not False else None
    if notebook is not None:
        yield from _in_notebook(notebook)
    elif progress or (progress is None and sys.stderr.isatty()):
        yield from _on_terminal()
    else:
        yield None, None


def _notebook() -> Any:
    """IPython's display, in a notebook that is running."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from IPython import display  # type: ignore[import-not-found,unused-ignore]

    return display


def _in_notebook(display: Any) -> Iterator[tuple[Progress, Picture]]:
    nothing = display.HTML("")
    bar = display.display(nothing, display_id=True)
    preview = display.display(nothing, display_id=True)
    last = None

    def show(done: int, _skipped: int, total: int) -> None:
        nonlocal last
        if last != (done, total):
            last = (done, total)
            text = f'<progress value="{done}" max="{max(total, 1)}"></progress> {done} of {total} tiles'
            bar.update(display.HTML(text))

    try:
        yield show, lambda png: preview.update(display.Image(data=png))
    finally:
        # What has become of the job is said by its result, or by the exception.
        bar.update(nothing)
        preview.update(nothing)


def _on_terminal() -> Iterator[tuple[Progress, None]]:
    def show(done: int, _skipped: int, total: int) -> None:
        percent = 100 * done // total if total else 0
        sys.stderr.write(f"\r{'█' * (percent * 30 // 100):<30} {percent:3} %  {done}/{total} tiles")
        sys.stderr.flush()

    try:
        yield show, None
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
