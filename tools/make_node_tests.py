#!/usr/bin/python3
"""Writes ONNX's own operator tests as files, in the form ONNX ships them:

    make_node_tests.py DIR [PREFIX ...]
    DIR/<test>/model.onnx, DIR/<test>/test_data_set_0/input_<i>.pb, output_<i>.pb

Only tests whose names start with one of the prefixes, when there are any ("test_conv"). Sequence and optional values
have no tensor form; tests that use them are left out. Needs Debian's python3-onnx (its package carries the generator
but not the data).
"""
import os
import sys
import warnings

import numpy as np

# Names that NumPy 1.24 removed and onnx 1.12 still uses.
for name, kind in {"float": float, "int": int, "bool": bool, "object": object, "str": str}.items():
    if name not in np.__dict__:
        setattr(np, name, kind)

import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402


def generated_cases():
    warnings.simplefilter("ignore")
    np.random.seed(0)
    try:
        return collect_testcases(None)  # onnx 1.12 and later: of all operators
    except TypeError:
        return collect_testcases()


def tensor_bytes(value, value_info):
    """The value as a serialized TensorProto, or None when it has no such form."""
    if isinstance(value, onnx.TensorProto):
        return value.SerializeToString()
    if isinstance(value, (list, dict, tuple)) or not value_info.type.HasField("tensor_type"):
        return None
    return numpy_helper.from_array(np.asarray(value), value_info.name).SerializeToString()


def write_case(case, directory):
    """Writes one test; returns whether it could."""
    inputs, outputs = case.data_sets[0]
    files = {}
    for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
        for i, (value, info) in enumerate(zip(values, infos)):
            data = tensor_bytes(value, info)
            if data is None:
                return False
            files[f"test_data_set_0/{kind}_{i}.pb"] = data
    files["model.onnx"] = case.model.SerializeToString()
    os.makedirs(os.path.join(directory, case.name, "test_data_set_0"), exist_ok=True)
    for name, data in files.items():
        with open(os.path.join(directory, case.name, name), "wb") as f:
            f.write(data)
    return True


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    directory, prefixes = sys.argv[1], tuple(sys.argv[2:])
    written = skipped = 0
    for case in generated_cases():
        if prefixes and not case.name.startswith(prefixes):
            continue
        if write_case(case, directory):
            written += 1
        else:
            skipped += 1
    print(f"{written} tests written to {directory}, {skipped} without a tensor form left out")


if __name__ == "__main__":
    main()
