#!/usr/bin/python3
"""Trains, exports and judges the showcase network.

  train.py --sunnybrook DIR --work DIR            train from nothing (or resume)
  train.py --export OUT.onnx --work DIR           best checkpoint -> ONNX
  train.py --evaluate --work DIR [--sunnybrook DIR] [--acdc DIR]
           Dice on held-out data, overlay pictures into the work folder

DIR of --sunnybrook holds images/, i_labels/, o_labels/. ACDC is never trained on.
The work folder keeps checkpoints and the phantoms. The seed fixes all random
choices; sums of floats still depend on torch's version and thread count.
"""
import argparse
import os
import pathlib
import time

# Threads that wait must sleep: spinning ones cost a factor of eight as soon as
# anything else runs on the same cores. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch

import evaluate
import sunnybrook
from augment import views
from loss import segmentation_loss
from net import DenseUNet, clamp_norm_scales, count_macs, export_onnx
from phantom import random_slice
from preprocess import SIZE, prepare

HELD_OUT_PHANTOMS = 9_000_000  # seeds from here on are never trained on
BATCH = 4
EMA = 0.99


def phantoms(seed, count, cache=None):
    """Prepared pictures and class bits, kept in a file between runs."""
    if cache and cache.exists():
        stored = np.load(cache)
        if stored["key"].tolist() == [seed, count]:
            return stored["images"], stored["targets"]
    pairs = [random_slice([seed, i]) for i in range(count)]
    images = np.stack([prepare(image) for image, _ in pairs])
    targets = np.stack([np.left_shift(np.uint8(1), label) for _, label in pairs])
    if cache:
        np.savez(cache, key=[seed, count], images=images, targets=targets)
    return images, targets


class Average:
    """A running mean of the weights: steadier than the last step's."""

    def __init__(self, net):
        self.net = DenseUNet().to(memory_format=torch.channels_last)
        self.net.load_state_dict(net.state_dict())

    def follow(self, net, step):
        keep = min(EMA, (1 + step) / (10 + step))
        mine = self.net.state_dict()
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                mine[name].mul_(keep).add_(value, alpha=1 - keep)


def learning_rate(step, steps, peak):
    warm = min(1.0, (step + 1) / 30)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * step / steps)))


def draw_batch(rng, real, made, view, anywhere=False):
    """Half real, half phantom: only phantoms teach the right ventricle."""
    images, targets = [], []
    for (pictures, bits), n in ((real, BATCH // 2), (made, BATCH - BATCH // 2)):
        pick = rng.integers(0, len(pictures), n)
        images.append(pictures[pick])
        targets.append(bits[pick])
    return views(rng, np.concatenate(images), np.concatenate(targets), view, anywhere)


def score(net, real, made):
    """What the best checkpoint is chosen by: the mean over exact labels."""
    shown = evaluate.segment(net, real[0]), evaluate.segment(net, made[0])
    parts = {"real LV": evaluate.dice(shown[0], real[1], 3)[0],
             "real myo": evaluate.dice(shown[0], real[1], 2)[0],
             "phantom RV": evaluate.dice(shown[1], made[1], 1)[0],
             "phantom myo": evaluate.dice(shown[1], made[1], 2)[0],
             "phantom LV": evaluate.dice(shown[1], made[1], 3)[0]}
    print("  " + ", ".join(f"{k} {v:.4f}" for k, v in parts.items()), flush=True)
    return float(np.mean(list(parts.values())))


def train(args):
    torch.manual_seed(args.seed)
    net = DenseUNet().to(memory_format=torch.channels_last)
    print(f"{count_macs(net) / 1e9:.3f} GMAC, {sum(p.numel() for p in net.parameters())} parameters")
    real = sunnybrook.load(args.sunnybrook, "train")
    made = phantoms(args.seed, args.phantoms, args.work / "phantoms.npz")
    select = [a[::3] for a in sunnybrook.load(args.sunnybrook, "select")], phantoms(HELD_OUT_PHANTOMS - 1, 24)
    print(f"{len(real[0])} real and {len(made[0])} phantom pictures", flush=True)

    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
    average, step, best = Average(net), 0, 0.0
    last = args.work / "last.pt"
    if last.exists():
        state = torch.load(last)
        net.load_state_dict(state["net"])
        average.net.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, best = state["step"], state["best"]
        print(f"resuming at step {step}, best {best:.4f}")

    start, steps = time.time(), args.crop_steps + args.wide_steps
    while step < steps:
        rng = np.random.default_rng([args.seed, step])
        wide = step >= args.crop_steps
        image, target = draw_batch(rng, real, made, args.wide if wide else args.crop, wide)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, args.rate)
        net.train()
        loss = segmentation_loss(net(image.to(memory_format=torch.channels_last)), target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        clamp_norm_scales(net)
        average.follow(net, step)
        step += 1
        if step % 20 == 0:
            print(f"step {step} loss {loss.item():.4f} {time.time() - start:.0f} s", flush=True)
        if step % args.check_every == 0 or step == steps:
            found = score(average.net, *select)
            print(f"step {step} score {found:.4f}, best before {best:.4f}", flush=True)
            if found > best:
                best = found
                torch.save(average.net.state_dict(), args.work / "best.pt")
        if step % 50 == 0 or step == steps:
            torch.save({"net": net.state_dict(), "average": average.net.state_dict(), "step": step,
                        "optimiser": optimiser.state_dict(), "best": best}, last)


def best_network(work):
    net = DenseUNet()
    net.load_state_dict(torch.load(work / "best.pt"))
    return net.eval()


def judge(args):
    net = best_network(args.work).to(memory_format=torch.channels_last)
    sets = {"phantom": phantoms(HELD_OUT_PHANTOMS, args.judge_phantoms)}
    if args.sunnybrook:
        sets["sunnybrook"] = sunnybrook.load(args.sunnybrook, "test")
    if args.acdc:
        sets["acdc"] = evaluate.load_acdc(args.acdc)
    for name, (images, targets) in sets.items():
        predicted = evaluate.segment(net, images)
        evaluate.report(name, predicted, targets)
        evaluate.montage(args.work / f"overlay_{name}.png", images, targets, predicted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--sunnybrook", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--acdc", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--export", type=pathlib.Path, metavar="ONNX")
    parser.add_argument("--evaluate", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--crop-steps", type=int, default=850, help="steps on views of the heart")
    parser.add_argument("--crop", type=int, default=96, help="pixels of such a view, a multiple of 16")
    parser.add_argument("--wide-steps", type=int, default=1700, help="then steps on views that lie anywhere")
    parser.add_argument("--wide", type=int, default=112, help=f"pixels of such a view, at most {SIZE}")
    parser.add_argument("--check-every", type=int, default=200)
    parser.add_argument("--phantoms", type=int, default=2500)
    parser.add_argument("--judge-phantoms", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.export:
        export_onnx(best_network(args.work), args.export)
    elif args.evaluate:
        judge(args)
    elif args.sunnybrook:
        train(args)
    else:
        parser.error("one of --sunnybrook, --export and --evaluate is needed")


if __name__ == "__main__":
    main()
