// Tiles of matrix products, f32 and int8; formula, layouts and arguments in engine/base/abi/gemm.h.
#pragma once

#include "engine/base/abi/gemm.h"
#include "jit/asm/assembler.h"

namespace quadlane {

struct GemmProblem {
  Isa isa = Isa::avx2;
  bool integer = false;  // else f32
  auto operator<=>(const GemmProblem&) const = default;
};

// Rows of A and panels of B whose sums stay in registers.
struct GemmSchedule {
  int rows = 1, panels = 1;
  auto operator<=>(const GemmSchedule&) const = default;
};
// For products of `m` rows: enough independent sums to hide the latency of one, and as many rows as there are registers
// for, so that a panel's vector is used often after one load.
GemmSchedule gemm_schedule(const GemmProblem&, int64_t m);

std::string describe(const GemmProblem&, const GemmSchedule&);
Result<MachineCode> generate(const GemmProblem&, const GemmSchedule&, const GenerateOptions& = {});

}  // namespace quadlane
