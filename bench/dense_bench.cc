// Kernels on dense tensors: matrix products against the measured peak, everything else against the speed of a copy of
// the same bytes. Both are measured in this process, by thread time.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>

#include "engine/run/dense/copy.h"
#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/gemm_step.h"
#include "engine/run/dense/lines.h"
#include "engine/run/dense/quantize.h"
#include "jit/kernel_cache.h"
#include "jit/kernels/gemm.h"
#include "jit/peak.h"

namespace quadlane {
namespace {

using run::DenseAddress;
using run::Place;

Isa isa() { return std::min(detect_cpu().best_isa(), Isa::avx512_vnni); }

// One step on an arena of random floats in (0, 1) or bytes.
class Bench {
 public:
  explicit Bench(size_t bytes) : arena_(bytes + 4096) {
    std::mt19937 rng(1);
    auto* floats = reinterpret_cast<float*>(arena_.data());
    for (size_t i = 0; i < bytes / 4; ++i) floats[i] = std::uniform_real_distribution<float>(0.1f, 1)(rng);
  }
  void run(const run::Step& step) {
    run::RunContext ctx{arena_.data(), arena_.data(), {}, {}};
    step.run(ctx, 0, 1);
    benchmark::ClobberMemory();
  }
  std::byte* data() { return arena_.data(); }

 private:
  std::vector<std::byte> arena_;
};

DenseAddress at(size_t offset) { return {Place::arena, offset}; }

double seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Bytes copied per second from one block of this size to another, counted once.
double copy_speed(size_t bytes) {
  std::vector<char> from(bytes, 1), to(bytes);
  double best = 1e9;
  for (int i = 0; i < 30; ++i) {
    const double start = seconds();
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::DoNotOptimize(to.data());
    best = std::min(best, seconds() - start);
  }
  return static_cast<double>(bytes) / best;
}

// Seconds of the fastest run.
double fastest(benchmark::State& state, Bench& bench, const run::Step& step) {
  double best = 1e9;
  for (auto _ : state) {
    const double start = seconds();
    bench.run(step);
    best = std::min(best, seconds() - start);
  }
  return best;
}

// Runs the step; `bytes` of input and of output on average.
void against_copy(benchmark::State& state, Bench& bench, const run::Step& step, size_t bytes) {
  const double copy = copy_speed(bytes), best = fastest(state, bench, step);
  state.counters["of_copy_%"] = 100 * static_cast<double>(bytes) / best / copy;
  state.counters["GB/s"] = static_cast<double>(bytes) / best * 1e-9;
}

// m, n, k
void gemm_f32(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const GemmProblem problem{isa(), false};
  const run::GemmLayout layout{isa(), false, k, n};
  GemmSchedule schedule = gemm_schedule(problem, m);
  KernelCache cache;
  run::GemmF32Step step;
  step.loops = isa(), step.layout = layout, step.m = m, step.a_matrix = step.b_matrix = {0};
  step.rows = schedule.rows, step.panels = static_cast<int>(std::min<int64_t>(schedule.panels, layout.panels()));
  step.a_row_bytes = layout.a_row_bytes();
  size_t indices[2][2];
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 2; ++c) {
      GemmSchedule s{schedule.rows, step.panels};
      if (r && m % s.rows) s.rows = static_cast<int>(m % s.rows);
      if (c && layout.panels() % s.panels) s.panels = static_cast<int>(layout.panels() % s.panels);
      indices[r][c] = *cache.find_or_generate(describe(problem, s), [&] { return generate(problem, s); });
    }
  auto loaded = cache.load();
  if (!loaded.ok()) return state.SkipWithError(loaded.error().text().c_str());
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 2; ++c) step.kernels[r][c] = loaded->entries[indices[r][c]];
  const size_t a_bytes = static_cast<size_t>(m * k * 4 + 63) / 64 * 64, b_bytes = static_cast<size_t>(layout.b_bytes());
  Bench bench(a_bytes + b_bytes + static_cast<size_t>(m * n * 4));
  step.a = at(0), step.b = at(a_bytes), step.y = at(a_bytes + b_bytes);
  const double best = fastest(state, bench, step);
  const double gmac = static_cast<double>(m * n * k) * 1e-9;
  auto peak = measure_peak_gmacs(isa(), DType::f32);
  state.counters["GMAC/s"] = gmac / best;
  if (peak.ok()) state.counters["of_peak_%"] = 100 * gmac / best / *peak;
  state.counters["B_GB/s"] = static_cast<double>(b_bytes) / best * 1e-9;
}
BENCHMARK(gemm_f32)
    ->Args({1, 1000, 512})
    ->Args({1, 1000, 1280})
    ->Args({4, 1000, 1280})
    ->Args({16, 1000, 1280})
    ->Args({64, 256, 256})
    ->Args({196, 512, 512})
    ->Args({1024, 1024, 1024});

