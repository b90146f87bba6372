// Runs a model once in ONNX Runtime on .npy inputs and writes NAME.npy for every output, like `quadlane run`.
//
//   node tools/ort_run.mjs MODEL.onnx --input [NAME=]FILE.npy ... --output-dir DIR [--level disabled|basic|extended|all]
//
// Level disabled runs Q/DQ models as they are written, in float. Fused, ONNX Runtime's int8 saturates in 16 bits on
// processors without VNNI.
//
// Exit code 3: ONNX Runtime is not installed.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readNpy, writeNpy } from './npy.mjs';
import { loadRuntime, openSession } from './ort.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    input: { type: 'string', multiple: true, default: [] }, 'output-dir': { type: 'string' },
    level: { type: 'string', default: 'all' },
  },
});
if (positionals.length !== 1 || !values['output-dir']) {
  console.error('usage: node tools/ort_run.mjs MODEL.onnx --input [NAME=]FILE.npy ... --output-dir DIR');
  process.exit(2);
}
const runtime = loadRuntime();
if (!runtime) {
  console.error('ONNX Runtime is not installed: tools/setup --peers installs it');
  process.exit(3);
}
const { ort } = runtime;
const session = await openSession(ort, positionals[0], 1, values.level);
const feeds = {};
values.input.forEach((spec, i) => {
  const split = spec.indexOf('=');
  const name = split > 0 ? spec.slice(0, split) : session.inputNames[i];
  const { type, data, dims } = readNpy(split > 0 ? spec.slice(split + 1) : spec);
  feeds[name] = new ort.Tensor(type, data, dims);
});
const outputs = await session.run(feeds);
mkdirSync(values['output-dir'], { recursive: true });
for (const [name, tensor] of Object.entries(outputs))
  writeNpy(join(values['output-dir'], `${name.replace(/[^A-Za-z0-9_.-]/g, '_')}.npy`),
    { type: tensor.type, data: tensor.data, dims: tensor.dims });
