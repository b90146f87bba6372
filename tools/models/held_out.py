"""A model of others, its samples shared out, and what a quantized form of it answers on those measured."""
import json
import pathlib
import statistics

from models.compare import agreement, sqnr
from models.runners import OnnxRuntime, Quadlane
from models.samples import samples_of, save_sample

RECIPES = pathlib.Path(__file__).resolve().parent / "recipes.json"


class HeldOut:
    """Every second sample is measured on, the others calibrate; of fewer than four all do both ("few")."""

    def __init__(self, name, path, data, quadlane, work):
        self.path, self.work = path, work
        self.ours, self.peer = Quadlane(quadlane), OnnxRuntime()
        self.recipe = json.loads(RECIPES.read_text()).get(name, {"task": {"kind": "vector"}})
        about = self.peer.describe(path)
        self.names = about["outputs"]
        samples, _, kind = samples_of(path, self.recipe, data, about["inputs"])
        self.real = "real" in kind
        few = len(samples) < 4
        calib = samples if few else samples[::2]
        self.calib = work / "calib"
        for k, sample in enumerate(calib):
            save_sample(sample, about["inputs"], self.calib / f"{k:03}")
        self.inputs = [save_sample(s, about["inputs"], work / "held" / f"{k:03}")
                       for k, s in enumerate(samples if few else samples[1::2])]
        self.shares = f"{len(calib)} / {len(self.inputs)}" + (" few" if few else "")

    def results(self, model, runner, *extra):
        return [runner.run(model, inputs, self.work / "out", self.names, *extra) for inputs in self.inputs]

    def figures(self, got, want):
        """-> dB of the worst output, what agreement is, how far it goes"""
        measures = [agreement(self.recipe["task"], g, w) for g, w in zip(got, want)]
        return sqnr(got, want), measures[0][0], statistics.mean(m[1] for m in measures)


def rows_in(file):
    """{model: row} of a table that was written before."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    return {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| ") and not line.startswith("| model ")}


def is_quantized(path):
    file = path.read_bytes()
    return any(op in file for op in (b"QuantizeLinear", b"QLinearConv", b"ConvInteger"))
