#!/usr/bin/python3
"""Trains, exports and judges the showcase network.

  train.py --sunnybrook DIR --work DIR            train from nothing (or resume)
  train.py --export OUT.onnx --work DIR           best checkpoint -> ONNX
  train.py --evaluate --work DIR [--sunnybrook DIR] [--acdc DIR]
           Dice on held-out data, overlay pictures into the work folder

DIR of --sunnybrook holds images/, i_labels/, o_labels/. ACDC is never trained on.
The work folder keeps checkpoints. The seed fixes all random choices, whatever the number
of workers; sums of floats still depend on the device, torch's version and thread count,
and with --minutes the number of steps depends on the machine.
"""
import argparse
import contextlib
import math
import os
import pathlib
import time

# Threads that wait must sleep: spinning ones cost a factor of eight as soon as
# anything else runs on the same cores. Read when torch is loaded. A worker has one thread.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import torch

import evaluate
import stock
import sunnybrook
from augment import views
from loss import segmentation_loss
from net import DenseUNet, clamp_norm_scales, count_macs, export_onnx
from preprocess import SIZE

HELD_OUT_PHANTOMS = 9_000_000  # seeds from here on are never trained on
EMA = 0.998
DECAY = 0.02


class Average:
    """A running mean of the weights: steadier than the last step's."""

    def __init__(self, net):
        self.net = DenseUNet().to(next(net.parameters()).device, memory_format=torch.channels_last)
        self.net.load_state_dict(net.state_dict())
        self.mine, self.theirs = self._floats(self.net), self._floats(net)

    @staticmethod
    def _floats(net):
        return [v for v in net.state_dict().values() if v.is_floating_point()]

    def follow(self, step):
        keep = min(EMA, (1 + step) / (10 + step))
        torch._foreach_mul_(self.mine, keep)
        torch._foreach_add_(self.mine, self.theirs, alpha=1 - keep)


class Schedule:
    """How far training is, from 0 to 1: by steps or, where minutes are given, by the clock."""

    def __init__(self, args, seconds):
        self.steps = args.crop_steps + args.wide_steps
        self.crop_share = args.crop_steps / self.steps
        self.budget = 60 * args.minutes if args.minutes else None
        self.start, self.peak = time.time() - seconds, args.rate

    def seconds(self):
        return time.time() - self.start

    def progress(self, step):
        return min(1.0, self.seconds() / self.budget if self.budget else step / self.steps)

    def rate(self, step, progress):
        warm = min(1.0, (step + 1) / 60)
        return self.peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def optimiser_for(net, rate):
    """Weights of convolutions decay; norms and biases do not."""
    kernels = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    return torch.optim.AdamW([{"params": kernels, "weight_decay": DECAY},
                              {"params": others, "weight_decay": 0.0}], lr=rate)


