"""Writes NIfTI-1, single file, gzip; the same array gives the same bytes."""
import gzip
import struct

import numpy as np

CODES = {np.dtype(np.uint8): (2, 8), np.dtype(np.int16): (4, 16), np.dtype(np.float32): (16, 32)}
MM_AND_SECONDS = 2 | 8
SCANNER = 1


def _header(shape, dtype, steps):
    """shape and steps in file order (x, y, z, t). Patient axes are L, P, S along
    x, y, z, as in an unrotated DICOM series; NIfTI counts R and A as positive."""
    code, bits = CODES[dtype]
    head = bytearray(348)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<2h", head, 70, code, bits)
    # pixdim[0] is qfac. The rotation by 180 degrees about z, quaternion (0,0,0,1),
    # turns x and y around and leaves z.
    struct.pack_into("<8f", head, 76, 1.0, *steps, *[0.0] * (7 - len(steps)))
    struct.pack_into("<3f", head, 108, 352.0, 1.0, 0.0)  # vox_offset, scl_slope, scl_inter
    head[123] = MM_AND_SECONDS
    struct.pack_into("<2h", head, 252, SCANNER, SCANNER)  # qform_code, sform_code
    origin = [0.5 * (shape[0] - 1) * steps[0], 0.5 * (shape[1] - 1) * steps[1], 0.0]
    struct.pack_into("<6f", head, 256, 0.0, 0.0, 1.0, *origin)
    struct.pack_into("<4f", head, 280, -steps[0], 0, 0, origin[0])
    struct.pack_into("<4f", head, 296, 0, -steps[1], 0, origin[1])
    struct.pack_into("<4f", head, 312, 0, 0, steps[2], origin[2])
    head[344:348] = b"n+1\0"
    return bytes(head) + bytes(4)


def write(path, array, steps):
    """array [t, z, y, x] in C order, which is the file's x-fastest order."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    body = _header(array.shape[::-1], array.dtype, steps) + array.tobytes()
    # An empty name and mtime 0: gzip would otherwise store both.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        file.write(body)
