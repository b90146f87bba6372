"""The two engines as processes: `quadlane` and ONNX Runtime under node."""
import json
import pathlib
import re
import subprocess

import numpy as np

TOOLS = pathlib.Path(__file__).resolve().parent.parent


class Failed(Exception):
    pass


def call(command, timeout=600):
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {timeout} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise Failed(next((line for line in lines if "Error:" in line), lines[-1]).strip())
    return done.stdout


def outputs_in(folder, names):
    return [np.load(folder / (re.sub(r"[^A-Za-z0-9_.-]", "_", name) + ".npy")) for name in names]


def each_of(samples, folder, names):
    return [outputs_in(folder / sample.name, names) for sample in sorted(samples.iterdir())]


def input_options(inputs):
    return [part for name, path in inputs.items() for part in ("--input", f"{name}={path}")]


class OnnxRuntime:
    def describe(self, model):
        """{inputs: [{name, type, shape}], outputs: [name]}"""
        return json.loads(call(["node", TOOLS / "ort_run.mjs", model, "--describe"]))

    def run(self, model, inputs, folder, names, plain):
        call(["node", TOOLS / "ort_run.mjs", model, *input_options(inputs), "--output-dir", folder,
              "--level", "disabled" if plain else "all"])
        return outputs_in(folder, names)

    def run_each(self, model, samples, folder, names, plain):
        call(["node", TOOLS / "ort_run.mjs", model, "--each", samples, "--output-dir", folder,
              "--level", "disabled" if plain else "all"])
        return each_of(samples, folder, names)

    def cpu_ms(self, model, inputs, rounds=7):
        out = call(["node", TOOLS / "ort_bench.mjs", model, *input_options(inputs), "--rounds", rounds, "--json", "-"])
        return json.loads(out)["models"][0]["cpu_ms"]


class Quadlane:
    def __init__(self, binary):
        self.binary = binary

    def run(self, model, inputs, folder, names):
        call([self.binary, "run", model, *input_options(inputs), "--output-dir", folder, "--no-tune"])
        return outputs_in(folder, names)

    def run_each(self, model, samples, folder, names):
        call([self.binary, "run", model, "--each", samples, "--output-dir", folder, "--no-tune"])
        return each_of(samples, folder, names)

    def quantize(self, model, calib, target, form):
        call([self.binary, "quantize", model, "--calib", calib, "--for", form, "-o", target])

    def bench(self, model, inputs, folder, seconds):
        target = folder / "bench.json"
        call([self.binary, "bench", model, *input_options(inputs), "--seconds", seconds, "--json", target])
        return json.loads(target.read_text())
