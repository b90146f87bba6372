#include "jit/rates.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "jit/asm/assembler.h"
#include "jit/code_memory.h"

namespace quadlane {
namespace {

struct RateArgs {
  int64_t rounds;
  void* buffer;
};
constexpr int kUnroll = 48;
constexpr int kBufferBytes = kUnroll * 64;  // a part of any first-level cache

enum class Kind { chain, loads, stores, vector_ops, shuffles, nothing };

Result<MachineCode> generate_loop(Kind kind, Isa isa) {
  return assemble(cat("rate ", static_cast<int>(kind), " ", to_string(isa)), isa, {}, [&](Assembler& a) {
    auto v = a.vecs("v", 12);
    Gp rounds = a.gp("rounds"), buffer = a.gp("buffer"), x = a.gp("x");
    a.load_arg(rounds, offsetof(RateArgs, rounds));
    a.load_arg(buffer, offsetof(RateArgs, buffer));
    a.mov(x, 3);
    for (const Vec& r : v) a.zero(r);
    a.loop(rounds, [&] {
      for (int i = 0; i < kUnroll; ++i) {
        const Vec& r = v[static_cast<size_t>(i) % v.size()];
        const Xbyak::Address place = a.ptr[buffer + i * a.vector_bytes()];
        switch (kind) {
          case Kind::chain: a.imul(x, x); break;
          case Kind::loads: a.load(r, place); break;
          case Kind::stores: a.store(place, r); break;
          case Kind::vector_ops: a.vpaddd(r, r, r); break;
          case Kind::shuffles: a.vpshufb(r, r, r); break;
          case Kind::nothing: a.nop(); break;
        }
      }
    });
  });
}

Result<double> instructions_per_ns(Kind kind, Isa isa, void* buffer) {
  QL_TRY(MachineCode code, generate_loop(kind, isa));
  CodeMemory memory;
  const size_t offset = memory.place(code);
  QL_CHECK_OK(memory.seal());
  const KernelFn loop = memory.entry(offset);
  RateArgs args{20000, buffer};
  double best = 1e30;
  for (int i = 0; i < 12; ++i) {
    const auto start = std::chrono::steady_clock::now();
    loop(&args);
    best = std::min(best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  return static_cast<double>(args.rounds) * kUnroll / best;
}

}  // namespace

Result<MachineRates> measure_rates(Isa isa) {
  if (isa == Isa::reference || !detect_cpu().runs(isa))
    return unsupported("this processor does not run generated code for ", to_string(isa));
  std::vector<std::byte> memory(kBufferBytes + 64);
  void* buffer = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  MachineRates rates;
  QL_TRY(rates.clock, instructions_per_ns(Kind::chain, isa, buffer));
  rates.clock *= 3;
  QL_TRY(rates.loads, instructions_per_ns(Kind::loads, isa, buffer));
  QL_TRY(rates.stores, instructions_per_ns(Kind::stores, isa, buffer));
  QL_TRY(rates.vector_ops, instructions_per_ns(Kind::vector_ops, isa, buffer));
  QL_TRY(rates.shuffles, instructions_per_ns(Kind::shuffles, isa, buffer));
  QL_TRY(rates.instructions, instructions_per_ns(Kind::nothing, isa, buffer));
  return rates;
}

}  // namespace quadlane
