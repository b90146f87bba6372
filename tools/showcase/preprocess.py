"""From a slice as it comes from the scanner to the network's input.

This is the one definition; README.md states it in words, and every other
implementation has to give the same bits.
"""
import numpy as np

SIZE = 192


def crop_or_pad(image, size=SIZE, fill=0):
    """Cuts or fills rows and columns to size x size about the centre.

    With n input pixels along an axis the cut starts at (n - size) // 2; where
    n < size, the image is placed at (size - n) // 2.
    """
    out = np.full((size, size), fill, image.dtype)
    source, target = [], []
    for n in image.shape:
        take = min(n, size)
        source.append(slice((n - take) // 2, (n - take) // 2 + take))
        target.append(slice((size - take) // 2, (size - take) // 2 + take))
    out[tuple(target)] = image[tuple(source)]
    return out


def intensity_window(image):
    """The 1st and 99th percentile by nearest rank, low side: no interpolation."""
    ordered = np.sort(image, axis=None)
    last = ordered.size - 1
    return ordered[last * 1 // 100], ordered[last * 99 // 100]


def normalise(image):
    """float32 in [0, 1]; all zero where the window is empty."""
    image = image.astype(np.float32)
    low, high = intensity_window(image)
    if not high > low:
        return np.zeros_like(image)
    return np.clip((image - low) / (high - low), np.float32(0), np.float32(1))


def prepare(image, size=SIZE):
    """Crop first, so that the window is taken over the pixels the network sees
    (padding not among them); pad last, with 0."""
    rows, cols = image.shape
    take_r, take_c = min(rows, size), min(cols, size)
    top, left = (rows - take_r) // 2, (cols - take_c) // 2
    kept = image[top:top + take_r, left:left + take_c]
    return crop_or_pad(normalise(kept), size)
