// Quads from bytes of other quads: byte j of a result pixel is any byte of the pixel at the same place of any plane.
//
//   dst[p].byte(j) = src_j[p].byte(b_j), or 0
//
// A plane offset that is moved by some pixels reads a neighbour, so a convolution's columns can become channels: with
// src_j = one plane, j pixels on, four horizontal taps of one channel stand in a dword (engine/compile/fold_columns.h).
//
// Arguments are ConvArgs (engine/base/abi/conv.h) with four entries in src_planes, one destination plane, pv = 1, and
// gather_bytes() as `weights`; bias, mult, clamps, residual and epilogue are not read.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/base/abi/conv.h"
#include "engine/base/cpu.h"
#include "engine/base/status.h"
#include "jit/machine_code.h"

namespace quadlane {

struct QuadGatherSpec {
  Isa isa = Isa::avx2;
  auto operator<=>(const QuadGatherSpec&) const = default;
};
std::string describe(const QuadGatherSpec&);
Result<MachineCode> generate(const QuadGatherSpec&, const GenerateOptions& = {});

// One 64-byte vector of byte indices for each j; b_j = -1 makes zeros.
std::vector<std::byte> gather_bytes(const std::array<int, 4>& b);

}  // namespace quadlane
