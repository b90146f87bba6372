#!/usr/bin/python3
"""Does the bound that `quadlane profile` names agree with what changes when that resource is made scarcer or more plentiful?

  bench/bounds.py QUADLANE FOLDER SHOWCASE.onnx RESNET50.onnx FC_DENSENET56.qdq.onnx

Profiles each network as it is (twice: a step's time is the mean), without VNNI (--isa avx512: int8 dots half as fast), with
vectors half as wide (--isa avx2: instructions and fp32 dots half as fast), on a smaller picture, and while another process
copies 256 MB buffers. FOLDER keeps the profiles: what is there already is not measured again.

Let s be the factor by which the estimate for the named resource changes and r the one by which the time does, per byte on the
smaller picture. A name agrees if at least half of the change arrives, in logarithms: r >= sqrt(s), or r <= sqrt(s) for s < 1.
  dots           without VNNI, or for fp32 with narrow vectors
  instructions   narrow vectors
  memory         the copier beside: s by the speed of copying just then
  L3             the copier, which shares that cache: s = 2; or the smaller picture, which fits L2: one of them suffices
  overhead       none of these moves it: r < sqrt(2), and r > 0.8 on the smaller picture
  L1, L2         not here: another tile, by bench/kernel
Printed are ten kernels, chosen by their names in the first run: the longest bound by dots of each network, the two longest of
different operators bound by memory and by instructions, the longest by L3, L1 and overhead; then how many of all steps of
10 us and more agree, without those whose time differs by more than 15 % between the two base runs.
"""
import collections
import json
import math
import pathlib
import subprocess
import sys

SMALL = {"showcase": "image=1x1x64x64", "resnet50": "image=1x3x96x96", "fc_densenet56": "x=1x1x96x96"}
COPIER = "import numpy as n\na = n.ones(1 << 25)\nb = n.ones(1 << 25)\nprint('ready', flush=True)\nwhile True: n.copyto(a, b)"
VARIANTS = {"base": [], "no_vnni": ["--isa", "avx512"], "narrow": ["--isa", "avx2"], "small": [], "copier": [], "again": []}
HALF = math.sqrt(2)


def profile(program, model, path, options):
    if not path.exists():
        precision = [] if model.endswith(".qdq.onnx") else ["--precision", "int8"]
        command = [program, "profile", model, *precision, "--seconds", "2", "--json", path, *options]
        subprocess.run(command, check=True, capture_output=True)
    return json.loads(path.read_text())


def measure(program, folder, network, model):
    profiles = {}
    for variant, options in VARIANTS.items():
        path = pathlib.Path(folder) / f"{network}.{variant}.json"
        copier = None
        if variant == "copier" and not path.exists():
            copier = subprocess.Popen(["/usr/bin/python3", "-c", COPIER], stdout=subprocess.PIPE)
            copier.stdout.readline()
        try:
            profiles[variant] = profile(program, model, path, ["--shape", SMALL[network]] if variant == "small" else options)
        finally:
            if copier:
                copier.terminate()
                copier.wait()
    return profiles


class Step:
    """One step of a network in all variants; None where a variant does without it."""

    def __init__(self, network, name, profiles):
        self.network, self.name = network, name
        layers = {v: next((l for l in p["layers"] if l["name"] == name), None) for v, p in profiles.items()}
        self.base, self.complete = layers["base"], all(layers.values())
        copying = {v: p["machine"]["copy_gb_per_s"]["memory"] for v, p in profiles.items()}
        self.slower_memory = copying["base"] / copying["copier"]
        if self.complete:
            self.ms = (layers["base"]["ms"] + layers["again"]["ms"]) / 2
            self.noise = abs(layers["again"]["ms"] / layers["base"]["ms"] - 1)
            bytes_of = lambda l: l["bytes_read"] + l["bytes_written"]
            self.r = {v: layers[v]["ms"] / self.ms for v in layers}
            self.r["small"] *= bytes_of(layers["base"]) / bytes_of(layers["small"])
            self.limits = {v: l["limits_ms"] for v, l in layers.items()}

    def change(self):
        """(s, r) of the named resource; None where there is no such experiment here."""
        bound, fp32 = self.base["bound"], self.base["precision"] == "f32" and self.base["gmac_executed"] > 0
        if bound in ("dots", "instructions"):
            v = "narrow" if fp32 or bound == "instructions" else "no_vnni"
            return self.limits[v][bound] / self.limits["base"][bound], self.r[v]
        if bound == "memory":
            return (self.slower_memory, self.r["copier"]) if self.slower_memory > 1.2 else None
        return (2, max(self.r["copier"], 1 / self.r["small"])) if bound == "L3" else None

    def agrees(self):
        if self.base["bound"] == "overhead":
            return max(self.r["no_vnni"], self.r["copier"]) < HALF and self.r["small"] > 0.8
        if change := self.change():
            s, r = change
            return r >= math.sqrt(s) if s > 1 else r <= math.sqrt(s)
        return None

    def row(self):
        show = lambda v: f"{self.r[v]:.2f}"
        change = self.change()
        verdict = {True: "agrees", False: "disagrees", None: ""}[self.agrees()]
        cells = [f"{self.base['op']} `{self.name}`, {self.network}", f"{1e3 * self.ms:.1f}",
                 f"{self.base['bound']} {100 * self.base['bound_share']:.0f}", show("no_vnni"), show("narrow"), show("small"),
                 show("copier"), f"{change[0]:.2f}" if change else "", verdict]
        return "| " + " | ".join(cells) + " |"


def choose(steps):
    of = lambda bound: [s for s in steps if s.base["bound"] == bound]
    chosen = [next(s for s in of("dots") if s.network == network) for network in SMALL]
    for bound in ("memory", "instructions"):
        found = of(bound)
        chosen += found[:1] + [s for s in found if s.base["op"] != found[0].base["op"]][:1]
    return chosen + of("L3")[:1] + of("L1")[:1] + of("overhead")[:1]


def main():
    program, folder, *models = sys.argv[1:]
    steps = []
    for network, model in zip(SMALL, models):
        profiles = measure(program, folder, network, model)
        steps += [Step(network, layer["name"], profiles) for layer in profiles["base"]["layers"]]
    steps = sorted((s for s in steps if s.complete), key=lambda s: -s.ms)
    print("memory slower beside the copier: " + ", ".join(sorted({f"{s.network} {s.slower_memory:.2f}x" for s in steps})))
    print("| kernel | us | bound, % of the time | no VNNI | narrow vectors | smaller picture | a copier beside | s | |")
    print("|---|---|---|---|---|---|---|---|---|")
    for step in choose(steps):
        print(step.row())
    count = collections.Counter((s.base["bound"], s.agrees()) for s in steps if s.ms >= 0.01 and s.noise <= 0.15)
    for bound in sorted({b for b, _ in count}):
        print(f"{bound}: {count[bound, True]} agree, {count[bound, False]} disagree, {count[bound, None]} not tried")


main()
