// Runs a model node by node in ONNX Runtime (graph optimizations off, so that quantized graphs are computed as they are
// written and no integer kernel saturates): ort_plain.mjs MODEL.onnx INPUT.npy OUTPUT.npy. Exit code 3: not installed.
import { readNpy, writeNpy } from '../../tools/npy.mjs';
import { loadRuntime } from '../../tools/ort.mjs';

const runtime = loadRuntime();
if (!runtime) process.exit(3);
const { ort } = runtime;
const [model, input, output] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'disabled', logSeverityLevel: 3,
});
const { type, data, dims } = readNpy(input);
const results = await session.run({ [session.inputNames[0]]: new ort.Tensor(type, data, dims) });
const y = results[session.outputNames[0]];
writeNpy(output, { type: y.type, data: y.data, dims: y.dims });
