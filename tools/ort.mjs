// ONNX Runtime's node package as tools/setup --peers installs it, or null where it is not installed.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readNpy } from './npy.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function loadRuntime() {
  try {
    const require = createRequire(join(root, 'build', 'peers', 'package.json'));
    const ort = require('onnxruntime-node');
    const version = require('onnxruntime-node/package.json').version;
    return { ort, version };
  } catch {
    return null;
  }
}

export function openSession(ort, model, threads, level = 'all') {
  return ort.InferenceSession.create(model, {
    intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: level,
    logSeverityLevel: 3,
  });
}

// The shape of an input with symbolic dimensions set to 1.
export const boundShape = (meta) => meta.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 1));

const arrays = {
  float32: Float32Array, float64: Float64Array, uint8: Uint8Array, int8: Int8Array, int32: Int32Array,
  int64: BigInt64Array, bool: Uint8Array,
};

// Tensors for FILE.npy or NAME=FILE.npy options, the bare ones in the session's order.
export function readFeeds(ort, session, specs) {
  const feeds = {};
  specs.forEach((spec, i) => {
    const split = spec.indexOf('=');
    const name = split > 0 ? spec.slice(0, split) : session.inputNames[i];
    const { type, data, dims } = readNpy(split > 0 ? spec.slice(split + 1) : spec);
    feeds[name] = new ort.Tensor(type, data, dims);
  });
  return feeds;
}

// Deterministic pseudo-random values about as large as normalized images are.
export function randomTensor(ort, meta, shape) {
  const count = shape.reduce((a, b) => a * b, 1);
  const Array = arrays[meta.type];
  if (!Array) throw new Error(`input ${meta.name} has element type ${meta.type}, which the bench cannot fill`);
  const data = new Array(count);
  let state = 12345;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const unit = state / 2 ** 32;
    if (meta.type === 'float32' || meta.type === 'float64') data[i] = (unit - 0.5) * 3.4;
    else if (meta.type === 'int64') data[i] = BigInt(Math.floor(unit * 2));
    else data[i] = Math.floor(unit * 2);
  }
  return new ort.Tensor(meta.type, data, shape);
}
