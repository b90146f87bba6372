// Plane sums: the statistics of normalizations; arguments in engine/base/abi/plane_sums.h.
#pragma once

#include "engine/base/abi/plane_sums.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

enum class PlaneSum : uint8_t { sum, squares, maximum };  // squares: of x - center

struct PlaneSumsSpec {
  Isa isa = Isa::avx2;
  PlaneSum sum = PlaneSum::sum;
  int w = 1;
  auto operator<=>(const PlaneSumsSpec&) const = default;
};
std::string describe(const PlaneSumsSpec&);
Result<MachineCode> generate(const PlaneSumsSpec&, const GenerateOptions& = {});

}  // namespace quadlane