// rows, columns: NCHW <-> NHWC at one image
void transpose_f32(benchmark::State& state) {
  const int64_t rows = state.range(0), columns = state.range(1);
  const auto bytes = static_cast<size_t>(rows * columns * 4);
  Bench bench(2 * bytes);
  run::StridedCopy copy(4, {{columns, 1, rows}, {rows, columns, 1}});
  run::CopiesStep step({{at(0), at(bytes), copy}});
  against_copy(state, bench, step, bytes);
}
BENCHMARK(transpose_f32)->Args({3, 224 * 224})->Args({224 * 224, 3})->Args({64, 56 * 56})->Args({85, 3549});

// Rows of pixels; the second operand walks along, or stands still in each row, or is the same row again and again.
enum class Second { walks, stands, repeats };
void elementwise(benchmark::State& state, const char* name, size_t operands, Second second, int64_t rows, int64_t n) {
  const auto bytes = static_cast<size_t>(rows * n) * 4;
  Bench bench((operands + 1) * bytes);
  std::vector<TensorType> types(operands, {DType::f32, {rows, n}});
  if (second == Second::stands) types[1].shape = {rows, 1};
  if (second == Second::repeats) types[1].shape = {1, n};
  run::BroadcastStep step(isa(), run::ElementLoop::find(name, operands, DType::f32, DType::f32), {rows, n}, types,
                          {0.1f, 0.5f});
  for (size_t i = 0; i < operands; ++i) step.from[i] = at(i * bytes);
  step.to = at(operands * bytes);
  against_copy(state, bench, step, bytes);
}
BENCHMARK_CAPTURE(elementwise, add, "Add", 2, Second::walks, 64, 3136);
BENCHMARK_CAPTURE(elementwise, mul_by_channel, "Mul", 2, Second::stands, 64, 3136);
BENCHMARK_CAPTURE(elementwise, mul_by_channel_of_49, "Mul", 2, Second::stands, 512, 49);
BENCHMARK_CAPTURE(elementwise, mul_by_channel_of_5, "Mul", 2, Second::stands, 512, 5);
BENCHMARK_CAPTURE(elementwise, add_row, "Add", 2, Second::repeats, 196, 768);
BENCHMARK_CAPTURE(elementwise, add_row_of_10, "Add", 2, Second::repeats, 196, 10);
BENCHMARK_CAPTURE(elementwise, leaky_relu, "LeakyRelu", 1, Second::walks, 64, 3136);
BENCHMARK_CAPTURE(elementwise, exp, "Exp", 1, Second::walks, 64, 3136);
BENCHMARK_CAPTURE(elementwise, exp_of_10, "Exp", 1, Second::walks, 1, 10);
BENCHMARK_CAPTURE(elementwise, tanh, "Tanh", 1, Second::walks, 64, 3136);
BENCHMARK_CAPTURE(elementwise, sigmoid, "Sigmoid", 1, Second::walks, 64, 3136);
BENCHMARK_CAPTURE(elementwise, gelu, "Gelu", 1, Second::walks, 64, 3136);

template <class Step>
void lines(benchmark::State& state, Step step) {
  step.lines = {state.range(0), state.range(1), state.range(2)};
  step.isa = isa();
  const auto bytes = static_cast<size_t>(state.range(0) * state.range(1) * state.range(2)) * 4;
  Bench bench(3 * bytes);
  step.from = at(0), step.to = at(bytes);
  against_copy(state, bench, step, bytes);
}
void softmax(benchmark::State& state) { lines(state, run::SoftmaxStep()); }
void reduce_sum(benchmark::State& state) { lines(state, run::ReduceStep()); }
void arg_max(benchmark::State& state) { lines(state, run::ArgStep()); }
BENCHMARK(softmax)->Args({1, 1000, 1})->Args({196, 196, 1})->Args({1, 21, 512 * 512})->Args({4420, 2, 1});
BENCHMARK(reduce_sum)->Args({512, 49, 1})->Args({1, 1 << 18, 1})->Args({1, 64, 3136});
BENCHMARK(arg_max)->Args({1, 21, 512 * 512})->Args({1, 1000, 1});

}  // namespace
}  // namespace quadlane

BENCHMARK_MAIN();
