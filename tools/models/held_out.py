"""A model of others, its samples shared out, and what a quantized form of it answers on those measured."""
import itertools
import json
import pathlib
import statistics

from models.compare import measures, sqnr
from models.runners import OnnxRuntime, Quadlane
from models.samples import save_sample, varied
from models.scores import score_kinds, scores

MOST_DB = 200
RECIPES = pathlib.Path(__file__).resolve().parent / "recipes.json"


def recipe_of(name):
    return json.loads(RECIPES.read_text()).get(name, {"task": {"kind": "vector"}})


class Split:
    """Samples that calibrate, a folder, and those measured on: another, and {input: file} each."""

    def __init__(self, folder, about, calib, held):
        self.calib, self.held = folder / "calib", folder / "held"
        for k, sample in enumerate(itertools.chain(*calib)):
            save_sample(sample, about["inputs"], self.calib / f"{k:03}")
        self.inputs = [save_sample(s, about["inputs"], self.held / f"{k:03}")
                       for k, s in enumerate(itertools.chain(*held))]


class HeldOut:
    def __init__(self, name, path, data, quadlane, work, calibrating, measured):
        """So many samples in all, parts of pictures among them: measuring is cheap."""
        self.path, self.work = path, work
        self.ours, self.peer = Quadlane(quadlane), OnnxRuntime()
        self.recipe = recipe_of(name)
        self.about = self.peer.describe(path)
        self.names = self.about["outputs"]
        self.pictures = varied(self.recipe, data, self.about["inputs"], calibrating)
        self.measured = varied(self.recipe, data, self.about["inputs"], measured)  # of the same pictures
        self.kinds = score_kinds(path, self.names)

    def halves(self):
        """Every second picture is measured on, the others calibrate."""
        return Split(self.work / "halves", self.about, self.pictures[::2], self.measured[1::2])

    def folds(self, most):
        """Every picture is measured on once, by what the others calibrated."""
        count = min(most, len(self.pictures))
        self.samples_of_pictures = [len(p) for f in range(count) for p in self.measured[f::count]]  # as they are measured
        return [Split(self.work / f"fold{f}", self.about, [p for k, p in enumerate(self.pictures) if k % count != f],
                      self.measured[f::count]) for f in range(count)]

    def results(self, split, model, runner, *extra):
        return runner.run_each(model, split.held, self.work / "out", self.names, *extra)

    def figures(self, got, want):
        """-> dB of the worst output's scores over all, the mean of each of the task's measures"""
        each = [measures(self.recipe["task"], g, w) for g, w in zip(got, want)]
        in_scores = [[scores(outputs, self.kinds) for outputs in side] for side in (got, want)]
        return sqnr(*in_scores), {name: statistics.mean(m.get(name, 0.0) for m in each) for name in each[0]}

    def db_of_each(self, got, want):
        """dB of each sample's worst output, in scores; exact ones count MOST_DB."""
        return [min(MOST_DB, sqnr([scores(g, self.kinds)], [scores(w, self.kinds)])) for g, w in zip(got, want)]


def gain_of(db, other, samples_of_pictures):
    """Mean difference of the pictures and its standard error: parts of one picture say much the same."""
    gaps = iter([a - b for a, b in zip(db, other)])
    means = [statistics.mean(itertools.islice(gaps, count)) for count in samples_of_pictures]
    return f"{statistics.mean(means):+.1f} ± {statistics.stdev(means) / len(means) ** 0.5:.1f}" if len(means) > 1 else ""


def cell_of(db, agreed):
    return " / ".join([f"{db:.1f}", *(f"{value:.4f}" for value in agreed.values())])


def rows_in(file):
    """{model: row} of a table that was written before."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    return {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| ") and not line.startswith("| model ")}


def is_quantized(path):
    file = path.read_bytes()
    return any(op in file for op in (b"QuantizeLinear", b"QLinearConv", b"ConvInteger"))
