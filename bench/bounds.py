#!/usr/bin/python3
"""Does the bound that `quadlane profile` names agree with what changes when that resource is made scarcer or more plentiful?

  bench/bounds.py BUILD FOLDER [--seed N] MODEL.onnx,INPUT=1x3x416x416 ...     # BUILD has quadlane and bench/kernel

Profiles each network as it is (twice: a step's time is the mean), without VNNI (--isa avx512: int8 dots half as fast), with
vectors half as wide (--isa avx2: instructions and fp32 dots half as fast), with 32 rows of the picture only, which brings the
data nearer, and while another process copies 256 MB buffers. FOLDER keeps the profiles and the schedules, which all profiles
share: what is there already is not measured again.

Let s be the factor by which the named resource's share of the time changes and r the one by which the time does, per byte
where the picture is smaller. A name agrees if at least half of the change arrives, in logarithms: r >= sqrt(s), or
r <= sqrt(s) for s < 1.
  dots           without VNNI, or for fp32 with narrow vectors: s by the estimates
  instructions   narrow vectors: s by the estimates
  memory         the copier, s by the speed of copying just then, or few rows: s is what the profile says remains without waiting
  L3             few rows
  L1, L2         another tiling of `kernel --sweep`: s by its largest estimate; without tilings, so few rows and channels
                 that they fit half of L1: s is what remains without the estimate
  overhead       no single resource moves it: r < sqrt(2) without VNNI and with narrow vectors, r > sqrt(1/2) with few rows

Ten steps of at least 10 us are drawn: bounds in turn, of each a step by chance (--seed), but only steps whose time differs by
no more than 15 % between the two base runs. Then all such steps but those bound by L1 and L2 are counted.
"""
import argparse
import collections
import json
import math
import os
import pathlib
import random
import re
import subprocess
import time

COPIER = "import numpy as n\na = n.ones(1 << 25)\nb = n.ones(1 << 25)\nprint('ready', flush=True)\nwhile True: n.copyto(a, b)"
VARIANTS = {"base": [], "again": [], "no_vnni": ["--isa", "avx512"], "narrow": ["--isa", "avx2"], "few rows": [], "copier": []}
BOUNDS = ("overhead", "L3", "memory", "L2", "L1", "instructions", "dots")
ROWS = 32


class Network:
    def __init__(self, build, folder, argument):
        self.model, self.input, shape = re.fullmatch(r"(.*),(.*)=([0-9x]+)", argument).groups()
        self.shape = [int(d) for d in shape.split("x")]
        self.name, self.build, self.folder = pathlib.Path(self.model).stem, pathlib.Path(build), pathlib.Path(folder)

    def profile(self, variant):
        path = self.folder / f"{self.name}.{variant}.json"
        if not path.exists():
            *outer, h, w = self.shape
            shape = [*outer, ROWS if variant == "few rows" else h, w]
            command = [self.build / "quadlane", "profile", self.model, "--seconds", "1.5", "--json", path, "--shape",
                       f"{self.input}={'x'.join(map(str, shape))}", "--schedules", self.folder / "schedules"]
            command += ([] if "qdq" in self.name else ["--precision", "int8"]) + VARIANTS[variant]
            subprocess.run(command, check=True, capture_output=True)
        return json.loads(path.read_text())

    def profiles(self):
        result = {v: self.profile(v) for v in VARIANTS if v != "copier"}
        copier, start = subprocess.Popen(["/usr/bin/python3", "-c", COPIER], stdout=subprocess.PIPE), time.monotonic()
        try:
            copier.stdout.readline()
            result["copier"] = self.profile("copier")
        finally:
            copier.terminate()
            used = os.wait4(copier.pid, 0)[2].ru_utime / (time.monotonic() - start)
        if used < 0.6 and time.monotonic() - start > 3:
            (self.folder / f"{self.name}.copier.json").unlink()
            raise SystemExit(f"the copier had {used:.2f} of a processor only: other processes run; try again")
        return result


def bytes_of(layer):
    return layer["bytes_read"] + layer["bytes_written"]


