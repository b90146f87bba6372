#!/usr/bin/python3
"""The fixed set that fp32 and int8 of the showcase model are compared on: nothing of it was trained on or calibrated by.

  heldout.py make FOLDER --sunnybrook DIR --acdc DIR [--seed 20001 --patients 70]      images.npy [N,1,192,192], targets.npy, cases.json
  heldout.py run FOLDER NAME --model MODEL --quadlane COMMAND     labels of every image: NAME.npy
  heldout.py compare FOLDER NAME NAME                     the table: second minus first

The set: 70 phantom patients of 6 slices x 2 phases (seeds 20001 to 20070), the labelled slices of Sunnybrook's 8 test
patients, and ACDC's 4 patients at end-diastole and end-systole. A case is a patient, of ACDC a patient at a phase: its
Dice is taken over all its pixels together, for each class its labels can tell, and averaged over the classes. "mean
Dice" is the mean over the cases, the interval a bootstrap over the cases.
"""
import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import phantom
from preprocess import crop_or_pad, prepare
from sunnybrook import part_of, possible_classes
import png

SLICES, PHASES = 6, 2
BOOTSTRAP_SEED, BOOTSTRAP_ROUNDS = 2026, 10000
CLASSES = {1: "RV", 2: "myocardium", 3: "LV"}
CHUNK = 64


def phantom_case(seed):
    _, _, images, labels = phantom.make_exam(seed, SLICES, PHASES, phantom.SIZE)
    pictures = [prepare(i) for i in images.reshape(-1, *images.shape[-2:])]
    targets = [np.left_shift(np.uint8(1), crop_or_pad(t)) for t in labels.reshape(-1, *labels.shape[-2:])]
    return pictures, targets


def sunnybrook_cases(folder):
    cases = {}
    for path in sorted((folder / "images").glob("*.png")):
        if part_of(path.name) != "test":
            continue
        endo = crop_or_pad(png.read_grey(folder / "i_labels" / path.name)) > 0
        if not endo.any():
            continue
        outer = folder / "o_labels" / path.name
        epi = crop_or_pad(png.read_grey(outer)) > 0 if outer.exists() else None
        pictures, targets = cases.setdefault("sunnybrook " + path.name.split("-IM-")[0], ([], []))
        pictures.append(prepare(png.read_grey(path)))
        targets.append(possible_classes(endo, epi))
    return cases


def acdc_cases(folder):
    cases = {}
    for path in sorted(folder.glob("*_image_f32.npy")):
        labels = np.load(str(path).replace("_image_f32", "_label_u8"))
        cases["acdc " + path.name.split("_image")[0]] = (
            [prepare(i) for i in np.load(path)], [np.left_shift(np.uint8(1), crop_or_pad(t)) for t in labels])
    return cases


def make(args):
    seeds = range(args.seed, args.seed + args.patients)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        cases = {f"phantom {seed}": case for seed, case in zip(seeds, pool.map(phantom_case, seeds))}
    if args.sunnybrook:
        cases.update(sunnybrook_cases(args.sunnybrook))
    if args.acdc:
        cases.update(acdc_cases(args.acdc))
    args.folder.mkdir(parents=True, exist_ok=True)
    pictures = np.concatenate([np.stack(c[0]) for c in cases.values()]).astype(np.float32)
    np.save(args.folder / "images.npy", pictures[:, None])
    np.save(args.folder / "targets.npy", np.concatenate([np.stack(c[1]) for c in cases.values()]).astype(np.uint8))
    (args.folder / "cases.json").write_text(json.dumps({name: len(c[0]) for name, c in cases.items()}, indent=1) + "\n")
    print(f"{len(pictures)} images, {len(cases)} cases")


