// f32 rows <-> u8 quad planes; formulas and arguments in engine/base/abi/quantize.h.
#pragma once

#include "engine/base/abi/quantize.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

// Bit j of `channels`: byte j of the quads is a channel of the f32 side. Launch code groups planes by it.
struct QuantizeSpec {
  Isa isa = Isa::avx2;
  RowShape row;  // of the quad planes
  int channels = 15;
  bool divides = false;
  auto operator<=>(const QuantizeSpec&) const = default;
};
std::string describe(const QuantizeSpec&);
Result<MachineCode> generate(const QuantizeSpec&, const GenerateOptions& = {});

struct DequantizeSpec {
  Isa isa = Isa::avx2;
  RowShape row;  // of the f32 side; gap 0 for dense tensors
  int channels = 15;
  auto operator<=>(const DequantizeSpec&) const = default;
};
std::string describe(const DequantizeSpec&);
Result<MachineCode> generate(const DequantizeSpec&, const GenerateOptions& = {});

// The mean of whole maps of w pixels a row, in floats. DequantizeArgs: `zero` times the number of pixels, `scale` divided
// by it, `rows` those of the map, dst_row_bytes not read.
struct DequantizedMeanSpec {
  Isa isa = Isa::avx2;
  int w = 0;
  int gap = 0;  // pixels behind the mean that are stored as padding; 0 for dense tensors
  int channels = 15;
  auto operator<=>(const DequantizedMeanSpec&) const = default;
};
std::string describe(const DequantizedMeanSpec&);
Result<MachineCode> generate(const DequantizedMeanSpec&, const GenerateOptions& = {});

// The least and the largest value of f32 planes of rows of w pixels.
struct RangeSpec {
  Isa isa = Isa::avx2;
  int w = 0;
  auto operator<=>(const RangeSpec&) const = default;
};
std::string describe(const RangeSpec&);
Result<MachineCode> generate(const RangeSpec&, const GenerateOptions& = {});

}  // namespace quadlane
