"""Jobs from Python."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import rasterio
import tilefn

from conftest import ndvi_of

INPUTS = {"red": {"path": "scene.tif", "bands": [1]}, "nir": {"path": "scene.tif", "bands": [2]}}


def read(path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def test_a_function(scene, bands, ndvi_wasm):
    result = tilefn.run(tilefn.Function(ndvi_wasm), inputs=INPUTS, outputs={"result": "ndvi.tif"}, grid={"tile": [128, 128]})
    assert result.outputs["result"].path == str(scene.parent / "ndvi.tif")
    np.testing.assert_allclose(read(result.outputs["result"]), ndvi_of(**bands), rtol=1e-6)
    assert result.report["tiles"]["done"] == 3 * 4 and result.reduced is None
    assert "12 tiles" in repr(result) and "ndvi.tif" in repr(result)


@pytest.mark.parametrize("workers", ["threads:2", "processes:2"])
def test_an_expression_with_workers(scene, bands, workers):
    index = tilefn.expression("(nir - red) / (nir + red)")
    seen = []
    result = tilefn.run(
        index, inputs=INPUTS, outputs={"result": "x.tif"}, workers=workers, progress=lambda *counts: seen.append(counts)
    )
    np.testing.assert_allclose(read(result.outputs["result"]), ndvi_of(**bands), rtol=1e-6)
    assert all(done <= total for done, _, total in seen)
    tiles = result.report["tiles"]["total"]
    assert seen[-1] == (tiles, 0, tiles), "the last call has all tiles"


def test_events(scene):
    """Workers that come and leave, and a warning that each tile has."""
    program = """
        import logging
        import warnings
        from tilefn import tile_function

        @tile_function
        def warns(a: "uint16") -> "uint16":
            warnings.warn("it is late")
            return a
    """
    (scene.parent / "warns.py").write_text(textwrap.dedent(program))
    events = []
    with pytest.warns(tilefn.JobWarning, match="it is late"):
        result = tilefn.run(
            tilefn.Function("warns.py"),
            inputs={"a": "scene.tif"},
            outputs={"warns": "x.tif"},
            grid={"tile": [128, 128]},
            workers="processes:2",
            events=events.append,
        )
    kinds = [event["event"] for event in events]
    assert kinds[0] == "begun" and events[0]["tiles"] == 12
    assert kinds.count("worker") == kinds.count("worker_left") == len(result.report["workers"]) == 2
    assert {event["kind"] for event in events if event["event"] == "worker"} == {"process"}
    (warning,) = [event for event in events if event["event"] == "warning"]
    assert "it is late" in warning["message"]
    assert "finishing" in kinds


@pytest.mark.parametrize("callback", ["progress", "events"])
def test_an_exception_in_a_callback_stops_the_job(scene, callback):
    def fails(*_):
        raise LookupError("in the callback")

    with pytest.raises(LookupError, match="in the callback"):
        tilefn.run(tilefn.expression("a"), inputs={"a": "scene.tif"}, outputs={"result": "x.tif"}, **{callback: fails})


def test_a_job_file_and_its_plan(scene, bands):
    job = scene.parent / "job.toml"
    job.write_text(
        textwrap.dedent("""
            function.expression = "red * k"
            params.k = 2
            inputs.red = { path = "scene.tif", bands = [1] }
            outputs.result = "double.tif"
        """).replace('"double.tif"', '{ path = "double.tif" }')
    )
    planned = tilefn.plan(job)
    assert not (scene.parent / "double.tif").exists()
    assert "plan" in planned or planned
    result = tilefn.run("job.toml", set={"params.k": 3})
    np.testing.assert_array_equal(read(result.outputs["result"]).astype("int64"), bands["red"].astype("int64") * 3)
    with pytest.raises(tilefn.JobFileError, match="exists"):
        tilefn.run(job)
    tilefn.run(job, overwrite=True)


def test_datasets_paths_and_dicts(scene, bands):
    with rasterio.open(scene) as open_scene:
        result = tilefn.run(
            tilefn.expression("a[1] - a[2]"), inputs={"a": open_scene}, outputs={"result": scene.parent / "d.tif"}
        )
    np.testing.assert_array_equal(read(result.outputs["result"]), bands["red"].astype("f8") - bands["nir"])
    job = {
        "function": {"expression": "a + b"},
        "inputs": {"a": "scene.tif", "b": {"path": "scene.tif"}},
        "outputs": {"result": "s.tif"},
    }
    tilefn.run(job, set={"outputs.result.dtype": "int32"})
    np.testing.assert_array_equal(read("s.tif"), bands["red"].astype("int32") * 2)


def test_all_mistakes_at_once(scene):
    with pytest.raises(tilefn.JobFileError) as caught:
        tilefn.run(
            {"function": {"expression": "a"}, "inputs": {"a": {"path": "no.tif", "bandz": [1]}}, "outputs": {}, "gird": {}}
        )
    assert "bandz" in str(caught.value) and "gird" in str(caught.value)
    assert isinstance(caught.value, ValueError) and caught.value.mistakes
    with pytest.raises(TypeError, match="not int"):
        tilefn.run(tilefn.expression("a"), inputs={"a": 3}, outputs={"result": "x.tif"})
    with pytest.raises(TypeError, match="its own"):
        tilefn.run("job.toml", inputs={})


def test_a_failure_has_its_report_and_leaves_nothing(scene):
    strict = tilefn.expression("a - b", dtype="uint8", cast="strict")
    with pytest.raises(tilefn.JobError) as caught:
        tilefn.run(strict, inputs={"a": INPUTS["red"], "b": INPUTS["nir"]}, outputs={"result": "x.tif"})
    assert caught.value.report is not None and caught.value.report["exit_code"] == 1
    assert not list(scene.parent.glob("x.tif"))


def test_warnings_are_pythons(scene):
    inputs = {"a": {"path": "scene.tif", "bands": [1]}}
    with pytest.warns(tilefn.JobWarning):
        tilefn.run(tilefn.expression("a"), inputs=inputs, outputs={"result": {"path": "n.tif", "nodata": 5000}})


def test_an_interrupt_stops_cleanly_and_the_job_goes_on_later(scene, bands):
    """Ctrl-C is sent by the run itself, once a tile is done, so that nothing is left to time."""
    code = """
        import os, signal, tilefn
        # What a shell's background jobs inherit is to ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sent = []
        def stop(done, skipped, total):
            if done and not sent:
                sent.append(os.kill(os.getpid(), signal.SIGINT))
        try:
            tilefn.run(tilefn.Function("slow.py"), inputs={"a": "scene.tif"}, outputs={"slow": "x.tif"},
                       grid={"tile": [32, 32]}, workers="threads:1", progress=stop)
        except KeyboardInterrupt:
            print("interrupted")
    """
    slow = """
        from tilefn import tile_function

        @tile_function
        def slow(a: "float32") -> "float32":
            for _ in range(2_000_000):
                pass
            return a
    """
    (scene.parent / "slow.py").write_text(textwrap.dedent(slow))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=scene.parent)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
    assert not (scene.parent / "x.tif").exists()
    job = {"inputs": {"a": "scene.tif"}, "outputs": {"slow": "x.tif"}, "grid": {"tile": [32, 32]}}
    result = tilefn.run(tilefn.Function("slow.py"), **job, resume=True)
    tiles = result.report["tiles"]
    assert tiles["resumed"] > 0 and tiles["resumed"] + tiles["done"] == tiles["total"]
    np.testing.assert_array_equal(read("x.tif"), bands["red"])
    assert not [path.name for path in scene.parent.iterdir() if path.name.startswith(".")], "nothing is left behind"
