"""How far two results of a model are apart, and whether they say the same."""
import numpy as np


def pooled(got, want):
    """For each output the values of all samples: [(got, wanted)]; None where the shapes differ."""
    outputs = []
    for a, b in zip(zip(*got), zip(*want)):
        if any(x.shape != y.shape for x, y in zip(a, b)):
            return None
        outputs.append(tuple(np.concatenate([x.astype(np.float64).ravel() for x in side]) for side in (a, b)))
    return outputs


def range_error(got, want):
    """Largest difference relative to the range that the wanted output has over all samples; the worst output."""
    outputs, worst = pooled(got, want), 0.0
    if outputs is None:
        return float("inf")
    for a, b in outputs:
        if b.size:
            spread = b.max() - b.min()
            gap = np.abs(a - b).max()
            worst = max(worst, gap / spread if spread > 0 else gap / max(abs(b.max()), 1e-30))
    return float(worst)


def sqnr(got, want):
    """Signal to noise over all samples in dB; the worst output."""
    levels = []
    for a, b in pooled(got, want) or []:
        noise = ((a - b) ** 2).sum()
        if b.size:
            levels.append(10 * np.log10((b**2).sum() / noise) if noise > 0 else np.inf)
    return float(min(levels)) if levels else float("nan")


def top_set(x, column, count=20):
    scores = x.reshape(-1, x.shape[-1])[:, column] if column is not None else x.ravel()
    return set(np.argsort(-scores, kind="stable")[:count].tolist())


def overlap(a, b):
    total = int(a.sum() + b.sum())
    return 1.0 if total == 0 else float(2 * (a & b).sum() / total)


def measures(task, got, want):
    """{name: value} of what the task asks of a result, the first before all; from 0 to 1, but for decibels."""
    kind, output = task["kind"], task.get("output", 0)
    a, b = got[output].astype(np.float64), want[output].astype(np.float64)
    if a.shape != b.shape:
        return {kind: 0.0}
    if kind == "class":
        a, b = a.reshape(a.shape[0], -1), b.reshape(b.shape[0], -1)
        return {"same class": float((a.argmax(1) == b.argmax(1)).mean())}
    if kind == "pixels":
        axis = task["axis"]
        return {"same pixels": float((a.argmax(axis) == b.argmax(axis)).mean())}
    if kind == "mask":
        a, b = a > task["level"], b > task["level"]
        return {"Dice": overlap(a, b), "same pixels": float((a == b).mean())}
    if kind == "top":
        x, y = top_set(a, task.get("column")), top_set(b, task.get("column"))
        return {"same top 20": len(x & y) / len(y)}
    if kind == "vector":
        return {"cosine": float((a * b).sum() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-30))}
    gap = ((a - b) ** 2).mean()  # image
    spread = b.max() - b.min()
    return {"PSNR dB": float(10 * np.log10(spread**2 / gap)) if gap > 0 else float("inf")}


def agreement(task, got, want):
    """-> (name of the task's measure, its value)"""
    return next(iter(measures(task, got, want).items()))
