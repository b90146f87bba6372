// Arithmetic on quads: the four channels of a vector of pixels as four registers of dwords, and back.
//
//   quad vector, one 128-bit lane:  p0c0 p0c1 p0c2 p0c3 | p1c0 .. | p2c0 .. | p3c0 .. p3c3     16 bytes
//   group k = 0..3, the same lane:  pkc0 pkc1 pkc2 pkc3                                        4 dwords
//
// Pixels never leave their 128-bit lane, so expanding is one shuffle a group, packing is three saturating packs without
// a permutation, and a per-channel operand is its four values repeated in every lane.
#pragma once

#include "jit/asm/assembler.h"

namespace quadlane {

inline constexpr int kGroups = 4;

// to = group k of the quads in `from`, zero-extended.
void expand_quads(Assembler&, const Vec& to, const Vec& from, int group);
// Repeats element k of each 128-bit lane: a value for each pixel becomes one for each channel of group k.
void spread_pixel_value(Assembler&, const Vec& to, const Vec& from, int group);
// Four dwords (one for each channel) into every 128-bit lane.
void broadcast_channels(Assembler&, const Vec& to, const Xbyak::Address& four_dwords);

// The end of every u8 result: y = zero + round_half_even(clamp(v, lo - zero, hi - zero)), then quads.
class QuadRounding {
 public:
  // Addresses of v_lo, v_hi (f32) and out_zero (s32) in memory.
  QuadRounding(Assembler&, const Xbyak::Address& v_lo, const Xbyak::Address& v_hi, const Xbyak::Address& out_zero);
  // groups[0..3] hold v as f32; afterwards groups[0] holds the quads.
  void finish(const std::vector<Vec>& groups) const;

 private:
  Assembler& a_;
  Vec lo_, hi_, zero_;  // zero_: sixteen-bit words
};

// groups[0..3] of s32 between 0 and 255 into the quads in groups[0].
void pack_quads(Assembler&, const std::vector<Vec>& groups);

}  // namespace quadlane
