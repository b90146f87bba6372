"""Random views of prepared slices: geometry by resampling, then intensity."""
import numpy as np
import torch
import torch.nn.functional as F


def _affine(rng, view, full, centre):
    """Maps the view's [-1,1] square onto the slice's; centre in the same units."""
    angle = rng.normal(0, 0.3)
    scale = np.exp(rng.uniform(np.log(0.72), np.log(1.4))) * view / full
    stretch = np.exp(rng.normal(0, 0.06))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([scale * stretch, scale / stretch])
    if rng.uniform() < 0.3:  # files differ in which way rows and columns run
        matrix = matrix @ np.diag(rng.choice([-1.0, 1.0], 2))
        if rng.uniform() < 0.5:
            matrix = matrix[:, ::-1]
    return np.concatenate([matrix, centre[:, None]], 1)


def _centre(rng, foreground, view, full, anywhere):
    """Near the heart for a small view, or, every other time if `anywhere`, at
    any place: what is not heart has to be learnt too."""
    if view == full:
        return rng.normal(0, 0.08, 2)
    if not foreground.any() or (anywhere and rng.uniform() < 0.5):
        return rng.uniform(-0.5, 0.5, 2)
    rows, cols = np.nonzero(foreground)
    middle = np.array([cols.mean(), rows.mean()]) / (0.5 * full) - 1
    return middle + rng.uniform(-0.22, 0.22, 2)


def _intensity(rng, image):
    if rng.uniform() < 0.8:
        image = image ** np.exp(rng.normal(0, 0.35))
    if rng.uniform() < 0.5:
        image = image * rng.uniform(0.75, 1.35) + rng.normal(0, 0.04)
    if rng.uniform() < 0.3:
        image = image + torch.from_numpy(
            rng.standard_normal(image.shape, dtype=np.float32)) * float(rng.uniform(0, 0.06))
    return image.clamp(0, 1)


def views(rng, images, targets, view, anywhere=False):
    """numpy [n,192,192] -> torch image [n,1,view,view] and target [n,view,view]."""
    full = images.shape[-1]
    matrices = np.stack([
        _affine(rng, view, full, _centre(rng, (t & 1) == 0, view, full, anywhere)) for t in targets])
    grid = F.affine_grid(torch.from_numpy(matrices.astype(np.float32)),
                         (len(images), 1, view, view), align_corners=False)
    image = F.grid_sample(torch.from_numpy(images)[:, None], grid, align_corners=False)
    # The class sets are bits: nearest only; outside the slice is background.
    target = F.grid_sample((torch.from_numpy(targets)[:, None] - 1.0), grid, mode="nearest",
                           align_corners=False)[:, 0] + 1
    image = torch.stack([_intensity(rng, i) for i in image])
    return image, target.round().to(torch.uint8)
