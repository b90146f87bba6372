"""The showcase network: a dense U-Net in BN -> ReLU -> convolution order.

Every convolution but the stem is preceded by its own BatchNormalization and
ReLU over all channels gathered so far. A concatenation (or a pool) lies before
each of these norms, so no producer can absorb them: this is the case that
int8 engines find hard, and the reason this shape was chosen.
"""
import inspect

import torch
from torch import nn

GROWTH = 16
CLASSES = 4
SIZE = 192
STEM = 16
DOWN_LAYERS = (2, 3, 4, 4)      # dense layers per level, 192 -> 24 pixels
DOWN_WIDTHS = (32, 48, 64, 80)  # channels after the 1x1 of each transition down
BOTTOM_LAYERS = 4               # at 12 pixels
UP_LAYERS = (4, 4, 3, 3)        # 24 -> 192 pixels
UP_WIDTHS = (96, 80, 56, 32)    # channels after the 1x1 of each transition up

MIN_BN_SCALE = 0.05


def norm_relu_conv(channels_in, channels_out, kernel, bias=False):
    return nn.Sequential(
        nn.BatchNorm2d(channels_in),
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=bias))


class DenseBlock(nn.Module):
    """Each layer sees all channels so far and adds GROWTH more."""

    def __init__(self, channels, layers):
        super().__init__()
        self.layers = nn.ModuleList(
            norm_relu_conv(channels + i * GROWTH, GROWTH, 3) for i in range(layers))
        self.channels = channels + layers * GROWTH

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class TransitionDown(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.squeeze = norm_relu_conv(channels, width, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return self.pool(self.squeeze(x))


class TransitionUp(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.squeeze = norm_relu_conv(channels, width, 1)
        self.resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, x, skip):
        return torch.cat([self.resize(self.squeeze(x)), skip], 1)


class DenseUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, STEM, 3, padding=1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        channels, skips = STEM, []
        for layers, width in zip(DOWN_LAYERS, DOWN_WIDTHS):
            block = DenseBlock(channels, layers)
            self.down.append(block)
            self.shrink.append(TransitionDown(block.channels, width))
            skips.append(block.channels)
            channels = width
        self.bottom = DenseBlock(channels, BOTTOM_LAYERS)
        channels = self.bottom.channels
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for layers, width, skip in zip(UP_LAYERS, UP_WIDTHS, reversed(skips)):
            self.grow.append(TransitionUp(channels, width))
            block = DenseBlock(width + skip, layers)
            self.up.append(block)
            channels = block.channels
        self.head = norm_relu_conv(channels, CLASSES, 1, bias=True)

    def forward(self, x):
        x = self.stem(x)
        skips = []
        for block, shrink in zip(self.down, self.shrink):
            x = block(x)
            skips.append(x)
            x = shrink(x)
        x = self.bottom(x)
        for grow, block in zip(self.grow, self.up):
            x = block(grow(x, skips.pop()))
        return self.head(x)


def clamp_norm_scales(net):
    """Keeps every BN scale positive: then ReLU(a*x + b) = a*max(x, -b/a) + b,
    which an int8 engine can run as one byte-wise maximum."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.clamp_(min=MIN_BN_SCALE)


def count_macs(net, size=SIZE):
    """Multiply-adds of all convolutions for one image."""
    total = 0

    def add(conv, _, out):
        nonlocal total
        total += out[0].numel() * conv.in_channels * conv.kernel_size[0] * conv.kernel_size[1]

    hooks = [m.register_forward_hook(add) for m in net.modules() if isinstance(m, nn.Conv2d)]
    training = net.training
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, 1, size, size))
    net.train(training)
    for hook in hooks:
        hook.remove()
    return total


def export_onnx(net, path):
    """Fixed shape, opset 17, one named node per layer."""
    net.eval()
    tracer = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(
        net, torch.zeros(1, 1, SIZE, SIZE), path, opset_version=17,
        input_names=["image"], output_names=["logits"], do_constant_folding=True, **tracer)
