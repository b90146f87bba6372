"""Pictures to train on: kept on the training device, phantoms made by worker processes.

A phantom depends on its seed alone and phantoms join in the order of their seeds, so
the number of workers changes how long it takes and nothing else.
"""
import multiprocessing
import os

import numpy as np
import torch

from phantom import random_slice
from preprocess import SIZE, prepare

BLOCK = 8  # phantoms a worker makes at a time


def middle(target):
    """The heart's centre in halves of the picture, from its middle; no number where no heart is."""
    rows, cols = np.nonzero((target & 1) == 0)
    if not rows.size:
        return np.full(2, np.nan)
    return (2 * np.array([cols.mean(), rows.mean()]) + 1) / len(target) - 1


def _make_block(seeds):
    pairs = [random_slice(seed) for seed in seeds]
    images = np.stack([prepare(image) for image, _ in pairs])
    targets = np.stack([np.left_shift(np.uint8(1), label) for _, label in pairs])
    return images.astype(np.float16), targets


def workers(count):
    """They give way: without the training step nothing needs their phantoms."""
    return multiprocessing.get_context("fork").Pool(count, os.nice, (5,))


def phantom_blocks(pool, seed, count):
    """Prepared pictures float16 and class bits of `count` patients, a block at a time."""
    seeds = [[seed, i] for i in range(count)]
    return pool.imap(_make_block, [seeds[i:i + BLOCK] for i in range(0, count, BLOCK)])


def phantoms(pool, seed, count):
    images, targets = zip(*phantom_blocks(pool, seed, count))
    return np.concatenate(images).astype(np.float32), np.concatenate(targets)


def to_device(array, device):
    """Through pinned memory, which a GPU fetches without stopping its work."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


class Stock:
    """Room for `capacity` pictures, filled from the front."""

    def __init__(self, capacity, device):
        self.images = torch.empty(capacity, SIZE, SIZE, dtype=torch.float16, device=device)
        self.targets = torch.empty(capacity, SIZE, SIZE, dtype=torch.uint8, device=device)
        self.middles = np.empty((capacity, 2))
        self.count = 0

    def add(self, images, targets):
        part = slice(self.count, self.count + len(images))
        self.images[part] = to_device(images.astype(np.float16), self.images.device)
        self.targets[part] = to_device(targets, self.images.device)
        self.middles[part] = [middle(t) for t in targets]
        self.count = part.stop

    def draw(self, rng, among, count):
        """(images float32, targets, middles) of `count` of the first `among` pictures."""
        index = rng.integers(0, among, count)
        at = to_device(index, self.images.device)
        return self.images[at].float(), self.targets[at], self.middles[index]


class GrowingStock(Stock):
    """Phantoms, more of them the further training is: the first step needs few."""

    FIRST, PER_STEP = 256, 2

    def __init__(self, pool, seed, capacity, device):
        super().__init__(capacity, device)
        self.blocks = phantom_blocks(pool, seed, capacity)

    def known_at(self, step):
        """How many may be drawn at a step; waits for the workers until they are there."""
        wanted = min(len(self.images), self.FIRST + self.PER_STEP * step)
        while self.count < wanted:
            self.add(*next(self.blocks))
        return wanted
