// Convolution over flattened planes: the generator behind engine/base/abi/conv.h.
//
//   acc[o][p] = bias[o] + sum over sections s, planes i of s, taps t of s of dot(w[s][i][t][o], clamp_i(src_i[p + t]))
//   u8 -> u8    y = out_zero + round_half_even(clamp(float(acc) * mult[o] [+ float(r - r_zero) * r_mult], v_lo, v_hi))
//   u8 -> f32   y = act(float(acc) * mult[o] [+ shift[o]] [+ r])
//   f32 -> f32  y = act(acc [+ r])
//   with a slope, what is rounded or stored is v < 0 ? v * slope[o] : v
//   with a table, what is stored is table[y]
//
// The tile: pixels in the lanes, output channels as a loop count.
//
//                 <-- pv 16-pixel vectors, in passes of pass_registers -->
//        o = 0   | acc[0][0]     | acc[0][1]     | ...
//        o = 1   | acc[1][0]     | acc[1][1]     |       acc[o][v] += dot(pixels[v], weight[o])
//        ...     |               |               |       pixels[v]: loaded once a tap and plane
//        o = no-1| acc[no-1][0]  | ...           |       weight[o]: one broadcast a tap and plane
//
// Any tap is the same load at another byte offset; no border is tested for. Four accumulators of 4 consecutive outputs
// become one quad vector, missing outputs of the last quad are stored as 0. Loads stay within the taps' reach of the
// tile's own vectors (prefetches do not), stores only write these vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/abi/conv.h"
#include "engine/base/cpu.h"
#include "engine/base/status.h"
#include "engine/base/tensor.h"
#include "jit/kernels/activation.h"
#include "jit/kernels/rounding.h"
#include "jit/machine_code.h"

namespace quadlane {

enum class ConvResidual : uint8_t { none, u8, f32 };  // u8 with dst u8, f32 with dst f32
// Whether a convolution applies the function to its f32 results: clip, leaky, hard_sigmoid, hard_swish, sigmoid, swish.
// u8 results have v_lo and v_hi.
bool conv_applies(Activation);

struct ConvSpec {
  Isa isa = Isa::avx512_vnni;
  DType src = DType::u8, dst = DType::u8;  // u8 -> u8, u8 -> f32, f32 -> f32
  int pv = 1;                              // 16-pixel vectors in a tile
  int no = 4;                              // output channels in a tile
  std::vector<std::vector<int64_t>> taps;  // byte offsets from the output's pixel, one list for each section
  bool clamp_lo = false, clamp_hi = false;
  bool shift = false;  // u8 -> f32 only
  bool slope = false;  // not with an activation or a residual
  bool table = false;  // u8 -> u8, with AVX512_VBMI
  ConvResidual residual = ConvResidual::none;
  bool residual_zero = true;  // a u8 residual has a zero point other than 0
  Activation act = Activation::none;
  RoundingFacts rounding{};  // u8 dst
  // How it is computed; none of these changes a result.
  int pass_registers = 0;  // vector registers of pixels at once; divides pv * 16 / lanes; 0: the generator chooses
  bool weight_registers = false;  // AVX-512: broadcast a weight to a register once, instead of with every dot
  int prefetch = 0;               // bytes ahead of the last tap's row, once a plane; 0: none

  auto operator<=>(const ConvSpec&) const = default;
};

// "conv u8u8 avx512_vnni pv3 no8 taps[9:hash] ...": equal texts, equal code.
std::string describe(const ConvSpec&);
// Why no code can be generated for it, or ok.
Status check(const ConvSpec&);
Result<MachineCode> generate(const ConvSpec&, const GenerateOptions& = {});

// The same kernel for fewer vectors: what is left of an image behind its last whole tile. 1 <= pv <= spec.pv.
ConvSpec with_vectors(ConvSpec, int pv);

// Entries of dst_planes, dst_pad and residual_planes that one call uses: ceil(no / 4), or no for f32.
int dst_plane_count(const ConvSpec&);

// Weight of output o (0..no-1), section, plane of the section, tap, channel of the quad (0 for f32 sources).
using ConvWeightS8 = std::function<int8_t(int o, int section, int64_t plane, int tap, int channel)>;
using ConvWeightF32 = std::function<float(int o, int section, int64_t plane, int tap)>;
// The packed block for one call, in the order in which the kernel reads: [section][plane][tap][o].
//   u8, AVX-512  4 s8 of the quad
//   u8, AVX2     the same or 8 bytes of 16-bit pairs, whichever is faster for these weights: conv_pack.h
//   f32          1 f32
// packed_weight_bytes() is the most that a block of any weights takes.
std::vector<std::byte> pack_conv_weights(const ConvSpec&, const std::vector<int64_t>& section_planes,
                                         const ConvWeightS8&);
std::vector<std::byte> pack_conv_weights(const ConvSpec&, const std::vector<int64_t>& section_planes,
                                         const ConvWeightF32&);
int64_t packed_weight_bytes(const ConvSpec&, const std::vector<int64_t>& section_planes);

// How to tile a problem.
struct ConvSchedule {
  int pv = 1, no = 4, pass_registers = 1;
  bool weight_registers = false;
  int prefetch = 0;
  double cycles = 0;  // the model's estimate for one image; only good for comparing

  void apply(ConvSpec& spec) const {
    spec.pv = pv;
    spec.no = no;
    spec.pass_registers = pass_registers;
    spec.weight_registers = weight_registers;
    spec.prefetch = prefetch;
  }
};
struct ConvExtent {
  int64_t outputs = 0;                  // output channels of the convolution (of one group)
  int64_t vectors = 0;                  // 16-pixel vectors of an image
  std::vector<int64_t> section_planes;  // planes in each section
};
// Candidates for the spec (whose pv, no and schedule fields are ignored), best first by the model, as far as they come
// within some per cent of the best; never empty for a spec that check() accepts. For outputs behind the last whole
// block use the same schedule with a smaller `no`.
std::vector<ConvSchedule> conv_schedules(const ConvSpec&, const ConvExtent&, const CpuInfo&);

}  // namespace quadlane
