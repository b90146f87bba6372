// Depthwise convolution of u8 quads: every output channel reads one input channel.
//
//   acc[j][p] = bias[j] + sum over sections s, taps t of s of w[s][t][j] * clamp(src_s[p + t] byte lanes(j))
//   y         = out_zero + round_half_even(clamp(float(acc) * mult[j] [+ float(r - r_zero) * r_mult], v_lo, v_hi))
//   with a slope, what is clamped is v < 0 ? v * slope[j] : v; with a table, the result is table[y]
//
// A dot over four channels is of no use here, so four taps of one channel go into the dword. The tile is one register
// of quads; its pixels p + i of every 128-bit lane make accumulator i:
//
//      memory, a 128-bit lane at tap t0, i pixels on        after one shuffle
//      | p+i: c0 c1 c2 c3 | p+i+1: c0 .. | p+i+2: .. |  ->  | c0: t0 t1 t1 t2 | c1: t0 t1 t1 t2 | c2: .. | c3: .. |
//
//      acc[i] += dot of 4 taps        i = 0..3, each 4 channels of one pixel in every 128-bit lane
//
// and three saturating packs of acc[0..3] give the quads back in order (jit/kernels/quads.h). Three or four taps that
// are neighbours in a row cost one load and one shuffle; all others are brought together by byte and word interleaving,
// two shuffles an accumulator. depthwise.md counts.
//
// Flattened (step 0), arguments are ConvArgs (engine/base/abi/conv.h) with one plane for each section, one destination
// plane, pv = 1, and everything that belongs to the channels in `weights`: bias, mult, clamp_lo and clamp_hi are not
// read.
//
// By rows (step 1 or 2), output pixel x of a row reads source pixel step * x: a stride without phases. At step 2 the
// 128-bit lanes of two loads that hold every second four pixels make the register. Arguments are OconvArgs
// (engine/base/abi/oconv.h), a tile is a row of w pixels, and nothing behind them is stored. AVX-512 takes rows of up
// to 8 pixels two at a time, one in each half of the register.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "engine/base/abi/oconv.h"
#include "engine/base/cpu.h"
#include "engine/base/status.h"
#include "jit/kernels/rounding.h"
#include "jit/machine_code.h"

namespace quadlane {

inline constexpr int kMaxDepthwiseSections = 4;

struct DepthwiseSpec {
  Isa isa = Isa::avx512_vnni;
  std::vector<std::vector<int64_t>> taps;   // byte offsets from the output's pixel, one list for each section
  int step = 0;                             // 0: flattened
  bool vbmi = false;                        // by rows, AVX-512: one permutation across both loads
  int w = 0;                                // of the result, by rows only
  std::array<int, 4> lanes = {0, 1, 2, 3};  // byte of the source's quad that each byte of the result reads
  bool clamp_lo = false, clamp_hi = false;  // of the source
  bool residual = false;                    // u8
  bool slope = false;                       // not with a residual
  bool table = false;                       // of 256 bytes that results are looked up in; AVX512_VBMI
  RoundingFacts rounding{};
  auto operator<=>(const DepthwiseSpec&) const = default;
};
std::string describe(const DepthwiseSpec&);
Status check(const DepthwiseSpec&);
Result<MachineCode> generate(const DepthwiseSpec&, const GenerateOptions& = {});

// What belongs to the four bytes of a result quad; a byte that is no channel has all zeros.
struct DepthwiseChannels {
  std::array<int32_t, 4> bias{};
  std::array<float, 4> mult{}, slope{};
  std::array<uint8_t, 4> clamp_lo{}, clamp_hi{255, 255, 255, 255};  // of the source's bytes
};
using DepthwiseWeight = std::function<int8_t(int byte, int section, int tap)>;
// The block that ConvArgs::weights points to, 64-byte vectors:
//   flags | bias | mult | clamp_lo | clamp_hi | slope | one for each group of taps (depthwise_groups.h) | four of the
//   table
std::vector<std::byte> pack_depthwise(const DepthwiseSpec&, const DepthwiseChannels&, const DepthwiseWeight&,
                                      std::span<const uint8_t> table = {});

}  // namespace quadlane
