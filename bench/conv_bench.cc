// Convolution kernels on one core: GMAC/s and the share of the peak measured in the same process.
//
//   conv_bench                     every shape with the tile that the model chooses
//   conv_bench --tiles=N           every shape with the model's first N candidates
//   conv_bench --isa=avx2          another instruction set than the best one of this machine
// and Google Benchmark's own flags.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/conv_case.h"
#include "jit/peak.h"

namespace quadlane::bench {
namespace {

std::vector<ConvShape> shapes() {
  constexpr DType f32 = DType::f32;
  return {
      {56, 56, 64, 64, 3},
      {96, 96, 80, 16, 3},
      {192, 192, 48, 16, 3},
      {192, 192, 96, 16, 3},
      {224, 224, 96, 32, 3},
      {28, 28, 128, 128, 3},
      {14, 14, 256, 256, 3},
      {7, 7, 512, 512, 3},
      {192, 192, 64, 4, 3},
      {224, 224, 1, 32, 3},
      {192, 192, 64, 4, 1},
      {224, 224, 80, 32, 1},
      {56, 56, 256, 64, 1},
      {96, 96, 32, 32, 5},
      // Layers of dense blocks, the threshold of batch norm + ReLU on their input.
      {224, 224, 96, 16, 3, true},
      {112, 112, 192, 16, 3, true},
      {56, 56, 256, 16, 3, true},
      {288, 288, 96, 12, 3, true},
      {144, 144, 144, 12, 3, true},
      {56, 56, 64, 64, 3, false, f32},
      {96, 96, 80, 16, 3, false, f32},
      {192, 192, 48, 16, 3, false, f32},
      {28, 28, 128, 128, 3, false, f32},
      {192, 192, 64, 4, 1, false, f32},
      {224, 224, 96, 16, 3, true, f32},
  };
}

void time_case(benchmark::State& state, const ConvShape& shape, Isa isa, const ConvSchedule& schedule, double peak) {
  auto made = ConvCase::make(shape, isa, schedule);
  if (!made.ok()) return state.SkipWithError(made.error().text().c_str());
  made->run();
  for (auto _ : state) made->run();
  const double gmacs = shape.gmac() * static_cast<double>(state.iterations());
  state.counters["GMAC/s"] = benchmark::Counter(gmacs, benchmark::Counter::kIsRate);
  state.counters["peak"] = benchmark::Counter(gmacs / peak, benchmark::Counter::kIsRate);
}

void register_all(Isa isa, size_t tiles) {
  const CpuInfo cpu = detect_cpu();
  const double peak_u8 = measure_peak_gmacs(isa, DType::u8).value(),
               peak_f32 = measure_peak_gmacs(isa, DType::f32).value();
  std::printf("%s on %s: peak %.1f GMAC/s u8, %.1f GMAC/s f32\n", to_string(isa), cpu.name.c_str(), peak_u8, peak_f32);
  for (const ConvShape& shape : shapes()) {
    auto schedules = conv_schedules(ConvCase::spec(shape, isa), ConvCase::extent(shape), cpu);
    schedules.resize(std::min(schedules.size(), tiles));
    for (const ConvSchedule& s : schedules) {
      std::string name = cat("conv/", shape.name(), "/pv", s.pv, "/no", s.no, "/r", s.pass_registers,
                             s.weight_registers ? "/wr" : "", s.prefetch ? "/pf" : "");
      double peak = shape.type == DType::u8 ? peak_u8 : peak_f32;
      benchmark::RegisterBenchmark(name.c_str(), time_case, shape, isa, s, peak)->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  using namespace quadlane;
  Isa isa = detect_cpu().best_isa();
  size_t tiles = 1;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--tiles=", 8) == 0) {
      tiles = static_cast<size_t>(std::max(1, std::atoi(argv[i] + 8)));
    } else if (std::strncmp(argv[i], "--isa=", 6) == 0) {
      auto parsed = parse_isa(argv[i] + 6);
      if (!parsed.ok()) return std::fprintf(stderr, "%s\n", parsed.error().text().c_str()), 1;
      isa = *parsed;
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (isa == Isa::reference || !detect_cpu().runs(isa)) {
    std::fprintf(stderr, "this machine does not run generated code for %s\n", to_string(isa));
    return 1;
  }
  bench::register_all(isa, tiles);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
