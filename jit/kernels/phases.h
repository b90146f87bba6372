// Phase kernels: one plane into the planes of its column phases, and back; arguments in engine/base/abi/phases.h.
#pragma once

#include "engine/base/abi/phases.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

struct PhaseSplitSpec {
  Isa isa = Isa::avx2;
  int stride = 2;
  uint32_t wanted = 3;  // bit k: phase k has a plane
  int src_w = 1;
  RowShape dst;  // pixels whose source column is not there (stride * x + k >= src_w) are padding too
  auto operator<=>(const PhaseSplitSpec&) const = default;
};
std::string describe(const PhaseSplitSpec&);
Result<MachineCode> generate(const PhaseSplitSpec&, const GenerateOptions& = {});

struct PhaseInterleaveSpec {
  Isa isa = Isa::avx2;
  int stride = 2;
  RowShape dst;
  auto operator<=>(const PhaseInterleaveSpec&) const = default;
};
std::string describe(const PhaseInterleaveSpec&);
Result<MachineCode> generate(const PhaseInterleaveSpec&, const GenerateOptions& = {});

// More phases than this are refused: that many planes are no way to run a convolution.
inline constexpr int kMaxPhases = 16;

}  // namespace quadlane
