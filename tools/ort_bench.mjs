// Times models in ONNX Runtime: one session each, run in turn round after round, so that noise on the machine meets
// all of them alike.
//
//   node tools/ort_bench.mjs MODEL.onnx... [--threads 1] [--rounds 15] [--shape 1x1x224x224]
//     [--input [NAME=]FILE.npy ...] [--json FILE|-]
//
// JSON: {runtime, version, threads, rounds, models: [{model, median_ms, cpu_ms, min_ms, max_ms, load_ms}]}; cpu_ms is the
// median of the processor time.
// Exit code 3: ONNX Runtime is not installed.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { boundShape, loadRuntime, openSession, randomTensor, readFeeds } from './ort.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' }, rounds: { type: 'string', default: '15' },
    shape: { type: 'string' }, input: { type: 'string', multiple: true, default: [] }, json: { type: 'string' }, help: { type: 'boolean' },
  },
});
if (values.help || !positionals.length) {
  console.error('usage: node tools/ort_bench.mjs MODEL.onnx... [--threads N] [--rounds N] [--shape AxBxC] [--json FILE|-]');
  process.exit(values.help ? 0 : 2);
}
const runtime = loadRuntime();
if (!runtime) {
  console.error('ONNX Runtime is not installed: tools/setup --peers installs it');
  process.exit(3);
}
const { ort, version } = runtime;
const threads = Number(values.threads), rounds = Number(values.rounds);

const entries = [];
for (const model of positionals) {
  const begin = performance.now();
  const session = await openSession(ort, model, threads);
  const load = performance.now() - begin;
  const feeds = readFeeds(ort, session, values.input);
  for (const meta of session.inputMetadata) {
    if (feeds[meta.name]) continue;
    const shape = values.shape ? values.shape.split('x').map(Number) : boundShape(meta);
    feeds[meta.name] = randomTensor(ort, meta, shape);
  }
  entries.push({ model, session, feeds, load, times: [], cpu: [] });
}

for (const { session, feeds } of entries) for (let i = 0; i < 2; i++) await session.run(feeds);
for (let round = 0; round < rounds; round++) {
  for (const entry of entries) {
    const begin = performance.now(), busy = process.cpuUsage();
    await entry.session.run(entry.feeds);
    entry.times.push(performance.now() - begin);
    const { user, system } = process.cpuUsage(busy);
    entry.cpu.push((user + system) / 1000);
  }
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const models = entries.map(({ model, load, times, cpu }) => {
  return { model, median_ms: median(times), cpu_ms: median(cpu), min_ms: times[0], max_ms: times.at(-1), load_ms: load };
});
const report = { runtime: 'onnxruntime-node', version, threads, rounds, models };
if (values.json) {
  const text = JSON.stringify(report, null, 1) + '\n';
  if (values.json === '-') process.stdout.write(text);
  else writeFileSync(values.json, text);
}
if (values.json !== '-') {
  console.log(`ONNX Runtime ${version}, ${threads} thread(s), ${rounds} interleaved rounds`);
  for (const m of models)
    console.log(`${m.median_ms.toFixed(1).padStart(9)} ms median  ${m.min_ms.toFixed(1).padStart(9)} min  ` +
      `${m.max_ms.toFixed(1).padStart(9)} max  ${m.model}`);
}
