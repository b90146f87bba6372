"""A model of others, its samples shared out, and what a quantized form of it answers on those measured."""
import json
import pathlib
import statistics

from models.compare import measures, sqnr
from models.runners import OnnxRuntime, Quadlane
from models.samples import samples_of, save_sample

RECIPES = pathlib.Path(__file__).resolve().parent / "recipes.json"


class Split:
    """Samples that calibrate, a folder, and those measured on, {input: file} each."""

    def __init__(self, folder, about, calib, held):
        self.calib = folder / "calib"
        for k, sample in enumerate(calib):
            save_sample(sample, about["inputs"], self.calib / f"{k:03}")
        self.inputs = [save_sample(s, about["inputs"], folder / "held" / f"{k:03}") for k, s in enumerate(held)]


class HeldOut:
    def __init__(self, name, path, data, quadlane, work):
        self.path, self.work = path, work
        self.ours, self.peer = Quadlane(quadlane), OnnxRuntime()
        self.recipe = json.loads(RECIPES.read_text()).get(name, {"task": {"kind": "vector"}})
        self.about = self.peer.describe(path)
        self.names = self.about["outputs"]
        self.samples, _, kind = samples_of(path, self.recipe, data, self.about["inputs"])
        self.real = "real" in kind

    def halves(self):
        """Every second sample is measured on, the others calibrate; of fewer than four all do both."""
        few = len(self.samples) < 4
        calib, held = (self.samples, self.samples) if few else (self.samples[::2], self.samples[1::2])
        return Split(self.work / "halves", self.about, calib, held)

    def folds(self, most):
        """Every sample is measured on once, by what the others calibrated."""
        count = min(most, len(self.samples))
        return [Split(self.work / f"fold{f}", self.about, [s for k, s in enumerate(self.samples) if k % count != f],
                      self.samples[f::count]) for f in range(count)]

    def results(self, split, model, runner, *extra):
        return [runner.run(model, inputs, self.work / "out", self.names, *extra) for inputs in split.inputs]

    def figures(self, got, want):
        """-> dB of the worst output over all, the mean of each of the task's measures"""
        each = [measures(self.recipe["task"], g, w) for g, w in zip(got, want)]
        return sqnr(got, want), {name: statistics.mean(m.get(name, 0.0) for m in each) for name in each[0]}


def cell_of(db, agreed):
    return " / ".join([f"{db:.1f}", *(f"{value:.4f}" for value in agreed.values())])


def rows_in(file):
    """{model: row} of a table that was written before."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    return {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| ") and not line.startswith("| model ")}


def is_quantized(path):
    file = path.read_bytes()
    return any(op in file for op in (b"QuantizeLinear", b"QLinearConv", b"ConvInteger"))
