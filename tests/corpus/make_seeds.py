#!/usr/bin/python3
"""Writes seeds for the fuzz targets into DIR/<target>/ (tools/fuzz --seeds keeps those that reach new code):

    make_seeds.py DIR QUADLANE_COMMAND NODE_TESTS

ONNX: each of ONNX's own operator tests that is small, and a few networks. Text: those networks as `inspect` prints them,
and the graphs in the tests of passes. Plans: the networks compiled, with and without code. NIfTI: each voxel type in
both byte orders, plain and compressed. Preprocessing: one file for each step. Files: one of each kind behind the letter
that names it. API and kernels: arbitrary choices.
"""
import gzip
import hashlib
import io
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

MOST_BYTES = 4096


def keep(folder, data):
    if data and len(data) <= 32 * MOST_BYTES:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def model(nodes, inputs, outputs, constants=(), opset=17):
    graph = helper.make_graph(
        nodes, "seed",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def networks():
    rng = np.random.RandomState(0)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    image = [("x", TensorProto.FLOAT, [1, 3, 8, 8])]
    node = helper.make_node
    yield "dense", model(
        [node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
         node("BatchNormalization", ["a", "g", "g", "g", "v"], ["b"]), node("Relu", ["b"], ["c"]),
         node("Concat", ["x", "c"], ["d"], axis=1), node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
         node("ConvTranspose", ["e", "w1"], ["u"], strides=[2, 2]), node("Add", ["u", "a"], ["s"]),
         node("Sigmoid", ["s"], ["y"])],
        image, [("y", TensorProto.FLOAT)],
        [("w0", f(4, 3, 3, 3)), ("g", f(4)), ("v", np.abs(f(4))), ("w1", f(7, 4, 2, 2))])
    yield "resize", model(
        [node("Resize", ["x", "", "s"], ["u"], mode="linear", coordinate_transformation_mode="half_pixel"),
         node("Conv", ["u", "w"], ["c"], group=3, pads=[1, 1, 1, 1], strides=[2, 2]),
         node("GlobalAveragePool", ["c"], ["p"]), node("Flatten", ["p"], ["f"]),
         node("Gemm", ["f", "m", "b"], ["g"], transB=1), node("Softmax", ["g"], ["y"])],
        image, [("y", TensorProto.FLOAT)],
        [("s", np.array([1, 1, 2, 2], np.float32)), ("w", f(3, 1, 3, 3)), ("m", f(5, 3)), ("b", f(5))])
    scale, zero = ("s", np.float32(0.02)), ("z", np.uint8(120))
    yield "qdq", model(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
         node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=0),
         node("Conv", ["d", "dw"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]),
         node("QuantizeLinear", ["r", "s", "z"], ["y"])],
        image, [("y", TensorProto.UINT8)],
        [scale, zero, ("w", rng.randint(-128, 127, (4, 3, 3, 3)).astype(np.int8)), ("ws", np.abs(f(4))),
         ("wz", np.zeros(4, np.int8))])
    yield "dynamic", model(
        [node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
         node("ConvInteger", ["q", "w", "qz"], ["c"], pads=[1, 1, 1, 1]), node("Cast", ["c"], ["f"], to=1),
         node("Mul", ["f", "qs"], ["y"])],
        image, [("y", TensorProto.FLOAT)], [("w", rng.randint(-9, 9, (4, 3, 3, 3)).astype(np.int8))])
    yield "boxes", model(
        [node("NonMaxSuppression", ["boxes", "scores", "n"], ["i"]), node("Cast", ["i"], ["y"], to=1)],
        [("boxes", TensorProto.FLOAT, [1, 6, 4]), ("scores", TensorProto.FLOAT, [1, 2, 6])], [("y", TensorProto.FLOAT)],
        [("n", np.array([3], np.int64))])
    yield "lines", model(
        [node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]), node("Softmax", ["t"], ["s"]),
         node("LayerNormalization", ["t", "v3", "v3"], ["l"]), node("ReduceMean", ["l"], ["m"], axes=[1, 2], keepdims=0),
         node("Gemm", ["m", "m35", "v5"], ["g"]), node("MatMul", ["s", "m35"], ["mm"]), node("ReduceSum", ["mm"], ["rs"]),
         node("CumSum", ["mm", "one"], ["cs"]), node("ArgMax", ["mm"], ["am"], axis=-1),
         node("LogSoftmax", ["g"], ["ls"]), node("ReduceL2", ["cs"], ["r2"], axes=[-1]),
         node("InstanceNormalization", ["x", "v3", "v3"], ["in"]), node("LRN", ["in"], ["lrn"], size=3)],
        image, [(name, TensorProto.FLOAT) for name in ["g", "rs", "ls", "r2", "lrn"]] + [("am", TensorProto.INT64)],
        [("v3", f(3)), ("m35", f(3, 5)), ("v5", f(5)), ("one", np.array(1, np.int64))])
    yield "moves", model(
        [node("Pad", ["x", "pads"], ["p"], mode="reflect"), node("Slice", ["p", "from", "to", "axes", "by"], ["s"]),
         node("Tile", ["s", "times"], ["t"]), node("Gather", ["t", "which"], ["g"], axis=2),
         node("Expand", ["v", "shape"], ["e"]), node("Greater", ["x", "v"], ["c"]), node("Where", ["c", "x", "e"], ["w"]),
         node("Cast", ["w"], ["i"], to=6), node("Cast", ["i"], ["h"], to=1), node("DepthToSpace", ["d"], ["ds"], blocksize=2),
         node("Concat", ["x", "x", "x", "x"], ["d"], axis=1), node("Reshape", ["g", "flat"], ["r"]),
         node("Clip", ["r", "lo", "hi"], ["cl"]), node("Pow", ["h", "two"], ["pw"]), node("PRelu", ["x", "v"], ["pr"])],
        image, [(name, TensorProto.FLOAT) for name in ["cl", "pw", "ds", "pr"]],
        [("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1])), ("from", np.array([0])), ("to", np.array([9])),
         ("axes", np.array([3])), ("by", np.array([2])), ("times", np.array([1, 1, 2, 1])), ("which", np.array([0, 3, 1])),
         ("v", f(3, 1, 1)), ("shape", np.array([1, 3, 8, 8])), ("flat", np.array([-1])), ("lo", np.float32(-1)),
         ("hi", np.float32(1)), ("two", np.float32(3))])
    yield "products", model(
        [node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]), node("MatMulInteger", ["q", "b", "qz"], ["m"]),
         node("Cast", ["m"], ["f"], to=1), node("Mul", ["f", "qs"], ["y"]), node("MatMul", ["x", "x"], ["xx"]),
         node("Erf", ["xx"], ["z"])],
        image, [("y", TensorProto.FLOAT), ("z", TensorProto.FLOAT)], [("b", rng.randint(-9, 9, (8, 5)).astype(np.int8))])
    yield "recurrent", model(
        [node("LSTM", ["x", "w4", "r4", "", "n", "h", "h", "p"], ["a", "ah", "ac"], hidden_size=6, direction="bidirectional"),
         node("GRU", ["x", "w3", "r3", "b3"], ["g"], hidden_size=6),
         node("GRU", ["x", "w3", "r3", "b3"], ["l"], hidden_size=6, linear_before_reset=1, direction="reverse"),
         node("RNN", ["x", "w1", "r1"], ["r"], hidden_size=6)],
        [("x", TensorProto.FLOAT, [4, 3, 5]), ("h", TensorProto.FLOAT, [2, 3, 6])],
        [(name, TensorProto.FLOAT) for name in ["a", "ac", "g", "l", "r"]],
        [("w4", f(2, 24, 5)), ("r4", f(2, 24, 6)), ("n", np.array([4, 0, 2], np.int32)), ("p", f(2, 18)), ("w3", f(1, 18, 5)),
         ("r3", f(1, 18, 6)), ("b3", f(1, 36)), ("w1", f(1, 6, 5)), ("r1", f(1, 6, 6))])
    yield "sampled", model(
        [node("GridSample", ["x", "places"], ["a"], padding_mode="reflection"),
         node("Squeeze", ["x", "zero"], ["s"]), node("Resize", ["s", "", "", "sizes"], ["b"], mode="linear"),
         node("BatchNormalization", ["s", "v", "v", "v", "v"], ["c"]), node("TopK", ["c", "two"], ["t", "at"], axis=1),
         node("Gather", ["c", "at0"], ["g"], axis=2), node("QuantizeLinear", ["s", "qs", "qz"], ["q"]),
         node("DequantizeLinear", ["q", "qs", "qz"], ["d"]), node("Sigmoid", ["d"], ["e"]),
         node("QuantizeLinear", ["e", "qs", "qz"], ["y"])],
        image + [("places", TensorProto.FLOAT, [1, 2, 3, 2])],
        [(name, TensorProto.FLOAT) for name in ["a", "b", "t", "g"]] + [("at", TensorProto.INT64), ("y", TensorProto.UINT8)],
        [("zero", np.array([0])), ("sizes", np.array([3, 9, 5])), ("v", np.ones(8, np.float32)), ("two", np.array([2])),
         ("at0", np.array([0, -1])), ("qs", np.float32(0.02)), ("qz", np.uint8(120))])
    twice = model([node("Twice", ["x"], ["y"], domain="own")], image, [("y", TensorProto.FLOAT)])
    twice.functions.append(helper.make_function(
        "own", "Twice", ["v"], ["w"], [node("Add", ["v", "v"], ["t"]), node("LeakyRelu", ["t"], ["w"])],
        [helper.make_opsetid("", 17)]))
    twice.opset_import.append(helper.make_opsetid("own", 1))
    yield "twice", twice
    for opset, name, nodes, constants in older(f):
        yield name, model(nodes, image, [("y", TensorProto.FLOAT)], constants, opset)
    external = model([node("Add", ["x", "e"], ["y"])], image, [("y", TensorProto.FLOAT)], [("e", f(3, 8, 8))])
    open_dims = model([node("Relu", ["x"], ["y"])], [("x", TensorProto.FLOAT, ["N", 3, "H", "W"])], [("y", TensorProto.FLOAT)])
    entry = open_dims.metadata_props.add()
    entry.key, entry.value = "prep", "{}"
    yield "open", open_dims
    tensor = external.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "w.bin", "offset": "256", "length": "768"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    yield "external", external


