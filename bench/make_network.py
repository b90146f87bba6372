#!/usr/bin/python3
"""Writes a well-known network with random weights as ONNX: its shapes are what a benchmark needs.

  bench/make_network.py resnet50|mobilenet_v2 OUT.onnx

Convolutions carry a bias, as exporters leave them after folding batch norms; weights are normal with variance
2 / fan-in, so that activations keep their size through the depth.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Network:
    def __init__(self, name, size):
        self.name, self.nodes, self.weights = name, [], []
        self.random = np.random.default_rng(1)
        self.image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])
        self.channels = {"image": 3}

    def constant(self, name, array):
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def op(self, kind, inputs, channels, **attributes):
        out = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        self.channels[out] = channels
        return out

    def conv(self, x, channels, kernel, stride=1, group=1):
        name, inputs = f"conv{len(self.nodes)}", self.channels[x] // group
        spread = np.sqrt(2 / (inputs * kernel * kernel))
        w = self.constant(name + ".weight", spread * self.random.standard_normal((channels, inputs, kernel, kernel)))
        b = self.constant(name + ".bias", 0.1 * self.random.standard_normal(channels))
        return self.op("Conv", [x, w, b], channels, kernel_shape=[kernel] * 2, strides=[stride] * 2, group=group,
                       pads=[kernel // 2] * 4)

    def relu(self, x):
        return self.op("Relu", [x], self.channels[x])

    def relu6(self, x):
        if not any(w.name == "zero" for w in self.weights):
            self.constant("zero", np.array(0.0))
            self.constant("six", np.array(6.0))
        return self.op("Clip", [x, "zero", "six"], self.channels[x])

    def add(self, a, b):
        return self.op("Add", [a, b], self.channels[a])

    def head(self, x, classes=1000):
        pooled = self.op("Flatten", [self.op("GlobalAveragePool", [x], self.channels[x])], self.channels[x])
        inputs = self.channels[x]
        w = self.constant("head.weight", self.random.standard_normal((classes, inputs)) / np.sqrt(inputs))
        b = self.constant("head.bias", np.zeros(classes))
        return self.op("Gemm", [pooled, w, b], classes, transB=1)

    def save(self, logits, path):
        self.nodes[-1].output[0] = "logits"
        out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, self.channels[logits]])
        graph = helper.make_graph(self.nodes, self.name, [self.image], [out], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


def resnet50():
    net = Network("resnet50", 224)
    x = net.relu(net.conv("image", 64, 7, 2))
    x = net.op("MaxPool", [x], 64, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            y = net.relu(net.conv(x, width, 1))
            y = net.relu(net.conv(y, width, 3, stride))
            y = net.conv(y, 4 * width, 1)
            shortcut = net.conv(x, 4 * width, 1, stride) if block == 0 else x
            x = net.relu(net.add(y, shortcut))
    return net, net.head(x)


def mobilenet_v2():
    net = Network("mobilenet_v2", 224)
    x = net.relu6(net.conv("image", 32, 3, 2))
    for expand, channels, blocks, first_stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                                   (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for block in range(blocks):
            stride, hidden = first_stride if block == 0 else 1, expand * net.channels[x]
            y = net.relu6(net.conv(x, hidden, 1)) if expand > 1 else x
            y = net.relu6(net.conv(y, hidden, 3, stride, group=hidden))
            y = net.conv(y, channels, 1)
            x = net.add(x, y) if stride == 1 and net.channels[x] == channels else y
    return net, net.head(net.relu6(net.conv(x, 1280, 1)))


makers = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}
if len(sys.argv) != 3 or sys.argv[1] not in makers:
    sys.exit(__doc__)
network, logits = makers[sys.argv[1]]()
network.save(logits, sys.argv[2])
