"""Shapes and smooth random fields on a pixel grid.

A shape is its signed distance in millimetres, negative inside. `cover` turns
it into the share of a pixel that lies inside, which is how partial volume
enters the images.
"""
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=None)
def _upsampling(size, knots):
    """size x knots matrix of raised-cosine interpolation between knots."""
    position = np.linspace(0, knots - 1, size)
    distance = np.clip(np.abs(position[:, None] - np.arange(knots)), 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * distance)).astype(np.float32)


def smooth_field(grid, size):
    """A small grid of numbers blown up to size x size."""
    up = _upsampling(size, grid.shape[0])
    return up @ grid.astype(np.float32) @ up.T


def gauss_knots(rng, knots):
    return rng.standard_normal((knots, knots), dtype=np.float32)


def circle(x, y, cx, cy, radius):
    return np.hypot(x - np.float32(cx), y - np.float32(cy)) - np.float32(radius)


def ellipse(x, y, cx, cy, a, b, angle=0.0):
    """Signed distance to first order: the implicit function over its gradient."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    u = (dx * cos + dy * sin) * np.float32(1 / a)
    v = (dy * cos - dx * sin) * np.float32(1 / b)
    square = u * u + v * v
    root = np.sqrt(square) + np.float32(1e-6)
    slope = np.sqrt(u * u * np.float32(1 / a ** 2) + v * v * np.float32(1 / b ** 2))
    return (square - root) / (slope + np.float32(1e-9))


def cover(distance, pixel, softness=1.0):
    return np.clip(np.float32(0.5) - distance * np.float32(1 / (pixel * softness)), 0, 1)


def paint(image, value, alpha):
    """Lays a tissue over what is there."""
    image += alpha * (value - image)


def blur(image, sigma):
    """5-tap Gaussian, separable, edges repeated."""
    taps = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        widths = [(2, 2) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(image, widths, mode="edge")
        n = image.shape[axis]
        parts = [wide[i:i + n] if axis == 0 else wide[:, i:i + n] for i in range(5)]
        image = sum(t * p for t, p in zip(taps, parts))
    return image
