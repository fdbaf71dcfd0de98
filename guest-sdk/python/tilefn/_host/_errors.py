"""Exceptions: one for each exit code of the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class JobError(Exception):
    """A job or a function failed. `report` is the report of what was done until then, or None."""

    report: dict[str, Any] | None = None


class JobFileError(JobError, ValueError):
    """A job, a function or an argument is wrong. `mistakes` are all of a job's, as `--json` gives them."""

    mistakes: Any = None


class InfrastructureError(JobError):
    """Something that a job needs is not to be had: a bucket, a worker, memory, threads."""


class JobWarning(UserWarning):
    """A warning of a job's report."""


@contextmanager
def errors() -> Iterator[None]:
    """Makes exceptions of what the compiled part says."""
    try:
        yield
    except RuntimeError as raw:
        try:
            said = json.loads(str(raw))
            code, text = said["code"], said["text"]
        except (ValueError, TypeError, KeyError):
            raise raw from None
        if code == 130:
            raise KeyboardInterrupt from None
        kind = {2: JobFileError, 3: InfrastructureError}.get(code, JobError)
        error = kind(text)
        error.report = said.get("report")
        if isinstance(error, JobFileError):
            error.mistakes = said.get("detail")
        raise error from None
