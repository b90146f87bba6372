"""Random views of prepared slices: geometry by resampling, then intensity.

All choices come from the given numpy generator; the pixels are worked on wherever the
pictures lie.
"""
import numpy as np
import torch
import torch.nn.functional as F

from stock import to_device


def _affine(rng, view, full, centre):
    """Maps the view's [-1,1] square onto the slice's; centre in the same units."""
    angle = rng.normal(0, 0.3)
    scale = np.exp(rng.uniform(np.log(0.72), np.log(1.4))) * view / full
    stretch = np.exp(rng.normal(0, 0.08))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([scale * stretch, scale / stretch])
    if rng.uniform() < 0.3:  # files differ in which way rows and columns run
        matrix = matrix @ np.diag(rng.choice([-1.0, 1.0], 2))
        if rng.uniform() < 0.5:
            matrix = matrix[:, ::-1]
    return np.concatenate([matrix, centre[:, None]], 1)


def _centre(rng, heart, view, full, anywhere):
    """Near the heart for a small view, or, every other time if `anywhere`, at
    any place: what is not heart has to be learnt too."""
    if view == full:
        return rng.normal(0, 0.12, 2)
    if np.isnan(heart[0]) or (anywhere and rng.uniform() < 0.5):
        return rng.uniform(-0.5, 0.5, 2)
    return heart + rng.uniform(-0.22, 0.22, 2)


def _smooth(rng, shape, knots, strength, view, device):
    """Random fields [n, channels, view, view] through knots x knots values; strength by picture."""
    grid = rng.standard_normal((*shape, knots, knots), dtype=np.float32)
    grid *= strength.astype(np.float32)[:, None, None, None]
    return F.interpolate(to_device(grid, device), (view, view), mode="bicubic", align_corners=True)


def _intensity(rng, image):
    """Coil shading, gamma, gain and offset, softer or sharper edges, noise: each for some pictures."""
    n, device = len(image), image.device

    def some(chance, values, otherwise):
        return np.where(rng.uniform(size=n) < chance, values, otherwise)

    gamma = some(0.8, np.exp(rng.normal(0, 0.35, n)), 1)
    gain = some(0.5, rng.uniform(0.75, 1.35, n), 1)
    offset = some(0.5, rng.normal(0, 0.04, n), 0)
    soften = some(0.4, rng.uniform(-0.5, 0.9, n), 0)
    noise = some(0.3, rng.uniform(0, 0.06, n), 0)
    shading = some(0.4, rng.uniform(0, 0.2, n), 0)
    table = np.stack([gamma, gain, offset, soften, noise]).astype(np.float32)
    gamma, gain, offset, soften, noise = to_device(table, device)[..., None, None, None]
    grain = torch.Generator(device).manual_seed(int(rng.integers(1 << 62)))

    image = image * _smooth(rng, (n, 1), 4, shading, image.shape[-1], device).exp()
    image = image ** gamma * gain + offset
    image = image + soften * (F.avg_pool2d(image, 3, 1, 1, count_include_pad=False) - image)
    image = image + noise * torch.empty_like(image).normal_(generator=grain)
    return image.clamp(0, 1)


def views(rng, images, targets, middles, view, anywhere=False):
    """images [n,192,192], class bits and the hearts' places -> image [n,1,view,view], target [n,view,view]."""
    full, n, device = images.shape[-1], len(images), images.device
    matrices = np.stack([
        _affine(rng, view, full, _centre(rng, m, view, full, anywhere)) for m in middles])
    grid = F.affine_grid(to_device(matrices.astype(np.float32), device), (n, 1, view, view), align_corners=False)
    bend = _smooth(rng, (n, 2), 6, rng.uniform(0, 0.03, n) * view / full, view, device)
    grid = grid + bend.permute(0, 2, 3, 1)
    image = F.grid_sample(images[:, None], grid, align_corners=False)
    # The class sets are bits: nearest only; outside the slice is background.
    target = F.grid_sample(targets[:, None] - 1.0, grid, mode="nearest", align_corners=False)[:, 0] + 1
    return _intensity(rng, image), target.round().to(torch.uint8)
