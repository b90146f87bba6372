// Runs a model once in ONNX Runtime on .npy inputs and writes NAME.npy for every output, like `quadlane run`.
//
//   node tools/ort_run.mjs MODEL.onnx --input [NAME=]FILE.npy ... --output-dir DIR [--level disabled|basic|extended|all]
//   node tools/ort_run.mjs MODEL.onnx --each DIR --output-dir DIR ...  # samples: folders with input_K.npy; outputs beside them
//   node tools/ort_run.mjs MODEL.onnx --describe     # {inputs: [{name, type, shape}], outputs: [name]} as JSON
//
// Level disabled runs Q/DQ models as they are written, in float. Fused, ONNX Runtime's int8 saturates in 16 bits on
// processors without VNNI.
//
// Exit code 3: ONNX Runtime is not installed.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeNpy } from './npy.mjs';
import { loadRuntime, openSession, readFeeds } from './ort.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    input: { type: 'string', multiple: true, default: [] }, each: { type: 'string' }, 'output-dir': { type: 'string' },
    level: { type: 'string', default: 'all' }, describe: { type: 'boolean' },
  },
});
if (positionals.length !== 1 || !(values['output-dir'] || values.describe)) {
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
if (values.describe) {
  const inputs = session.inputMetadata.map(({ name, type, shape }) => ({ name, type, shape }));
  console.log(JSON.stringify({ inputs, outputs: session.outputNames }));
  process.exit(0);
}
async function runOn(specs, folder) {
  const outputs = await session.run(readFeeds(ort, session, specs));
  mkdirSync(folder, { recursive: true });
  for (const [name, tensor] of Object.entries(outputs))
    writeNpy(join(folder, `${name.replace(/[^A-Za-z0-9_.-]/g, '_')}.npy`),
      { type: tensor.type, data: tensor.data, dims: tensor.dims });
}
const { each, 'output-dir': target } = values;
if (!each) await runOn(values.input, target);
else
  for (const sample of readdirSync(each).sort())
    await runOn(session.inputNames.map((_, k) => join(each, sample, `input_${k}.npy`)), join(target, sample));
