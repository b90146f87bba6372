"""Which models a folder holds, and which machine this is."""
import pathlib


def find_models(folders, only):
    wanted = [name for name in only.split(",") if name]
    models = []
    for folder in folders:
        models += [(p.stem, p) for p in folder.glob("*.onnx")]
        models += [(p.parent.name, p) for p in folder.glob("*/model.onnx")]
    return sorted((n, p) for n, p in models if not wanted or any(w in n for w in wanted))


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown processor"
