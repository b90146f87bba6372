#!/usr/bin/python3
"""Cine short-axis cardiac MRI phantoms with their truth.

  phantom.py --exam DIR --seed N [--slices 12 --phases 20 --size 192]
      cine.nii.gz (int16, x y slice phase), truth.nii.gz (uint8), truth.json
  phantom.py --set DIR --count N --seed N
      images/NNNN.npy (float32 [1,1,192,192], ready for the network) and
      labels/NNNN.npy (uint8 [192,192])

The same arguments give the same bytes. Only numpy is needed.
"""
import argparse
import json
import pathlib

import numpy as np

import nifti
from fields import smooth_field, gauss_knots
from heart import LV, MYO, RV, Heart, activation
from preprocess import SIZE, prepare
from scanner import Scanner
from thorax import Thorax

MUSCLE_DENSITY = 1.05  # g/ml


def stream(seed, part):
    """Independent random streams of one seed: 0 anatomy, 1 acquisition."""
    return [*(seed if isinstance(seed, list) else [seed]), part]


class Patient:
    """One anatomy in one scanner; `slice` takes its pictures."""

    def __init__(self, seed, size=SIZE):
        rng = np.random.default_rng(seed)
        self.heart, self.thorax, self.scanner = Heart(rng), Thorax(rng), Scanner(rng)
        self.size = size
        self.pixel = rng.uniform(1.05, 1.65)
        self.warp = rng.uniform(0, 2.0) * np.stack([gauss_knots(rng, 8) for _ in range(2)])
        axis = (np.arange(size, dtype=np.float32) - np.float32(0.5 * (size - 1))) * np.float32(self.pixel)
        self.x = axis[None, :] + smooth_field(self.warp[0], size)
        self.y = axis[:, None] + smooth_field(self.warp[1], size)
        self.straight = np.broadcast_to(axis[None, :], (size, size)), np.broadcast_to(axis[:, None], (size, size))

    def slice(self, below_base, phase, rng, shift=(0.0, 0.0)):
        """(int16 image, uint8 labels); shift in mm is a breath-hold's error."""
        x, y = self.x - np.float32(shift[0]), self.y - np.float32(shift[1])
        mottle = self.thorax.texture(self.thorax.mottle, below_base, self.size)
        grain = self.thorax.texture(self.thorax.grain, below_base, self.size)
        tissue, heart = self.scanner.tissue, self.heart
        image = self.thorax.draw(x, y, below_base, self.pixel, tissue, mottle, grain)
        section = heart.section(x, y, below_base, phase)
        if section.epi_radius > 0:
            self.thorax.draw_heart_fat(image, section, mottle, self.pixel, tissue)
            self.thorax.draw_roots(image, x, y, section, self.pixel, tissue)
            heart.draw(image, section, self.pixel, tissue, grain, activation(phase), x, y)
        return self.scanner.expose(image, *self.straight, rng), heart.labels(section)


def random_slice(seed):
    """One picture of one new patient; most show both ventricles."""
    rng = np.random.default_rng(stream(seed, 1))
    patient = Patient(stream(seed, 0))
    depth = rng.uniform(-0.08, 1.08) * patient.heart.length
    phase = rng.choice([0.0, 0.38, rng.uniform()])
    return patient.slice(depth, phase, rng)


def make_exam(seed, slices, phases, size):
    """Arrays [phase, slice, row, column] and the patient they show."""
    patient = Patient(stream(seed, 0), size)
    rng = np.random.default_rng(stream(seed, 1))
    spacing = (patient.heart.length + 10) / slices
    images = np.empty((phases, slices, size, size), np.int16)
    labels = np.empty((phases, slices, size, size), np.uint8)
    for s in range(slices):
        shift = rng.normal(0, 1.2, 2)
        for p in range(phases):
            images[p, s], labels[p, s] = patient.slice((s + 0.5) * spacing - 3, p / phases, rng, shift)
    return patient, spacing, images, labels


def measure(labels, pixel, spacing, ejection):
    """Volumes by disc summation; end-systole is the phase of least LV volume."""
    voxel_ml = pixel * pixel * spacing / 1000
    volume = {k: (labels == k).sum(axis=(1, 2, 3)) * voxel_ml for k in (RV, MYO, LV)}
    end_systole = int(volume[LV].argmin())

    def of(k):
        edv, esv = float(volume[k][0]), float(volume[k][end_systole])
        return {"edv_ml": edv, "esv_ml": esv, "ef_percent": 100 * (edv - esv) / edv}

    return {"end_diastole_phase": 0, "end_systole_phase": end_systole, "lv": of(LV), "rv": of(RV),
            "lv_mass_g": float(volume[MYO][0] * MUSCLE_DENSITY), "lv_ef_analytic_percent": 100 * ejection,
            "pixel_mm": pixel, "slice_spacing_mm": spacing,
            "lv_volume_ml": volume[LV].tolist(), "rv_volume_ml": volume[RV].tolist()}


def write_exam(folder, seed, slices, phases, size):
    patient, spacing, images, labels = make_exam(seed, slices, phases, size)
    step = 0.9 / phases
    steps = (patient.pixel, patient.pixel, spacing, step)
    nifti.write(folder / "cine.nii.gz", images, steps)
    nifti.write(folder / "truth.nii.gz", labels, steps)
    # The header holds float32: measure with what a reader will see.
    pixel, gap = float(np.float32(patient.pixel)), float(np.float32(spacing))
    truth = {"seed": seed, "phase_step_s": step, **measure(labels, pixel, gap, patient.heart.ejection)}
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")


def write_set(folder, seed, count):
    """Two folders, so that the one with images can be handed to calibration."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        image, label = random_slice([seed, i])
        np.save(folder / "images" / f"{i:04d}.npy", prepare(image)[None, None])
        np.save(folder / "labels" / f"{i:04d}.npy", label)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exam", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--set", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--slices", type=int, default=12)
    parser.add_argument("--phases", type=int, default=20)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--count", type=int, default=64)
    args = parser.parse_args()
    if not args.exam and not args.set:
        parser.error("one of --exam and --set is needed")
    if args.exam:
        args.exam.mkdir(parents=True, exist_ok=True)
        write_exam(args.exam, args.seed, args.slices, args.phases, args.size)
    if args.set:
        write_set(args.set, args.seed, args.count)


if __name__ == "__main__":
    main()
