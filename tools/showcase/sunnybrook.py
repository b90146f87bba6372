"""Labelled slices of the Sunnybrook Cardiac Data (CC0), as arrays.

Expected folder: images/, i_labels/ (endocardium), o_labels/ (epicardium), all
8-bit greyscale PNG with equal names PATIENT-IM-*.png. Only the left ventricle
is labelled, and its outer border only on some slices.
"""
import numpy as np

import png
from preprocess import crop_or_pad, prepare

# Held out by patient, never by slice. SELECT picks the best checkpoint; TEST is
# looked at only to report.
SELECT = ("SC-HF-I-04", "SC-HF-NI-13", "SC-HYP-07", "SC-N-05")
TEST = ("SC-HF-I-01", "SC-HF-I-02", "SC-HF-NI-03", "SC-HF-NI-12", "SC-HYP-01",
        "SC-HYP-09", "SC-N-02", "SC-N-09")

# A pixel's target is the set of classes its label leaves possible, one bit each.
RV_BIT, MYO_BIT, LV_BIT = 2, 4, 8
NOT_LEFT = 1 | RV_BIT
NOT_LV = 1 | RV_BIT | MYO_BIT
RV_REACH = 72  # pixels from the LV's centre; no right ventricle lies further off


def part_of(name):
    patient = name.split("-IM-")[0]
    return "test" if patient in TEST else "select" if patient in SELECT else "train"


def possible_classes(endo, epi):
    """epi is None where only the endocardium was drawn."""
    possible = np.full(endo.shape, NOT_LV if epi is None else NOT_LEFT, np.uint8)
    if epi is not None:
        possible[epi] = MYO_BIT
    possible[endo] = LV_BIT
    rows, cols = np.nonzero(endo)
    y, x = np.ogrid[:endo.shape[0], :endo.shape[1]]
    possible[np.hypot(y - rows.mean(), x - cols.mean()) > RV_REACH] = 1
    return possible


def load(folder, part):
    """(images float32 [n,192,192] as the network wants them, possible classes
    uint8 [n,192,192]) of one part, in the order of the file names."""
    images, targets = [], []
    for path in sorted((folder / "images").glob("*.png")):
        if part_of(path.name) != part:
            continue
        endo = crop_or_pad(png.read_grey(folder / "i_labels" / path.name)) > 0
        if not endo.any():
            continue
        outer = folder / "o_labels" / path.name
        epi = crop_or_pad(png.read_grey(outer)) > 0 if outer.exists() else None
        images.append(prepare(png.read_grey(path)))
        targets.append(possible_classes(endo, epi))
    if not images:
        raise SystemExit(f"{folder}: no labelled slices of part '{part}'")
    return np.stack(images), np.stack(targets)