def body(of_scan):
    """A round of a loop, or of a scan: adds and stacks."""
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)  # noqa: E731
    state, f32 = value("a", TensorProto.FLOAT, None), TensorProto.FLOAT
    nodes = [helper.make_node("Add", ["a", "piece" if of_scan else "one"], ["b"]), helper.make_node("Identity", ["b"], ["each"])]
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    outputs = [value("b", f32, None), value("each", f32, None)]
    if of_scan:
        return helper.make_graph(nodes, "scan", [state, value("piece", f32, None)], outputs, [one])
    nodes.append(helper.make_node("Identity", ["go"], ["again"]))
    inputs = [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), state]
    return helper.make_graph(nodes, "loop", inputs, [value("again", TensorProto.BOOL, [])] + outputs, [one])


def older(f):
    """Operators in forms that newer opsets gave up, operators of integers, and sequences."""
    node = helper.make_node
    q = [("s", np.float32(0.1)), ("z", np.uint8(7)), ("wz", np.int8(0)), ("w", np.ones((2, 3, 3, 3), np.int8)),
         ("m", np.ones((8, 4), np.uint8)), ("b", np.ones(2, np.int32))]
    quantized = node("QuantizeLinear", ["x", "s", "z"], ["q"])
    dequantized = node("DequantizeLinear", ["r", "s", "z"], ["y"])
    forms = [
        (7, "upsample7", [node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 2.0], mode="nearest")], []),
        (9, "upsample9", [node("Upsample", ["x", "k"], ["y"], mode="linear")], [("k", np.array([1, 1, 2, 2], np.float32))]),
        (10, "resize10", [node("Resize", ["x", "k"], ["y"], mode="nearest")], [("k", np.array([1, 1, 2, 2], np.float32))]),
        (2, "pad2", [node("Pad", ["x"], ["y"], pads=[0, 0, 1, 1, 0, 0, 1, 1], value=1.0)], []),
        (1, "pad1", [node("Pad", ["x"], ["y"], paddings=[0, 0, 1, 1, 0, 0, 1, 1])], []),
        (6, "clip6", [node("Clip", ["x"], ["y"], min=-1.0, max=1.0)], []),
        (9, "slice9", [node("Slice", ["x"], ["y"], starts=[1], ends=[5], axes=[2])], []),
        (2, "split2", [node("Split", ["x"], ["y", "t"], axis=2, split=[3, 5])], []),
        (11, "squeeze11", [node("Unsqueeze", ["x"], ["u"], axes=[0]), node("Squeeze", ["u"], ["y"], axes=[0])], []),
        (9, "topk9", [node("TopK", ["x"], ["y", "i"], k=2)], []),
        (11, "softmax11", [node("Softmax", ["x"], ["a"], axis=2), node("LogSoftmax", ["a"], ["y"], axis=1)], []),
        (11, "reduce11", [node("ReduceSum", ["x"], ["a"], axes=[1], keepdims=1), node("ReduceMax", ["a"], ["y"])], []),
        (7, "norm7", [node("BatchNormalization", ["x", "v", "v", "v", "v"], ["a"]), node("Dropout", ["a"], ["y"], ratio=0.5)],
         [("v", np.ones(3, np.float32))]),
        (6, "norm6", [node("BatchNormalization", ["x", "v", "v", "v", "v"], ["y"], is_test=1)], [("v", np.ones(3, np.float32))]),
        (6, "add6", [node("Add", ["x", "v"], ["y"], broadcast=1, axis=1)], [("v", np.ones(3, np.float32))]),
        (4, "reshape4", [node("Reshape", ["x"], ["y"], shape=[1, -1])], []),
        (6, "gemm6", [node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "k", "v"], ["y"], broadcast=1)],
         [("k", np.ones((192, 3), np.float32)), ("v", np.ones(3, np.float32))]),
        (10, "tile", [node("Tile", ["x", "k"], ["a"]), node("ConstantOfShape", ["n"], ["c"]), node("Mul", ["a", "c"], ["y"])],
         [("k", np.array([1, 1, 1, 2])), ("n", np.array([1]))]),
        (17, "qlinear_conv", [quantized, node("QLinearConv", ["q", "s", "z", "w", "s", "wz", "s", "z", "b"], ["r"]), dequantized], q),
        (17, "qlinear_matmul", [quantized, node("QLinearMatMul", ["q", "s", "z", "m", "s", "z", "s", "z"], ["r"]), dequantized], q),
        (17, "matmul_integer", [quantized, node("MatMulInteger", ["q", "m", "z", "z"], ["r"]), node("Cast", ["r"], ["y"], to=1)], q),
        (17, "sequence", [node("SplitToSequence", ["x", "n"], ["l"], axis=2), node("SequenceAt", ["l", "i"], ["a"]),
                          node("SequenceInsert", ["l", "a"], ["k"]), node("ConcatFromSequence", ["k"], ["y"], axis=2)],
         [("n", np.array(4)), ("i", np.array(1))]),
        (17, "sequence_made", [node("SequenceConstruct", ["x", "x"], ["l"]), node("SequenceErase", ["l"], ["k"]),
                               node("SequenceLength", ["k"], ["n"]), node("Cast", ["n"], ["y"], to=1)], []),
    ]
    for name in ["Add", "Mul"]:
        both = node(f"QLinear{name}", ["q", "s", "z", "q", "s", "z", "s", "z"], ["r"], domain="com.microsoft")
        forms.append((17, f"qlinear_{name}", [quantized, both, dequantized], q))
    for name, more in [("QLinearGlobalAveragePool", {}), ("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1}),
                       ("QLinearAveragePool", {"kernel_shape": [2, 2]})]:
        one = node(name, ["q", "s", "z", "s", "z"], ["r"], domain="com.microsoft", **more)
        forms.append((17, name, [quantized, one, dequantized], q))
    ms = {"domain": "com.microsoft"}
    forms += [
        (17, "QLinearSoftmax", [quantized, node("QLinearSoftmax", ["q", "s", "z", "s", "z"], ["r"], axis=3, opset=13, **ms),
                                dequantized], q),
        (17, "QLinearReduceMean", [quantized, node("QLinearReduceMean", ["q", "s", "z", "s", "z"], ["r"], axes=[2, 3],
                                                   keepdims=1, **ms), dequantized], q),
        (17, "MatMulIntegerToFloat", [quantized, node("MatMulIntegerToFloat", ["q", "m", "s", "s", "z", "z", "c"], ["y"], **ms)],
         q + [("c", np.ones(4, np.float32))]),
        (17, "DynamicQuantizeMatMul", [node("DynamicQuantizeMatMul", ["x", "m", "s", "z"], ["y"], **ms)], q),
        (17, "QGemm", [quantized, node("Flatten", ["q"], ["f"]), node("QGemm", ["f", "s", "z", "k", "s", "z", "", "s", "z"], ["r"], **ms),
                       dequantized], q + [("k", np.ones((192, 3), np.uint8))]),
        (13, "resize13", [node("Resize", ["x", "", "k"], ["y"], mode="nearest", nearest_mode="floor",
                               coordinate_transformation_mode="tf_half_pixel_for_nn")], [("k", np.array([1, 1, 2, 2], np.float32))]),
        (18, "resize18", [node("Resize", ["x", "", "", "k"], ["y"], mode="linear", axes=[2, 3], antialias=0)],
         [("k", np.array([16, 12]))]),
        (17, "loop", [node("Loop", ["n", "", "x"], ["y", "all"], body=body(False))], [("n", np.array(3))]),
        (17, "scan", [node("Scan", ["c", "x"], ["y", "all"], num_scan_inputs=1, body=body(True))], [("c", np.zeros((3, 8, 8), np.float32))]),
    ]
    many = node("QLinearConcat", ["s", "z", "q", "s", "z", "q", "s", "z"], ["r"], domain="com.microsoft", axis=1)
    return forms + [(17, "QLinearConcat", [quantized, many, dequantized], q)]


def nifti(kind, bits, order, extents, offset=352):
    header = bytearray(348)
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, len(extents), *(list(extents) + [1] * (7 - len(extents))))
    struct.pack_into(order + "2h", header, 70, kind, bits)
    struct.pack_into(order + "5f", header, 76, 1, 1.5, 2, 8, 0.04)
    struct.pack_into(order + "3f", header, 108, offset, 2, 1)
    header[123] = 10
    header[344:348] = b"n+1\0"
    count = int(np.prod(extents)) * bits // 8
    return bytes(header) + bytes(offset - 348) + bytes(i * 7 % 251 for i in range(count))


