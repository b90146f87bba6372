"""Scores in front of a softmax or sigmoid that ends a network, from what it answers.

Probabilities near 0 and 1 hide most differences, and one of 0.999 beside 0.9995 all others. log p, less its mean over the
classes, is a softmax's input less its mean; log(p / (1 - p)) a sigmoid's. Floats near 1 hold no score above 16: it ends at 10.
"""
import numpy as np
import onnx

MOVES = {"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity"}
LEAST, MOST_SCORE = 1e-30, 10


def score_kinds(path, names):
    """For each output the operator that makes it, and the axis of classes as it lies in the output: (op, axis) or None."""
    model = onnx.load(path, load_external_data=False)
    producers = {output: node for node in model.graph.node for output in node.output}
    opset = max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    return [kind_of(producers, name, opset) for name in names]


def kind_of(producers, name, opset):
    node, moved = producers.get(name), False
    while node is not None and node.op_type in MOVES:
        node, moved = producers.get(node.input[0]), True
    if node is None or node.op_type not in ("Softmax", "Sigmoid"):
        return None
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1 if opset < 13 else -1)
    if node.op_type == "Softmax" and moved:  # where its classes went is not looked for
        return None
    return node.op_type, axis


def scores(outputs, kinds):
    return [score_of(x.astype(np.float64), kind) for x, kind in zip(outputs, kinds)]


def score_of(x, kind):
    if kind is None:
        return x
    op, axis = kind
    if op == "Sigmoid":
        inside = np.clip(x, 1 / (1 + np.exp(MOST_SCORE)), 1 / (1 + np.exp(-MOST_SCORE)))
        return np.log(inside / (1 - inside))
    logs = np.log(np.maximum(x, LEAST))
    return logs - logs.mean(axis, keepdims=True)
