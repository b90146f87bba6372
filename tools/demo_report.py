#!/usr/bin/python3
"""Prints the demo's result table from the files in its folder, and keeps it as results.md and results.json there.

  demo_report.py FOLDER [--readme FILE]   FILE: the text between its two "demo figures" comments is replaced
"""
import datetime
import gzip
import json
import os
import pathlib
import statistics
import sys

import numpy as np

CLASSES = {1: "RV", 2: "myocardium", 3: "LV"}
CASE_STUDY_SPEED_UP = 5.5
BOOTSTRAP_SEED, BOOTSTRAP_ROUNDS = 2024, 10000


def read_labels(path):
    """u8 NIfTI labels as [time, slice, row, column]."""
    data = gzip.open(path).read()
    nx, ny, nz, nt = np.frombuffer(data, "<i2", 4, 42)
    offset = int(np.frombuffer(data, "<f4", 1, 108)[0])
    return np.frombuffer(data, np.uint8, int(nx) * ny * nz * nt, offset).reshape(nt, nz, ny, nx)


def mean_dice(labels, truth):
    values = []
    for k in CLASSES:
        a, b = labels == k, truth == k
        total = a.sum() + b.sum()
        if total:
            values.append(2 * (a & b).sum() / total)
    return float(np.mean(values))


def ejection(labels):
    volumes = (labels == 3).sum(axis=(1, 2, 3))
    return 100 * (volumes.max() - volumes.min()) / volumes.max() if volumes.max() else 0.0


