"""Marginal cross-entropy plus soft Dice, for labels that leave classes open.

A target pixel is a set of classes (one bit each). Cross-entropy asks that the
set's summed probability be 1. Dice is taken for the classes that a picture
labels exactly, over all such pictures of the batch together.
"""
import torch

CLASSES = 4


def class_sets(target):
    bits = torch.arange(CLASSES, device=target.device, dtype=torch.uint8)
    return (target[:, None] >> bits[:, None, None]) & 1 > 0


def _known_everywhere(target, sets, k):
    """1 for pictures in which no pixel leaves open whether it is class k, otherwise 0."""
    open_pixels = sets[:, k] & (target != (1 << k))
    return (~open_pixels.flatten(1).any(1)).float()[:, None, None]


def segmentation_loss(logits, target):
    """Nothing in here waits for the device."""
    sets = class_sets(target)
    log_p = logits.float().log_softmax(1)
    allowed = log_p.masked_fill(~sets, -1e4).logsumexp(1)
    loss = -allowed.mean()
    p = log_p.exp()
    for k in range(1, CLASSES):
        known = _known_everywhere(target, sets, k)
        shown, truth = p[:, k] * known, (target == (1 << k)).float() * known
        loss = loss + (1 - (2 * (shown * truth).sum() + 20) / (shown.sum() + truth.sum() + 20)) / 3
    return loss
