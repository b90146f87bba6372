#!/usr/bin/python3
"""Does the bound that `quadlane profile` names agree with what changes when that resource is made scarcer or more plentiful?

  bench/bounds.py QUADLANE FOLDER SHOWCASE.onnx RESNET50.onnx FC_DENSENET56.qdq.onnx

Profiles each network as it is (twice), with dots half as fast (--isa avx512: no VNNI), on a picture small enough for every
layer to fit the next cache, and while another process copies 256 MB buffers; then prints the table of bench/CYCLES.md.
FOLDER keeps the profiles: what is there already is not measured again.

The kernels are chosen by this rule, before anything is changed: of the first base run, per network the longest step bound by
dots; of all networks the two longest bound by memory that are different operators, two by L3, one by L1, and the two longest
bound by overhead, one with products and one without. Agreement is judged so, s being the factor by which the estimate for
the named resource changed (per image or per pixel), r the factor by which the time did:
  scarcer (s > 1): r >= sqrt(s);  more plentiful (s < 1): r <= sqrt(s), that is, at least half of it arrives, in logarithms;
  overhead: none of the three changes moves it by as much, r <= sqrt(2) with slow dots and r >= 0.8 per pixel in a nearer cache.
"""
import json
import math
import pathlib
import subprocess
import sys
import time

SMALL = {"showcase": "image=1x1x64x64", "resnet50": "image=1x3x96x96", "fc_densenet56": "x=1x1x96x96"}
COPIER = "import numpy as n\na = n.ones(1 << 25)\nb = n.ones(1 << 25)\nwhile True: n.copyto(a, b)"


class Bench:
    def __init__(self, program, folder, models):
        self.program, self.folder, self.models = program, pathlib.Path(folder), models

    def profile(self, network, variant, *options):
        path = self.folder / f"{network}.{variant}.json"
        if not path.exists():
            command = [self.program, "profile", self.models[network], "--precision", "int8", "--seconds", "2", "--json", path, *options]
            if self.models[network].endswith(".qdq.onnx"):
                del command[3:5]
            subprocess.run(command, check=True, capture_output=True)
        return json.loads(path.read_text())

    def disturbed(self, network):
        if (self.folder / f"{network}.disturbed.json").exists():
            return self.profile(network, "disturbed")
        other = subprocess.Popen(["/usr/bin/python3", "-c", COPIER])
        time.sleep(1.5)
        try:
            return self.profile(network, "disturbed")
        finally:
            other.terminate()
            other.wait()

    def measure(self, network):
        return {"base": self.profile(network, "base"), "dots": self.profile(network, "dots", "--isa", "avx512"),
                "small": self.profile(network, "small", "--shape", SMALL[network]), "memory": self.disturbed(network),
                "again": self.profile(network, "again")}


def choose(profiles):
    steps = [(network, step) for network, p in profiles.items() for step in p["base"]["layers"]]
    steps.sort(key=lambda s: -s[1]["ms"])
    of = lambda bound, test=lambda s: True: [s for s in steps if s[1]["bound"] == bound and test(s[1])]
    chosen = [next(s for s in of("dots") if s[0] == network) for network in profiles]
    memory = of("memory")
    chosen += memory[:1] + [s for s in memory if s[1]["op"] != memory[0][1]["op"]][:1] if memory else []
    chosen += of("L3")[:2] + of("L1")[:1]
    chosen += of("overhead", lambda s: s["gmac_executed"] > 0)[:1] + of("overhead", lambda s: s["gmac_executed"] == 0)[:1]
    return chosen


def size(step):
    return step["bytes_read"] + step["bytes_written"]


def pair(profiles, network, name, variant):
    """Factors of time and of the estimates against the base run; a smaller picture counts by the bytes it moves."""
    layers = {p: next((l for l in profiles[network][p]["layers"] if l["name"] == name), None) for p in ("base", variant)}
    base, other = layers["base"], layers[variant]
    if other is None:
        return None
    scale = size(base) / size(other) if variant == "small" else 1
    return other["ms"] / base["ms"] * scale, {k: v * scale for k, v in other["limits_ms"].items()}, base["limits_ms"]


def verdict(step, profiles, network):
    """The change of the named resource, what it did, and whether they agree."""
    r = {v: pair(profiles, network, step["name"], v) for v in ("dots", "small", "memory", "again")}
    show = lambda v: f"{r[v][0]:.2f}" if r[v] else "-"
    cells = [show("dots"), show("small"), show("memory"), show("again")]
    copy = lambda p: profiles[network][p]["machine"]["copy_gb_per_s"]
    if step["bound"] == "dots":
        s, moved = r["dots"][1]["dots"] / r["dots"][2]["dots"], r["dots"][0]
    elif step["bound"] in ("L3", "L2"):
        s, moved = max(r["small"][1].values()) / max(r["small"][2].values()), r["small"][0]
    elif step["bound"] == "memory":
        s, moved = copy("base")["memory"] / copy("memory")["memory"], r["memory"][0]
    elif step["bound"] == "overhead":
        still = r["dots"][0] <= math.sqrt(2) and r["memory"][0] <= math.sqrt(copy("base")["memory"] / copy("memory")["memory"])
        return cells, "", "agrees" if still and r["small"][0] >= 0.8 else "disagrees"
    else:
        return cells, "by bench/kernel", ""
    return cells, f"{s:.2f}", "agrees" if (moved >= math.sqrt(s) if s > 1 else moved <= math.sqrt(s)) else "disagrees"


def main():
    program, folder, *models = sys.argv[1:]
    bench = Bench(program, folder, dict(zip(SMALL, models)))
    profiles = {network: bench.measure(network) for network in SMALL if network in bench.models}
    for network, p in profiles.items():
        copy = [f"{p[v]['machine']['copy_gb_per_s'][level]:.0f}" for level in ("l3", "memory") for v in ("base", "memory")]
        print(f"{network}: copying L3 {copy[0]} GB/s, beside a copier {copy[1]}; memory {copy[2]}, {copy[3]}")
    print("| kernel | us | bound | dots half as fast | nearer cache, per byte | a copier beside | base again | s | |")
    print("|---|---|---|---|---|---|---|---|---|")
    for network, step in choose(profiles):
        cells, s, agrees = verdict(step, profiles, network)
        print(f"| {step['op']} `{step['name']}`, {network} | {1e3 * step['ms']:.1f} | {step['bound']} | {' | '.join(cells)} | {s} | {agrees} |")


main()
