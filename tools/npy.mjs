// Reading and writing .npy for the ONNX Runtime scripts (little-endian, C order).
import { readFileSync, writeFileSync } from 'node:fs';

const kinds = {
  '<f2': ['float16', globalThis.Float16Array ?? Uint16Array],
  '<f4': ['float32', Float32Array], '<f8': ['float64', Float64Array], '|u1': ['uint8', Uint8Array],
  '|i1': ['int8', Int8Array], '<i2': ['int16', Int16Array], '<u2': ['uint16', Uint16Array],
  '<i4': ['int32', Int32Array], '<u4': ['uint32', Uint32Array], '<i8': ['int64', BigInt64Array],
  '<u8': ['uint64', BigUint64Array], '|b1': ['bool', Uint8Array],
};

// -> {type, data, dims}, type as ONNX Runtime names it.
export function readNpy(path) {
  const bytes = readFileSync(path);
  if (bytes.subarray(0, 6).toString('latin1') !== '\x93NUMPY') throw new Error(`${path} is no .npy file`);
  const wide = bytes[6] >= 2;
  const length = wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const start = wide ? 12 : 10;
  const header = bytes.subarray(start, start + length).toString('latin1');
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  if (!kinds[descr]) throw new Error(`${path}: element type ${descr} is not supported`);
  if (/'fortran_order':\s*True/.test(header)) throw new Error(`${path} is in fortran order`);
  const dims = /'shape':\s*\(([^)]*)\)/.exec(header)[1].split(',').filter((s) => s.trim()).map(Number);
  const [type, Array] = kinds[descr];
  const count = dims.reduce((a, b) => a * b, 1);
  const begin = start + length;
  if (bytes.length - begin < count * Array.BYTES_PER_ELEMENT) throw new Error(`${path} is truncated`);
  const copy = bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + begin + count * Array.BYTES_PER_ELEMENT);
  return { type, data: new Array(copy), dims };
}

export function writeNpy(path, { type, data, dims }) {
  const descr = Object.keys(kinds).find((key) => kinds[key][0] === type);
  if (!descr) throw new Error(`${path}: element type ${type} is not supported`);
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  let header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const prefix = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  prefix.writeUInt16LE(header.length, 8);
  writeFileSync(path, Buffer.concat([prefix, Buffer.from(header, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}