def interval(values):
    """95 % of the bootstrap means over patients."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    values = np.asarray(values)
    means = values[rng.integers(0, len(values), (BOOTSTRAP_ROUNDS, len(values)))].mean(axis=1)
    return [float(x) for x in np.quantile(means, [0.025, 0.975])]


def accuracy(folder):
    patients = json.loads((folder / "data/patients/patients.json").read_text())
    truth = read_labels(folder / "data/patients/truth.nii.gz")
    int8 = read_labels(folder / "patients/masks.nii.gz")
    f32 = read_labels(folder / "patients/masks_compare.nii.gz")
    rows, at = [], 0
    for patient in patients:
        part = slice(at, at + patient["phases"])
        at += patient["phases"]
        rows.append((mean_dice(f32[part], truth[part]), mean_dice(int8[part], truth[part]),
                     ejection(int8[part]) - ejection(f32[part])))
    d32, d8, ef = (np.array(column) for column in zip(*rows))
    return {"patients": len(rows), "images": int(truth.shape[0] * truth.shape[1]),
            "dice_f32": float(d32.mean()), "dice_f32_interval": interval(d32),
            "dice_int8": float(d8.mean()), "dice_int8_interval": interval(d8),
            "dice_difference": float((d8 - d32).mean()), "dice_difference_interval": interval(d8 - d32),
            "changed_voxels": int((int8 != f32).sum()), "changed_share": float((int8 != f32).mean()),
            "heart_voxels": int((f32 > 0).sum()),
            "ef_difference_mean": float(np.abs(ef).mean()), "ef_difference_max": float(np.abs(ef).max())}


def speed(folder):
    """Medians over the rounds of every bench setting."""
    found = {}
    for path in sorted((folder / "bench").glob("*.json")):
        name = path.name.rsplit(".", 2)[0]
        found.setdefault(name, []).append(json.loads(path.read_text()))
    table = {}
    for name in ("f32.1", "f32.2", "int8.1", "int8.2"):
        runs = found[name]
        table[name] = {"images_per_s": statistics.median(r["throughput_fps"] for r in runs),
                       "latency_ms": statistics.median(r["latency_ms"]["median"] for r in runs),
                       "percent_of_peak": statistics.median(r["percent_of_peak"] or 0 for r in runs),
                       "peak_gmac_per_s": statistics.median(r["peak_gmac_per_s"] for r in runs),
                       "isa": runs[0]["isa"], "host": runs[0]["host"]}
    for i, name in enumerate(("ort_f32", "ort_int8")):
        runs = found.get("ort", [])
        if runs:
            ms = statistics.median(r["models"][i]["median_ms"] for r in runs)
            table[name] = {"images_per_s": 1000 / ms, "latency_ms": ms, "version": runs[0]["version"]}
    return table


def speed_lines(table, exam):
    lines = ["| | streams x threads | images/s | latency ms | % of peak | exam s |", "|---|---|---|---|---|---|"]
    for name, label in (("f32", "Quadlane fp32"), ("int8", "Quadlane int8")):
        for streams in (1, 2):
            r = table[f"{name}.{streams}"]
            seconds = exam[name] if streams == 2 else None
            lines.append(f"| {label} | {streams} x 1 | {r['images_per_s']:.2f} | {r['latency_ms']:.1f} | "
                         f"{r['percent_of_peak']:.0f} | {'' if seconds is None else f'{seconds:.1f}'} |")
    for name, label in (("ort_f32", "ONNX Runtime fp32"), ("ort_int8", "ONNX Runtime int8 (QDQ, --for any)")):
        if name in table:
            r = table[name]
            lines.append(f"| {label} | 1 x 1 | {r['images_per_s']:.2f} | {r['latency_ms']:.1f} | | |")
        else:
            lines.append(f"| {label} | 1 x 1 | not installed: tools/setup --peers | | | |")
    return lines


def ratio_lines(table):
    def ms(name):
        return table[name]["latency_ms"] if name in table else None

    int8, f32, ort32, ort8 = ms("int8.1"), ms("f32.1"), ms("ort_f32"), ms("ort_int8")
    best32 = min(x for x in (f32, ort32) if x)
    rows = [("int8 against the faster fp32", best32 / int8, f"at least 3.5; the case study's {CASE_STUDY_SPEED_UP}"),
            ("int8 against our own fp32", f32 / int8, "")]
    if ort32:
        rows += [("our fp32 against ONNX Runtime fp32", ort32 / f32, "at least 1.0"),
                 ("int8 against ONNX Runtime fp32", ort32 / int8, "at least 6"),
                 ("int8 against ONNX Runtime int8", ort8 / int8, "at least 3")]
    for name in ("f32", "int8"):
        scaling = table[f"{name}.2"]["images_per_s"] / table[f"{name}.1"]["images_per_s"]
        rows.append((f"2 streams against 1, {name}", scaling, "at least 1.8 with two free cores"))
    return ["| ratio | measured | wanted |", "|---|---|---|"] + [f"| {n} | {v:.2f}x | {w} |" for n, v, w in rows]


def accuracy_lines(a, exam_ef):
    def with_interval(key, digits):
        low, high = a[key + "_interval"]
        return f"{a[key]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    return ["| accuracy | |", "|---|---|",
            f"| set | {a['patients']} phantom patients, {a['images']} images, seeds fixed; 95 % bootstrap over patients |",
            f"| mean Dice fp32 | {with_interval('dice_f32', 4)} |",
            f"| mean Dice int8 | {with_interval('dice_int8', 4)} |",
            f"| difference int8 - fp32 | {with_interval('dice_difference', 5)}, wanted under 0.0005 |",
            f"| voxels changed | {a['changed_voxels']} = {100 * a['changed_share']:.4f} % of all |",
            f"| EF difference, whole exam | {exam_ef:.2f} points, wanted under 0.5 |",
            f"| EF difference, patients of the set | {a['ef_difference_mean']:.2f} points mean, {a['ef_difference_max']:.2f} largest |"]


def put_into(path, text):
    begin, end = "<!-- demo figures -->\n", "<!-- end of demo figures -->\n"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + text + end + rest.split(end)[1])


def main():
    folder = pathlib.Path(sys.argv[1])
    table, quality = speed(folder), accuracy(folder)
    report = json.loads((folder / "exam/report.json").read_text())
    exam = {"int8": report["exam_seconds"], "f32": report["compare"]["exam_seconds"]}
    images = report["exam"]["slices"] * report["exam"]["phases"]
    host, isa = table["int8.1"]["host"], table["int8.1"]["isa"]
    lines = [f"{datetime.date.today()}, {host['cpu']}, {host['cores']} cores, {isa} kernels. Exam of "
             f"{report['exam']['slices']} slices x {report['exam']['phases']} phases = {images} images of 192x192."]
    if isa != "avx512_vnni":
        lines.append(f"This machine has no AVX-512 VNNI: int8 runs on the {isa} kernels, whose peak is "
                     f"{table['int8.1']['peak_gmac_per_s'] / table['f32.1']['peak_gmac_per_s']:.1f}x that of fp32 "
                     "(with VNNI it is 4x). The wanted ratios are for machines with VNNI.")
    load = float((folder / "load.txt").read_text())
    if load > (os.cpu_count() or 1):
        lines.append(f"Other work kept the machine busy (load average {load:.1f} before the measurements): times are longer "
                     "than on a free machine, and streams do not scale.")
    lines += ["", f"Measured peak of one core: {table['f32.1']['peak_gmac_per_s']:.1f} GMAC/s fp32, "
              f"{table['int8.1']['peak_gmac_per_s']:.1f} int8. Medians of interleaved rounds.", ""]
    lines += speed_lines(table, exam) + [""] + ratio_lines(table) + [""]
    lines += accuracy_lines(quality, abs(report["compare"]["ef_difference_points"]))
    text = "\n".join(lines) + "\n"
    print(text, end="")
    (folder / "results.md").write_text(text)
    if sys.argv[2:3] == ["--readme"]:
        put_into(pathlib.Path(sys.argv[3]), text)
    (folder / "results.json").write_text(json.dumps({"speed": table, "accuracy": quality, "exam": report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