def draw_batch(rng, real, made, step, batch, view, anywhere):
    """Half real, half phantom: only phantoms teach the right ventricle."""
    parts = [real.draw(rng, real.count, batch // 2),
             made.draw(rng, made.known_at(step), batch - batch // 2)]
    images, targets = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    return views(rng, images, targets, np.concatenate([part[2] for part in parts]), view, anywhere)


def train_step(net, optimiser, image, target):
    net.train()
    gpu = image.device.type == "cuda"
    with torch.autocast("cuda", dtype=torch.bfloat16) if gpu else contextlib.nullcontext():
        logits = net(image.to(memory_format=torch.channels_last))
    loss = segmentation_loss(logits, target)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimiser.step()
    clamp_norm_scales(net)
    return loss.detach()


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


def save(state, path):
    """Whole or not at all: training may be cut at any moment."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def train(args, pool):
    torch.manual_seed(args.seed)
    net = DenseUNet()
    print(f"{count_macs(net) / 1e9:.3f} GMAC, {sum(p.numel() for p in net.parameters())} parameters, "
          f"{args.device}, batches of {args.batch}, {args.workers} workers")
    net = net.to(args.device, memory_format=torch.channels_last)
    judged = stock.phantoms(pool, HELD_OUT_PHANTOMS - 1, 24)  # first: the stock keeps the workers busy from here on
    made = stock.GrowingStock(pool, args.seed, args.phantoms, args.device)
    select = [a[::3] for a in sunnybrook.load(args.sunnybrook, "select")], judged
    pictures = sunnybrook.load(args.sunnybrook, "train")
    real = stock.Stock(len(pictures[0]), args.device)
    real.add(*pictures)
    print(f"{real.count} real and up to {args.phantoms} phantom pictures", flush=True)

    optimiser = optimiser_for(net, args.rate)
    average, step, best, seconds = Average(net), 0, 0.0, 0.0
    last = args.work / "last.pt"
    if last.exists():
        state = torch.load(last, map_location=args.device)
        net.load_state_dict(state["net"])
        average.net.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, best, seconds = state["step"], state["best"], state["seconds"]
        print(f"resuming at step {step}, best {best:.4f}")

    schedule = Schedule(args, seconds)
    progress = schedule.progress(step)
    while progress < 1:
        rng = np.random.default_rng([args.seed, step])
        wide = progress >= schedule.crop_share
        batch = draw_batch(rng, real, made, step, args.batch, args.wide if wide else args.crop, wide)
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step, progress)
        loss = train_step(net, optimiser, *batch)
        average.follow(step)
        step += 1
        progress = schedule.progress(step)
        if step % 20 == 0:
            print(f"step {step} loss {loss.item():.4f} {schedule.seconds():.1f} s", flush=True)
        if step % args.check_every == 0 or progress == 1:
            found = score(average.net, *select)
            print(f"step {step} score {found:.4f}, best before {best:.4f}", flush=True)
            if found > best:
                best = found
                save(average.net.state_dict(), args.work / "best.pt")
            save({"net": net.state_dict(), "average": average.net.state_dict(), "step": step, "best": best,
                  "optimiser": optimiser.state_dict(), "seconds": schedule.seconds()}, last)


def best_network(args):
    net = DenseUNet()
    net.load_state_dict(torch.load(args.work / "best.pt", map_location="cpu"))
    return net.eval()


def judge(args, pool):
    net = best_network(args).to(args.device, memory_format=torch.channels_last)
    sets = {"phantom": stock.phantoms(pool, HELD_OUT_PHANTOMS, args.judge_phantoms)}
    if args.sunnybrook:
        sets["sunnybrook"] = sunnybrook.load(args.sunnybrook, "test")
    if args.acdc:
        sets["acdc"] = evaluate.load_acdc(args.acdc)
    for name, (images, targets) in sets.items():
        predicted = evaluate.segment(net, images)
        evaluate.report(name, predicted, targets)
        evaluate.montage(args.work / f"overlay_{name}.png", images, targets, predicted)


def device_named(name):
    """auto: the GPU where torch finds one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def main():
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--sunnybrook", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--acdc", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--export", type=pathlib.Path, metavar="ONNX")
    parser.add_argument("--evaluate", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="of a training step on the CPU")
    parser.add_argument("--workers", type=int, default=max(1, cores - 3), help="processes that make phantoms")
    parser.add_argument("--batch", type=int, default=4, help="pictures a step")
    parser.add_argument("--crop-steps", type=int, default=850, help="steps on views of the heart")
    parser.add_argument("--crop", type=int, default=96, help="pixels of such a view, a multiple of 16")
    parser.add_argument("--wide-steps", type=int, default=1700, help="then steps on views that lie anywhere")
    parser.add_argument("--wide", type=int, default=112, help=f"pixels of such a view, at most {SIZE}")
    parser.add_argument("--minutes", type=float, help="train so long; the numbers of steps are then only shares")
    parser.add_argument("--check-every", type=int, default=200)
    parser.add_argument("--phantoms", type=int, default=2500)
    parser.add_argument("--judge-phantoms", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.export:
        return export_onnx(best_network(args), args.export)
    if not args.evaluate and not args.sunnybrook:
        parser.error("one of --sunnybrook, --export and --evaluate is needed")
    with stock.workers(args.workers) as pool:  # forked before torch touches a device
        args.device = device_named(args.device)
        torch.backends.cudnn.benchmark = True
        judge(args, pool) if args.evaluate else train(args, pool)


if __name__ == "__main__":
    main()