def preprocessing():
    steps = [{"resize": [12, 9]}, {"resize": [5, 5], "fit": "inside", "filter": "area"},
             {"resize": [6, 20], "fit": "cover", "filter": "nearest"}, {"crop": [3, 4]},
             {"pad": [9, 9], "value": 0.5, "at": "corner"}, {"percentile": [1, 99]}, {"z_score": "all"},
             {"z_score": "nonzero"}, {"clip": [0, 255]}, {"scale": 0.0039}, {"mean": [0.5], "std": [0.25]},
             {"mean": [1, 2, 3]}]
    for color in ["grey", "rgb", "bgr"]:
        yield {"color": color, "steps": steps}
    for step in steps:
        yield {"steps": [step]}


def dicom():
    """A slice of 3x2 pixels, explicit little endian."""
    def element(group, number, kind, value):
        value += b" " * (len(value) % 2)
        size = struct.pack("<HI", 0, len(value)) if kind == b"OW" else struct.pack("<H", len(value))
        return struct.pack("<HH", group, number) + kind + size + value
    meta = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    word = lambda v: struct.pack("<H", v)  # noqa: E731
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + b"".join([
        element(8, 0x32, b"TM", b"101010.5"), element(0x18, 0x50, b"DS", b"8"), element(0x18, 0x1060, b"DS", b"33"),
        element(0x20, 0x13, b"IS", b"4"), element(0x20, 0x32, b"DS", b"1\\2\\3"),
        element(0x20, 0x37, b"DS", b"1\\0\\0\\0\\1\\0"), element(0x28, 2, b"US", word(1)),
        element(0x28, 4, b"CS", b"MONOCHROME2"), element(0x28, 0x10, b"US", word(3)), element(0x28, 0x11, b"US", word(2)),
        element(0x28, 0x30, b"DS", b"1.5\\1.5"), element(0x28, 0x100, b"US", word(16)),
        element(0x28, 0x101, b"US", word(12)), element(0x28, 0x102, b"US", word(11)),
        element(0x28, 0x103, b"US", word(0)), element(0x28, 0x1052, b"DS", b"-5"), element(0x28, 0x1053, b"DS", b"2"),
        element(0x7FE0, 0x10, b"OW", struct.pack("<6H", *range(6)))])


