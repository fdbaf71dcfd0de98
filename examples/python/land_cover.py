"""Land cover from a fitted model: scikit-learn's classifier, saved with pickle."""

import pickle

import numpy as np
from tilefn import tile_function


@tile_function(nodata=0)
def land_cover(scene: "float32", *, model: bytes, ctx) -> "uint8":
    """The class of each pixel that is valid in all bands; classes are numbers from 1 to 255.

    scene: The bands that the model was fitted on, in their order.
    model: The classifier, pickled: in the job, model = { file = "land_cover.pkl" }.
    """
    valid = ctx.valid("scene").all(axis=0)
    classes = np.zeros(valid.shape, "uint8")
    if valid.any():
        classes[valid] = pickle.loads(model).predict(scene[:, valid].T)
    return classes[np.newaxis]