def run(args):
    images, labels = np.load(args.folder / "images.npy", mmap_mode="r"), []
    with tempfile.TemporaryDirectory() as work:
        for at in range(0, len(images), CHUNK):
            np.save(f"{work}/x.npy", images[at:at + CHUNK])
            subprocess.run([args.quadlane, "run", args.model, "--input", f"{work}/x.npy", "--output-dir", work,
                            "--threads", "2", "--no-tune"], check=True, stdout=subprocess.DEVNULL)
            labels.append(np.load(f"{work}/logits.npy").argmax(1).astype(np.uint8))
    np.save(args.folder / f"{args.name}.npy", np.concatenate(labels))


def case_dice(predicted, target):
    """Mean over the classes that every pixel's target decides and that truth or prediction shows."""
    values = []
    for k in CLASSES:
        bit = 1 << k
        known = [i for i, t in enumerate(target) if not ((t & bit > 0) & (t != bit)).any()]
        if not known:
            continue
        p, t = predicted[known] == k, target[known] == bit
        total = p.sum() + t.sum()
        if total:
            values.append(2 * (p & t).sum() / total)
    return float(np.mean(values)) if values else None


def interval(values):
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    values = np.asarray(values)
    means = values[rng.integers(0, len(values), (BOOTSTRAP_ROUNDS, len(values)))].mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


def ejection(labels):
    """Of a phantom exam whose images are [phase][slice], end-diastole against end-systole as drawn."""
    volumes = (labels == 3).sum(axis=(1, 2)).reshape(PHASES, SLICES).sum(axis=1)
    return 100 * (volumes.max() - volumes.min()) / volumes.max() if volumes.max() else 0.0


def compare(args):
    first, second = (np.load(args.folder / f"{name}.npy") for name in args.names)
    target = np.load(args.folder / "targets.npy")
    rows, ef, at = [], [], 0
    for name, count in json.loads((args.folder / "cases.json").read_text()).items():
        part = slice(at, at + count)
        at += count
        pair = case_dice(first[part], target[part]), case_dice(second[part], target[part])
        if None not in pair:
            rows.append((name.split()[0], *pair))
        if name.startswith("phantom"):
            ef.append(ejection(second[part]) - ejection(first[part]))
    print(f"{len(first)} images, {len(rows)} cases; changed voxels {(first != second).sum()} = "
          f"{100 * (first != second).mean():.4f} % of all, {100 * (first != second).sum() / (first > 0).sum():.3f} % of the heart")
    print(f"EF difference over {len(ef)} phantom patients: mean {np.mean(np.abs(ef)):.4f} points, largest {np.max(np.abs(ef)):.4f}")
    for group in ("all", *dict.fromkeys(r[0] for r in rows)):
        chosen = np.array([r[1:] for r in rows if group in ("all", r[0])])
        difference = chosen[:, 1] - chosen[:, 0]
        low, high = interval(difference)
        print(f"{group:11s} {len(chosen):3d} cases: mean Dice {chosen[:, 0].mean():.6f} and {chosen[:, 1].mean():.6f}, "
              f"difference {difference.mean():+.6f} ({low:+.6f} to {high:+.6f}), mean of its size {np.abs(difference).mean():.6f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("make")
    verb.add_argument("folder", type=pathlib.Path)
    verb.add_argument("--sunnybrook", type=pathlib.Path)
    verb.add_argument("--acdc", type=pathlib.Path)
    verb.add_argument("--seed", type=int, default=20001, help="of the first phantom patient")
    verb.add_argument("--patients", type=int, default=70, help="phantom patients")
    verb.set_defaults(call=make)
    verb = verbs.add_parser("run")
    verb.add_argument("folder", type=pathlib.Path)
    verb.add_argument("name")
    verb.add_argument("--model", required=True)
    verb.add_argument("--quadlane", required=True)
    verb.set_defaults(call=run)
    verb = verbs.add_parser("compare")
    verb.add_argument("folder", type=pathlib.Path)
    verb.add_argument("names", nargs=2)
    verb.set_defaults(call=compare)
    args = parser.parse_args()
    args.call(args)


if __name__ == "__main__":
    main()
