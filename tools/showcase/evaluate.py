"""Dice figures and overlay pictures of a network on held-out data."""
import numpy as np
import torch

import png
from preprocess import crop_or_pad, prepare

COLOURS = {1: (70, 130, 255), 2: (60, 220, 90), 3: (255, 70, 60)}
NAMES = {1: "RV", 2: "myocardium", 3: "LV"}


def segment(net, images, batch=4):
    net.eval()
    device = next(net.parameters()).device
    out = []
    with torch.no_grad():
        for i in range(0, len(images), batch):
            x = torch.from_numpy(images[i:i + batch])[:, None].to(device, memory_format=torch.channels_last)
            out.append(net(x).argmax(1).cpu().numpy().astype(np.uint8))
    return np.concatenate(out)


def _dice(a, b):
    total = a.sum() + b.sum()
    return 2 * (a & b).sum() / total if total else None


def dice(predicted, target, k):
    """(over all pixels of all pictures, mean over pictures, number of pictures);
    only pictures whose target says of every pixel whether it is class k, and
    the mean only over those in which truth or prediction has any of it."""
    bit = 1 << k
    known = [i for i, t in enumerate(target) if not ((t & bit > 0) & (t != bit)).any()]
    if not known:
        return None
    p, t = predicted[known] == k, target[known] == bit
    each = [d for d in map(_dice, p, t) if d is not None]
    return _dice(p, t), float(np.mean(each)), len(each)


def report(name, predicted, target):
    for k in (1, 2, 3):
        found = dice(predicted, target, k)
        if found and found[0] is not None:
            print(f"{name:12s} {NAMES[k]:10s} Dice {found[0]:.4f} pooled, "
                  f"{found[1]:.4f} per picture, {found[2]} pictures")


def load_acdc(folder):
    """Evaluation only: the licence forbids training a published model on it."""
    images, targets = [], []
    for path in sorted(folder.glob("*_image_f32.npy")):
        labels = np.load(str(path).replace("_image_f32", "_label_u8"))
        for image, label in zip(np.load(path), labels):
            images.append(prepare(image))
            targets.append(np.left_shift(np.uint8(1), crop_or_pad(label)))
    if not images:
        raise SystemExit(f"{folder}: no *_image_f32.npy")
    return np.stack(images), np.stack(targets)


def _outline(mask):
    inner = mask.copy()
    for axis in (0, 1):
        for step in (1, -1):
            inner &= np.roll(mask, step, axis)
    return mask & ~inner


def overlay(image, classes):
    rgb = np.repeat((image[..., None] * 255).astype(np.uint8), 3, -1)
    for k, colour in COLOURS.items():
        rgb[_outline(classes == k)] = colour
    return rgb


def montage(path, images, truth_bits, predicted, pairs=16, columns=4):
    """Pairs of pictures: truth on the left, prediction on the right. Pixels whose
    truth is open are shown as background."""
    at = np.unique(np.linspace(0, len(images) - 1, pairs).astype(int))
    exact = np.zeros_like(truth_bits)
    for k in (1, 2, 3):
        exact[truth_bits == 1 << k] = k
    tiles = [np.concatenate([overlay(images[i], exact[i]), overlay(images[i], predicted[i])], 1) for i in at]
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)]
    png.write_rgb(path, np.concatenate(rows, 0))
