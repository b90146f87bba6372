"""8-bit PNG files, greyscale in and RGB out: enough for labels and overlays."""
import struct
import zlib

import numpy as np


def _paeth(left, up, corner):
    estimate = left + up - corner
    dl, du, dc = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
    return left if dl <= du and dl <= dc else up if du <= dc else corner


def _unfilter_row(kind, row, above):
    if kind == 0:
        return row
    if kind == 1:
        return np.cumsum(row, dtype=np.uint64).astype(np.uint8)
    if kind == 2:
        return row + above
    out, left, corner = [], 0, 0
    for value, up in zip(row.tolist(), above.tolist()):
        left = (value + ((left + up) // 2 if kind == 3 else _paeth(left, up, corner))) & 255
        corner = up
        out.append(left)
    return np.array(out, np.uint8)


def read_grey(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{path}: not a PNG file")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if (depth, colour, interlace) != (8, 0, 0):
        raise ValueError(f"{path}: only 8-bit greyscale without interlacing is read")
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += length + 12
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width + 1)
    image, above = np.empty((height, width), np.uint8), np.zeros(width, np.uint8)
    for y in range(height):
        above = image[y] = _unfilter_row(rows[y, 0], rows[y, 1:], above)
    return image


def write_rgb(path, image):
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body
                + struct.pack(">I", zlib.crc32(kind + body)))

    height, width, _ = image.shape
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    rows[:, 1:] = image.reshape(height, width * 3)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n"
                   + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
                   + chunk(b"IEND", b""))
