"""Inputs for a model: golden ones, real images prepared as its recipe says, or random ones."""
import gzip
import math
import pathlib

import numpy as np

try:
    from PIL import Image
except ImportError:  # python3-pil is optional: without it golden and random inputs remain
    Image = None

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif"}
IMAGENET_MEAN, IMAGENET_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
MOST_IMAGES = 12


def find_images(data, folders):
    """In a folder of `data`, or in several."""
    folders = [folders] if isinstance(folders, str) else folders
    paths = [p for folder in folders for p in sorted((data / folder).rglob("*")) if p.suffix.lower() in IMAGE_ENDINGS]
    return paths[:: max(1, len(paths) // MOST_IMAGES)][:MOST_IMAGES]


def prepared(path, recipe, part=None):
    """An image as the recipe's network wants it, [1, C, H, W] or [1, H, W, C]; `part`: (left, top, side) of it in 0..1."""
    height, width = recipe["size"]
    channels = recipe.get("channels", "rgb")
    picture = Image.open(path).convert("L" if channels == "gray" else "RGB")
    if part:
        left, top, side = part
        w, h = picture.size
        picture = picture.crop((round(left * w), round(top * h), round((left + side) * w), round((top + side) * h)))
    x = np.asarray(picture.resize((width, height), Image.BILINEAR), np.float32)
    x = x[..., None] if x.ndim == 2 else x
    mean, std = np.float32(recipe.get("mean", 0)), np.float32(recipe.get("std", recipe.get("scale", 1)))
    if recipe.get("norm") == "imagenet":
        mean, std = np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD)
    if channels == "bgr":
        x = x[..., ::-1]
    x = (x - mean) / std
    return np.ascontiguousarray(x[None] if recipe.get("layout") == "nhwc" else x.transpose(2, 0, 1)[None])


def volume_slices(path, size, count=4):
    """Slices of a NIfTI volume, normalized and centred, each with the coordinates of its pixels in [0, 1]."""
    data = gzip.open(path).read()
    dims = np.frombuffer(data, "<i2", 8, 40)
    kind = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 512: "<u2"}[int(np.frombuffer(data, "<i2", 1, 70)[0])]
    offset = int(np.frombuffer(data, "<f4", 1, 108)[0])
    nx, ny, nz = (int(d) for d in dims[1:4])
    volume = np.frombuffer(data, kind, nx * ny * nz, offset).reshape(nz, ny, nx).astype(np.float32)
    volume = (volume - volume.mean()) / volume.std()
    rows, columns = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]), indexing="ij")
    for z in np.linspace(nz * 0.3, nz * 0.7, count).astype(int):
        image = np.full(size, volume.min(), np.float32)
        part = volume[z][: size[0], : size[1]]
        top, left = (size[0] - part.shape[0]) // 2, (size[1] - part.shape[1]) // 2
        image[top : top + part.shape[0], left : left + part.shape[1]] = part
        place = np.stack([rows, columns, np.full(size, z / nz)], -1).astype(np.float32)
        yield [image[None, ..., None], place[None]]


def golden_sets(model):
    """[(inputs, outputs)] stored beside the models, in the model's order."""
    sets = []
    folder = model.parent / "golden" / model.stem
    inputs = sorted(folder.glob("input_*.npy"))
    if inputs:
        plain = sorted(folder.glob("output_noopt_*.npy"))  # quantized models: computed as they are written
        outputs = plain or sorted(folder.glob("output_[0-9].npy"))
        sets.append(([np.load(p) for p in inputs], [np.load(p) for p in outputs]))
    return sets


def random_inputs(infos):
    """Smooth noise, much as normalized images are; one seed for all."""
    rng = np.random.default_rng(7)
    return [rng.standard_normal([d if isinstance(d, int) and d > 0 else 1 for d in info["shape"]]).astype(np.float32)
            for info in infos]


def in_types_of(sample, infos):
    """The sample in the float types that the model takes."""
    kinds = {"float32": np.float32, "float16": np.float16}
    return [x.astype(kinds.get(info["type"], x.dtype)) for x, info in zip(sample, infos)]


def samples_of(model, recipe, data, infos):
    """-> (samples, golden outputs of sample 0 or None, what the samples are)."""
    golden = golden_sets(model)
    samples = [g[0] for g in golden]
    kind = "golden" if golden else ""
    if data and "images" in recipe and Image:
        real = [[prepared(p, recipe)] for p in find_images(data, recipe["images"])]
    elif data and "arrays" in recipe:
        real = [[np.load(p)] for p in sorted((data / recipe["arrays"]).glob("*.npy"))]
    elif data and "volume" in recipe and (data / recipe["volume"]).exists():
        real = list(volume_slices(data / recipe["volume"], recipe["size"]))
    else:
        real = []
    if real:
        kind = f"{len(real)} real" + (" + golden" if golden else "")
    samples += real
    if not samples:
        samples, kind = [random_inputs(infos)], "random"
    samples = [in_types_of(s, infos) for s in samples]
    return samples, golden[0][1] if golden else None, kind


def varied(recipe, data, infos, least=12):
    """Real samples, [[sample, ...] of a picture, ...]: so many parts of it, or mirror images, that there are `least` in all.

    What one picture gives belongs to one side of a split. Neighbouring slices of a volume count as a picture.
    """
    groups = []
    if "images" in recipe and Image:
        paths = find_images(data, recipe["images"])
        for i, path in enumerate(paths):
            rng = np.random.default_rng(i)
            sides = rng.uniform(0.5, 0.9, math.ceil(least / len(paths)) - 1)
            parts = [(*rng.uniform(0, 1 - side, 2), side) for side in sides]
            groups.append([[prepared(path, recipe, part)] for part in [None, *parts]])
    elif "arrays" in recipe:
        paths = sorted((data / recipe["arrays"]).glob("*.npy"))
        flips = [(), (-1,), (-2,), (-1, -2)][: math.ceil(least / max(1, len(paths)))]
        groups = [[[np.ascontiguousarray(np.flip(np.load(path), axes))] for axes in flips] for path in paths]
    elif "volume" in recipe and (data / recipe["volume"]).exists():
        slices = list(volume_slices(data / recipe["volume"], recipe["size"], least))
        groups = [slices[i : i + least // 4] for i in range(0, least, least // 4)]
    return [[in_types_of(sample, infos) for sample in group] for group in groups]


def save_sample(sample, infos, folder):
    """One file for each input, as `quadlane run` and `quantize` find them; -> {name: path}."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    paths = {}
    for k, (x, info) in enumerate(zip(sample, infos)):
        paths[info["name"]] = pathlib.Path(folder) / f"input_{k}.npy"
        np.save(paths[info["name"]], x)
    return paths
