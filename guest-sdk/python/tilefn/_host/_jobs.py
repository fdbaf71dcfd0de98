"""Jobs: the same keys as the job file, checked by the same code."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._errors import JobWarning, errors
from ._functions import Expression, Function
from ._native import native
from ._progress import Picture, Progress, shown

Events = Callable[[dict[str, Any]], object]


class Output(os.PathLike):  # type: ignore[type-arg]
    """A finished output. `rasterio.open(output)` and `xarray.open_dataarray(output)` take it as a path."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = list(paths)

    @property
    def path(self) -> str:
        """The file, if the output is one."""
        if len(self.paths) != 1:
            raise ValueError(f"the output is {len(self.paths)} files: see paths")
        return self.paths[0]

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"Output({', '.join(map(repr, self.paths))})"


class Result:
    """What a job has made: `outputs` by name, the `report`, and the `reduced` result if the function accumulates."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.report = report
        self.reduced = report.get("result")
        files: dict[str, list[str]] = {}
        for output in report.get("outputs", []):
            files.setdefault(output["output"], []).append(output["path"])
        self.outputs = {name: Output(paths) for name, paths in files.items()}

    def __repr__(self) -> str:
        tiles = self.report["tiles"]
        outputs = "".join(f"\n  {name}: {', '.join(output.paths)}" for name, output in self.outputs.items())
        reduced = "" if self.reduced is None else f"\n  reduced: {self.reduced!r}"
        return f"<job done: {tiles['done']} tiles in {self.report['wall_seconds']:.1f} s{outputs}{reduced}>"


def run(
    job: str | os.PathLike[str] | Mapping[str, Any] | Function | Expression,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool | Progress | None = None,
    events: Events | None = None,
    set: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Result:
    """Runs a job to its end.

    job: a job file (`.toml`, `.json`), a dict with its keys, or a function, whose job is in the keyword arguments `inputs`,
        `outputs`, `reduced`, `params`, `grid`, `limits`, `workers`: the sections of a job file. A path stands for
        `{"path": …}`, a list of them for `{"paths": […]}`, and `"processes:4"` for workers of this kind and number.
        An open rasterio dataset is the file that it shows.
    overwrite: replace outputs that exist. resume: go on with an interrupted run of the same job.
    progress: whether to show it (default: in a notebook and on a terminal), or what to call with the tiles done, those of
        them that were skipped, and all.
    events: what to call with each event, a dict: workers that come and leave, warnings, ….
    set: other keys of a job file by their names, `{"params.radius": 3}`.

    Raises JobFileError with all mistakes, JobError when the job fails, InfrastructureError, and KeyboardInterrupt after a
    clean stop.
    """
    told = None if events is None else lambda event: events(json.loads(event))
    with shown(progress) as (show, picture):
        report = _run(job, sections, set, (overwrite, resume, False), (show, told, picture))
    for text in report.get("warnings", []):
        warnings.warn(text, JobWarning, stacklevel=2)
    return Result(report)


def plan(
    job: str | os.PathLike[str] | Mapping[str, Any] | Function | Expression,
    *,
    overwrite: bool = False,
    set: Mapping[str, Any] | None = None,
    **sections: Any,
) -> dict[str, Any]:
    """What `run` would do, as `tilefn run --dry-run --json` says it; nothing is run."""
    return _run(job, sections, set, (overwrite, False, True), (None, None, None))


def _run(
    job: Any,
    sections: dict[str, Any],
    set_: Mapping[str, Any] | None,
    options: tuple[bool, bool, bool],
    callbacks: tuple[Progress | None, Callable[[str], object] | None, Picture | None],
) -> dict[str, Any]:
    changes = [f"{key}={json.dumps(value, default=_plain)}" for key, value in (set_ or {}).items()]
    path, text = None, None
    if isinstance(job, (str, os.PathLike)) and Path(job).suffix not in (".wasm", ".py"):
        if sections:
            raise TypeError(f"{', '.join(sections)}: the job file has its own; change single keys by set={{…}}")
        path = os.fspath(job)
    else:
        text = json.dumps(_job(job, sections), default=_plain)
    with errors():
        said = native().run(path, text, os.getcwd(), (changes, *options), callbacks)
    answer: dict[str, Any] = json.loads(said)
    return answer


def _job(job: Any, sections: dict[str, Any]) -> dict[str, Any]:
    """The job file that the arguments say."""
    if isinstance(job, Mapping):
        return _sections({**job, **sections})
    if isinstance(job, Function):
        function: dict[str, Any] = {"module": str(job.path), "name": job.name}
        if job.include:
            function["include"] = [str(path) for path in job.include]
    elif isinstance(job, Expression):
        function = {"expression": job.text, "cast": job.cast} if job.cast == "strict" else {"expression": job.text}
        if job.dtype is not None:
            outputs = {name: _file(value) for name, value in dict(sections.get("outputs", {})).items()}
            sections = {**sections, "outputs": {name: {"dtype": job.dtype, **value} for name, value in outputs.items()}}
    else:
        function = {"module": os.fspath(job)}
    return {"function": function, **_sections(sections)}


def _sections(sections: dict[str, Any]) -> dict[str, Any]:
    made = dict(sections)
    for name in ("inputs", "outputs"):
        if name in made:
            made[name] = {key: _file(value) for key, value in dict(made[name]).items()}
    if "reduced" in made:
        made["reduced"] = _file(made["reduced"])
    workers = made.get("workers")
    if isinstance(workers, str):
        kind, _, count = workers.partition(":")
        made["workers"] = {"kind": kind, "count": int(count)} if count else {"kind": kind}
    return made


def _file(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return {"paths": [_path(one) for one in value]}
    return {"path": _path(value)}


def _path(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    name = getattr(value, "name", None)
    if isinstance(name, str) and hasattr(value, "indexes") and hasattr(value, "crs"):
        return name
    raise TypeError(f"expected a path, a list of paths, a dict or an open rasterio dataset, not {type(value).__name__}")


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a job has no values of the type {type(value).__name__}")
