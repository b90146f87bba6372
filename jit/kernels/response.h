// Local response normalization: each pixel's channels by those near them, on planes; arguments in
// engine/base/abi/channels.h.
#pragma once

#include "engine/base/abi/channels.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

struct ResponseSpec {
  Isa isa = Isa::avx2;
  int below = 0, above = 0;  // planes in front of and behind the one at hand that count with it
  float scale = 0, bias = 1, beta = 0.75f;

  bool operator==(const ResponseSpec&) const = default;
};
std::string describe(const ResponseSpec&);
Result<MachineCode> generate(const ResponseSpec&, const GenerateOptions& = {});

}  // namespace quadlane
