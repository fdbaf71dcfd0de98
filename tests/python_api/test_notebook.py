"""docs/python-api.ipynb, and what a run shows, in a kernel as Jupyter has it."""

import base64
import textwrap

import nbformat
import numpy as np
import rasterio
from nbclient import NotebookClient
from rasterio.io import MemoryFile
from scipy.ndimage import uniform_filter

from conftest import ROOT

NOTEBOOK = ROOT / "docs/python-api.ipynb"


def read(path, band=1) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(band).astype("float32")


def test_the_notebook(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "it is committed without outputs"
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    pictures = [cell for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4
    said = "".join(output.get("text", "") for output in code[-1].outputs)
    assert "inputs.nir.bands" in said and "inputs.red.bandz" in said and "grid.edge" in said
    red, nir = (read(tmp_path / "first/made-up.tif", band) for band in (3, 4))
    np.testing.assert_allclose(read(tmp_path / "first/ndvi.tif"), (nir - red) / (nir + red), rtol=1e-6)
    expected = uniform_filter(nir.astype("f8"), size=5, mode="nearest")
    np.testing.assert_allclose(read(tmp_path / "first/smooth.tif"), expected, rtol=1e-5)


class Client(NotebookClient):
    """Keeps all that a cell has shown in the places which it updates."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.seen.append(msg["content"]["data"])
        return super().process_message(msg, cell, cell_index)


def test_a_run_shows_a_bar_and_the_output_as_it_fills_in(scene, bands):
    program = """
        from tilefn import tile_function

        @tile_function
        def slow(a: "uint16") -> "uint16":
            for _ in range(2_000_000):
                pass
            return a
    """
    (scene.parent / "slow.py").write_text(textwrap.dedent(program))
    code = """
        import tilefn
        tilefn.run("slow.py", inputs={"a": {"path": "scene.tif", "bands": [1]}}, outputs={"slow": "slow.tif"},
                   grid={"tile": [64, 64]}, workers="threads:1")
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(code))])
    client = Client(notebook, timeout=600, resources={"metadata": {"path": scene.parent}})
    client.seen = []
    client.execute()
    bars = [shown["text/html"] for shown in client.seen if "<progress" in shown.get("text/html", "")]
    assert bars and "of 35 tiles" in bars[-1]
    pictures = [base64.b64decode(shown["image/png"]) for shown in client.seen if "image/png" in shown]
    with MemoryFile(pictures[0]) as file, file.open() as picture:
        gray, opacity = picture.read(1), picture.read(4)
    assert opacity.shape == bands["red"].shape
    # The first tiles are there, the last isn't.
    assert (opacity[:64, :64] == 255).all() and (opacity[256:, 384:] == 0).all()
    values, levels = bands["red"][:64, :64].ravel(), gray[:64, :64].ravel().astype(int)
    assert (np.diff(levels[np.argsort(values)]) >= 0).all(), "brighter where the output is larger"
    # Nothing is left of it in the notebook.
    (cell,) = notebook.cells
    assert not any("<progress" in str(output) or "image/png" in str(output) for output in cell.outputs)
