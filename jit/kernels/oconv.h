// Convolution with output channels in the lanes: the generator behind engine/base/abi/oconv.h.
//
// The same sums and the same planes as jit/kernels/conv.h with lanes and loop count exchanged:
//
//                  <-- vectors of 16 output channels -->
//        p = 0    | acc[0][0]     | acc[0][1]     |
//        p = 1    | acc[1][0]     | acc[1][1]     |       acc[p][v] += dot(pixel[p], weights[v])
//        ...      |               |               |       pixel[p]:   4 bytes of a plane, broadcast
//        p = np-1 | acc[np-1][0]  | ...           |       weights[v]: 16 outputs, loaded once a tap and plane
//
// The pixels of a tile may be any rectangle: strides are steps between broadcasts, transposed convolutions read one tap
// for every second pixel, no lane is lost at the end of a row, and a tap that reads padding is left out for just the
// pixels that would read it. So small maps, where a quarter of the flattened lanes and a fifth of the products are
// padding, run here; outputs want to be many and a multiple of 16.
//
// Four pixels' accumulators become 16 bytes of each of four quad planes without a shuffle:
//     vpackssdw, vpaddsw, vpackuswb   [p0 p1 p2 p3 of outputs 0-3 | of outputs 4-7 | of 8-11 | of 12-15]
#pragma once

#include "engine/base/abi/oconv.h"
#include "engine/base/geometry.h"
#include "jit/kernels/conv.h"

namespace quadlane {

struct OconvTap {
  int64_t offset = 0;   // bytes from the pixel's place in the source
  uint32_t pixels = 0;  // bit r * columns + c: the tile's pixel (r, c) reads this tap

  auto operator<=>(const OconvTap&) const = default;
};

struct OconvSpec {
  Isa isa = Isa::avx512_vnni;
  DType src = DType::u8, dst = DType::u8;  // u8 -> u8, u8 -> f32, f32 -> f32
  int rows = 1, columns = 1;               // pixels of the tile
  int outputs = 16;                        // of the block
  // Pixel (r, c) of the tile lies at r / up_y * src_row + c / up_x * src_pixel bytes in the source, whole divisions,
  // and at r * dst_row + c * 4 bytes in the result.
  int64_t src_pixel = kPixelBytes, src_row = 0, dst_row = 0;
  int up_y = 1, up_x = 1;
  int phases() const { return up_y * up_x; }
  int phase(int row, int column) const { return row % up_y * up_x + column % up_x; }
  std::vector<std::vector<OconvTap>> taps;  // one list for each section
  bool clamp_lo = false, clamp_hi = false;
  bool shift = false;  // u8 -> f32 only
  bool slope = false;  // not with an activation or a residual
  bool table = false;  // u8 -> u8, with AVX512_VBMI
  ConvResidual residual = ConvResidual::none;
  bool residual_zero = true;  // a u8 residual has a zero point other than 0
  Activation act = Activation::none;
  RoundingFacts rounding{};  // u8 dst
  int prefetch = 0;          // bytes ahead of the weights, 0: none

  int pixels() const { return rows * columns; }
  int vectors() const { return (outputs + kVectorPixels - 1) / kVectorPixels; }
  auto operator<=>(const OconvSpec&) const = default;
};

// "oconv u8u8 avx512_vnni 2x7 o32 taps[9:hash] ...": equal texts, equal code.
std::string describe(const OconvSpec&);
// Why no code can be generated for it, or ok.
Status check(const OconvSpec&);
Result<MachineCode> generate(const OconvSpec&, const GenerateOptions& = {});

// The packed block in the order in which the kernel reads: [section][plane][tap][16 * vectors] dwords of 4 s8 or one
// f32. Taps that no pixel reads keep their place, so tiles at the border and inside share the weights.
std::vector<std::byte> pack_oconv_weights(const OconvSpec&, const std::vector<int64_t>& section_planes,
                                          const ConvWeightS8&);
std::vector<std::byte> pack_oconv_weights(const OconvSpec&, const std::vector<int64_t>& section_planes,
                                          const ConvWeightF32&);

// How to tile an output of h x w pixels.
struct OconvSchedule {
  int rows = 1, columns = 1;  // of the largest tile
  int vectors = 1;            // of 16 outputs in a block
  double cycles = 0;          // the model's estimate for one image; only good for comparing

  bool operator==(const OconvSchedule&) const = default;
};
struct OconvExtent {
  int64_t outputs = 0, h = 0, w = 0;
  std::vector<int64_t> section_planes;
  int up_y = 1, up_x = 1;  // as in the spec: tiles begin at their multiples
  double read = 1;         // share of the taps that a pixel reads
};
// Candidates, best first by the model; the spec's tile is ignored, its taps count. Empty where check() refuses all.
std::vector<OconvSchedule> oconv_schedules(const OconvSpec&, const OconvExtent&, const CpuInfo&);

}  // namespace quadlane
