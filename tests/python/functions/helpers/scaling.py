def scale(image, coefficients):
    offset, gain = coefficients
    return image * gain + offset
