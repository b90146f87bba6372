#include "jit/peak.h"

#include <algorithm>
#include <chrono>

#include "jit/asm/assembler.h"
#include "jit/code_memory.h"

namespace quadlane {
namespace {

struct PeakArgs {
  int64_t rounds;
};

constexpr int kUnroll = 4;
// More chains than latency times throughput needs on any machine: 8 for FMA on AVX2, 4 to 10 for dots.
int chains(Isa isa) { return has_avx512(isa) ? 24 : 12; }

struct Loop {
  Isa isa;
  DType type;
  bool narrow;  // u8 without VNNI: bytes are multiplied, not 16-bit halves
  int macs;     // of one dot
};

Result<MachineCode> generate_loop(const Loop& loop) {
  const Isa isa = loop.isa;
  const DType type = loop.type;
  return assemble(cat("peak ", to_string(type), " ", to_string(isa)), isa, {}, [&](Assembler& a) {
    auto acc = a.vecs("acc", chains(isa));
    Vec x = a.vec("x"), y = a.vec("y"), product = a.vec("product"), other = a.vec("other product");
    for (const Vec& v : acc) a.zero(v);
    a.zero(x), a.zero(y);
    Gp rounds = a.gp("rounds");
    a.load_arg(rounds, offsetof(PeakArgs, rounds));
    a.loop(rounds, [&] {
      for (int u = 0; u < kUnroll; ++u)
        for (size_t i = 0; i < acc.size(); ++i) {
          if (type == DType::f32) {
            a.vfmadd231ps(acc[i], x, y);
          } else if (a.vnni()) {
            a.vpdpbusd(acc[i], x, y);
          } else {
            const Vec& p = i % 2 ? other : product;
            if (loop.narrow) {
              a.vpmaddubsw(p, x, y);
              a.vpmaddwd(p, p, y);
            } else {
              a.vpmaddwd(p, x, y);
            }
            a.vpaddd(acc[i], acc[i], p);
          }
        }
    });
  });
}

Result<double> rate(const Loop& what) {
  QL_TRY(MachineCode code, generate_loop(what));
  CodeMemory memory;
  const size_t offset = memory.place(code);
  QL_CHECK_OK(memory.seal());
  const KernelFn loop = memory.entry(offset);
  using Clock = std::chrono::steady_clock;
  auto seconds = [&](int64_t rounds) {
    PeakArgs args{rounds};
    auto start = Clock::now();
    loop(&args);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  constexpr int64_t kRounds = 20000;
  double best = seconds(kRounds);
  for (int i = 0; i < 15; ++i) best = std::min(best, seconds(kRounds));
  return static_cast<double>(kRounds) * kUnroll * chains(what.isa) * what.macs / best / 1e9;
}

}  // namespace

Result<double> measure_peak_gmacs(Isa isa, DType type) {
  if (type != DType::u8 && type != DType::f32) return invalid_argument("no peak of ", to_string(type));
  if (!detect_cpu().runs(isa)) return unsupported("this processor does not run ", to_string(isa));
  const int lanes = vector_lanes(isa);
  if (type == DType::f32) return rate({isa, type, false, lanes});
  if (has_vnni(isa)) return rate({isa, type, false, 4 * lanes});
  QL_TRY(double wide, rate({isa, type, false, 2 * lanes}));
  QL_TRY(double narrow, rate({isa, type, true, 4 * lanes}));
  return std::max(wide, narrow);
}

}  // namespace quadlane