def pictures():
    rng = np.random.RandomState(0)
    for mode, shape in [("L", (5, 7)), ("RGB", (6, 3, 3)), ("RGBA", (2, 2, 4))]:
        image = Image.fromarray(rng.randint(0, 255, shape).astype(np.uint8), mode)
        for form in ["PNG", "JPEG"] if mode != "RGBA" else ["PNG"]:
            file = io.BytesIO()
            image.save(file, form)
            yield file.getvalue()


def files(scratch, command, network):
    """Letter and bytes."""
    for kind in [np.float32, np.float64, np.uint8, np.int64, np.float16, np.bool_]:
        for array in [np.arange(6).reshape(1, 2, 3).astype(kind), np.array(3).astype(kind)]:
            file = io.BytesIO()
            np.save(file, array)
            yield b"n", file.getvalue()
            yield b"t", numpy_helper.from_array(array, "t").SerializeToString()
    for picture in pictures():
        yield b"p", picture
    yield b"d", dicom()
    calib, stats, schedules, key = (scratch / name for name in ["calib", "s", "b", "k"])
    calib.mkdir()
    np.save(calib / "x.npy", np.random.RandomState(1).standard_normal((1, 3, 8, 8)).astype(np.float32))
    for words in [["quantize", network, "--calib", calib, "--save-stats", stats, "-o", scratch / "q.onnx"],
                  ["compile", network, "--schedules", schedules, "-o", scratch / "s.qlp"]]:
        subprocess.run([command, *words], check=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    for letter, path in [(b"s", stats), (b"b", schedules), (b"k", key)]:
        yield letter, path.read_bytes()


def main(folder, command, node_tests):
    out = pathlib.Path(folder)
    here = pathlib.Path(__file__).resolve().parent.parent
    for path in sorted(pathlib.Path(node_tests).glob("*/model.onnx")):
        if path.stat().st_size <= MOST_BYTES // 4:
            keep(out / "onnx", path.read_bytes())
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for name, proto in networks():
            path = scratch / f"{name}.onnx"
            path.write_bytes(proto.SerializeToString())
            keep(out / "onnx", path.read_bytes())
            for stage in [["--after", "load"], ["--after", "remove_identities"]]:
                text = subprocess.run([command, "inspect", path, *stage], capture_output=True)
                keep(out / "text", text.stdout)
            for isa in ["avx2", "avx512_vnni", "reference"]:
                plan = scratch / "plan.qlp"
                for ahead in [[], ["--aot"]]:
                    done = subprocess.run([command, "compile", path, "--no-tune", "--isa", isa, *ahead, "-o", plan])
                    if done.returncode == 0:
                        keep(out / "plan", plan.read_bytes())
        for letter, data in files(scratch, command, scratch / "dense.onnx"):
            keep(out / "files", letter + data)
    for path in sorted((here / "passes").glob("*.cc")):
        for text in re.findall(r'R"\((.*?)\)"', path.read_text(), re.S):
            keep(out / "text", text.encode())
    for kind, bits in [(2, 8), (4, 16), (8, 32), (16, 32), (64, 64), (256, 8), (512, 16), (768, 32), (1024, 64)]:
        for order in "<>":
            volume = nifti(kind, bits, order, [3, 2, 2, 2])
            keep(out / "nifti", volume)
            keep(out / "nifti", gzip.compress(volume, mtime=0))
    for file in preprocessing():
        keep(out / "prep", json.dumps(file).encode())
    random.seed(0)
    for i in range(200):
        keep(out / "api", bytes(random.randrange(256) for _ in range(200)))
        keep(out / "kernels", bytes(random.randrange(256) for _ in range(80)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
