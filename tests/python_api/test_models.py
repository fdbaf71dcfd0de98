"""A model that scikit-learn has fitted outside predicts the same inside."""

import pickle
import shutil

import numpy as np
import pytest
import rasterio
import tilefn
from rasterio.transform import from_origin
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from conftest import ROOT


@pytest.fixture
def six_bands(tmp_path, monkeypatch) -> tuple[np.ndarray, np.ndarray]:
    """A scene of five classes in fields, some of it invalid, and its classes from 1."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples/python/land_cover.py", tmp_path)
    random = np.random.default_rng(3)
    classes = np.kron(random.integers(0, 5, (12, 16)), np.ones((10, 10), int))
    means = random.uniform(100, 4000, (5, 6))
    scene = (means[classes].transpose(2, 0, 1) + random.normal(0, 400, (6, 120, 160))).astype("float32")
    scene[2, 50:70, 30:60] = -1
    profile = {"driver": "GTiff", "height": 120, "width": 160, "count": 6, "dtype": "float32", "nodata": -1}
    with rasterio.open("scene.tif", "w", **profile, crs="EPSG:32633", transform=from_origin(5e5, 5e6, 10, 10)) as file:
        file.write(scene)
    return scene, classes + 1


def job() -> dict:
    return {
        "function": {"module": "land_cover.py"},
        "params": {"model": {"file": "land_cover.pkl"}},
        "inputs": {"scene": "scene.tif"},
        "outputs": {"land_cover": "land_cover.tif"},
        "grid": {"tile": [64, 64]},
    }


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(30, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), SVC()),
        KNeighborsClassifier(3, algorithm="brute"),
        GradientBoostingClassifier(n_estimators=10, random_state=0),
        HistGradientBoostingClassifier(max_iter=10, random_state=0),
        MLPClassifier((10,), max_iter=30, random_state=0),
    ],
    ids=["forest", "logistic", "svc", "neighbours", "boosted", "histogram boosted", "perceptron"],
)
def test_predictions_are_the_same(six_bands, model):
    scene, classes = six_bands
    model.fit(scene.reshape(6, -1).T[::29], classes.ravel()[::29])
    with open("land_cover.pkl", "wb") as file:
        pickle.dump(model, file)
    tilefn.run(job())
    expected = model.predict(scene.reshape(6, -1).T).reshape(classes.shape)
    expected[scene[2] == -1] = 0
    with rasterio.open("land_cover.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected)


def test_a_model_of_another_version_is_refused(six_bands):
    scene, classes = six_bands
    model = LogisticRegression().fit(scene.reshape(6, -1).T[::29], classes.ravel()[::29])
    saved = pickle.dumps(model)
    assert b"1.9.1" in saved
    with open("land_cover.pkl", "wb") as file:
        file.write(saved.replace(b"1.9.1", b"1.8.9"))
    said = r"LogisticRegression\) was made with scikit-learn 1\.8\.9, the sandbox has 1\.9\.1"
    with pytest.raises(tilefn.JobError, match=said):
        tilefn.run(job())