class Step:
    """One step of a network in all variants."""

    def __init__(self, network, profiles, layers):
        self.network, self.layers, self.base = network, layers, layers["base"]
        self.bound, self.share = self.base["bound"], self.base["bound_share"]
        self.ms = (self.base["ms"] + layers["again"]["ms"]) / 2
        self.noise = abs(layers["again"]["ms"] / self.base["ms"] - 1)
        self.r = {v: l["ms"] / self.ms * bytes_of(self.base) / bytes_of(l) for v, l in layers.items()}
        copying = {v: p["machine"]["copy_gb_per_s"] for v, p in profiles.items()}
        self.l1_bytes = profiles["base"]["machine"]["cache_bytes"]["l1d"]
        self.tiled = re.search(r" (pv\d+ no\d+|\d+x\d+ o\d+)", self.base["kernel"]) is not None
        self.slower_memory = copying["base"]["memory"] / copying["copier"]["memory"]

    def experiments(self):
        """[(what, s, r)]: one that agrees suffices."""
        limits = lambda v: self.layers[v]["limits_ms"][self.bound]
        if self.bound in ("dots", "instructions"):
            fp32 = self.base["precision"] == "f32"
            v = "narrow" if fp32 or self.bound == "instructions" else "no_vnni"
            return [(v, limits(v) / limits("base"), self.r[v])]
        if self.bound in ("L1", "L2"):
            return [self.other_tiling() if self.tiled else self.in_l1()]
        tried = [("few rows", 1 - self.base["waiting"], self.r["few rows"])]
        return tried + ([("copier", self.slower_memory, self.r["copier"])] if self.bound == "memory" else [])

    def agrees(self, tried):
        if self.bound == "overhead":
            return max(self.r["no_vnni"], self.r["narrow"]) < math.sqrt(2) and self.r["few rows"] > math.sqrt(0.5)
        return any(r >= math.sqrt(s) if s > 1 else r <= math.sqrt(s) for _, s, r in tried)

    def kernel(self, problem, *more):
        """{schedule: (us, estimates of dots, instructions, L1, L2 in us)}, by bench/kernel."""
        command = [self.network.build / "bench/kernel", f"{self.base['kernel']} | {problem}", "--seconds", "0.2", *more]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        head, *rows = [l for l in text.splitlines() if re.search(r"#|  schedule|^schedule", l)]
        at = [m.end() for m in re.finditer(r"hot us|dots us|instr us|L1 us|L2 us", head)]
        number = lambda line, end: float(line[:end].split("  ")[-1] or 0)
        return {re.split(r"  +", l.strip())[0]: (number(l, at[0]), dict(zip(("dots", "instructions", "L1", "L2"),
                                                                            (number(l, e) for e in at[1:])))) for l in rows}

    def other_tiling(self):
        """One of the family that asks less of the resource, or about twice as much where there is none."""
        (us, own), = self.kernel(self.base["problem"]).values()
        found = {}
        for name, (t, limits) in self.kernel(self.base["problem"], "--sweep").items():
            if name.startswith("pv") != (" pv" in self.base["kernel"]):
                continue  # another family: its estimates err in other ways
            found[name] = max(limits.values()) / own[self.bound], t / us, limits[self.bound] == max(limits.values())
        less = min(found, key=lambda n: found[n][0])
        more = {n: abs(s - 2) for n, (s, _, named) in found.items() if named} or {less: 0}
        chosen = less if found[less][0] < 0.9 else min(more, key=more.get)
        return (chosen, *found[chosen][:2])

    def in_l1(self):
        """Of the same rows as many as fit half of L1, beside the time with all data in L2."""
        shape = re.search(r"\[(\d+),(\d+),(\d+),(\d+)\]", self.base["problem"])
        n, c, h, w = (int(g) for g in shape.groups())
        part = min(1, 0.5 * self.l1_bytes / bytes_of(self.base))
        less = f"[{n},{max(4, int(c * part ** 0.5) // 4 * 4)},{max(8, int(h * part ** 0.5) // 8 * 8)},{w}]"
        (us, _), = self.kernel(self.base["problem"].replace(shape.group(0), less)).values()
        k = c * h / math.prod(int(d) for d in less[1:-1].split(",")[1:3])
        near = 1 - self.base["waiting"]
        return "in L1", 1 - self.share / near, k * us / (1e3 * near * self.ms)

    def row(self):
        tried = self.experiments()
        overhead = self.bound == "overhead"
        shown = [(v, None, self.r[v]) for v in ("no_vnni", "narrow", "few rows")] if overhead else tried
        cells = [f"{self.base['op']} `{self.base['name']}`, {self.network.name}", f"{1e3 * self.ms:.1f}",
                 f"{self.bound} {100 * self.share:.0f}", ", ".join(t[0] for t in shown),
                 ", ".join(f"{t[1]:.2f}" for t in shown if t[1]), ", ".join(f"{t[2]:.2f}" for t in shown),
                 "agrees" if self.agrees(tried) else "disagrees"]
        return "| " + " | ".join(cells) + " |"


def draw(steps, seed):
    chance, drawn = random.Random(seed), []
    left = {b: chance.sample(of, len(of)) for b in BOUNDS if (of := [s for s in steps if s.bound == b])}
    while len(drawn) < 10 and any(left.values()):
        drawn += [of.pop() for of in left.values() if of]
    return drawn[:10]


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "folder"):
        parser.add_argument(name)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    steps = []
    for network in (Network(args.build, args.folder, n) for n in args.networks):
        profiles = network.profiles()
        named = {v: {l["name"]: l for l in p["layers"]} for v, p in profiles.items()}
        common = [n for n in named["base"] if all(n in layers for layers in named.values())]
        steps += [Step(network, profiles, {v: layers[n] for v, layers in named.items()}) for n in common]
    slower = {s.network.name: f"{s.slower_memory:.2f}x" for s in steps}
    print("memory slower beside the copier:", ", ".join(f"{name} {factor}" for name, factor in slower.items()))
    steps = [s for s in steps if s.base["ms"] >= 0.01 and s.noise <= 0.15 and not s.base["reference"]]
    steps = [s for s in steps if s.base["problem"] or s.bound not in ("L1", "L2")]  # what bench/kernel can be asked
    print("| kernel | us | bound, % of the time | experiment | s | r | |\n|---|---|---|---|---|---|---|")
    for step in draw(steps, args.seed):
        print(step.row())
    count = collections.Counter((s.bound, s.agrees(s.experiments())) for s in steps if s.bound not in ("L1", "L2"))
    for bound in BOUNDS:
        print(f"{bound}: {count[bound, True]} agree, {count[bound, False]} disagree")


main()
