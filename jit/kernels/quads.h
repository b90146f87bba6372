// Arithmetic on quads: the four channels of a vector of pixels as four registers of dwords, and back.
//
//   quad vector, one 128-bit lane:  p0c0 p0c1 p0c2 p0c3 | p1c0 .. | p2c0 .. | p3c0 .. p3c3     16 bytes
//   group k = 0..3, the same lane:  pkc0 pkc1 pkc2 pkc3                                        4 dwords
//
// Pixels never leave their 128-bit lane, so expanding is one shuffle a group, packing is three saturating packs without
// a permutation, and a per-channel operand is its four values repeated in every lane.
#pragma once

#include "jit/asm/assembler.h"
#include "jit/kernels/rounding.h"

namespace quadlane {

inline constexpr int kGroups = 4;

// to = group k of the quads in `from`, zero-extended.
void expand_quads(Assembler&, const Vec& to, const Vec& from, int group);
// Repeats element k of each 128-bit lane: a value for each pixel becomes one for each channel of group k.
void spread_pixel_value(Assembler&, const Vec& to, const Vec& from, int group);
// Four dwords (one for each channel) into every 128-bit lane.
void broadcast_channels(Assembler&, const Vec& to, const Xbyak::Address& four_dwords);

// Groups as floats. AVX-512 interleaves the bytes with the upper half of 2^23, which has no conversion and uses units
// that nothing else wants; the values are offset() too large, and whoever takes a zero point off takes that off with
// it. AVX2, short of registers, shuffles and converts group by group; its offset is 0.
class FloatGroups {
 public:
  explicit FloatGroups(Assembler&);
  bool all_at_once() const { return a_.avx512(); }
  void expand(const std::vector<Vec>& to, const Vec& quads) const;  // all_at_once()
  void expand(const Vec& to, const Vec& quads, int group) const;    // else
  // A register of zero points becomes what is to be subtracted.
  void add_offset(const Vec& zero) const;

 private:
  Assembler& a_;
  std::vector<Vec> upper_, none_;
};
// v = v + x, rounded once, by the units that multiply: these have time left next to conversions and additions. AVX2,
// short of registers, adds.
class AddByMultiplying {
 public:
  explicit AddByMultiplying(Assembler&);
  void add(const Vec& v, const Vec& x) const { one_.empty() ? a_.vaddps(v, v, x) : a_.vfmadd213ps(v, one_[0], x); }

 private:
  Assembler& a_;
  std::vector<Vec> one_;
};

// Sums of each channel over pixels, exact in 32 bits. A byte shuffle brings the four pixels of a 128-bit lane together by
// channel, two pairwise multiply-adds by 1 leave the sum of four pixels of each channel in its dword (two bytes make at
// most 510 in the 16 bits between: nothing saturates).
//
//   p0c0..3 p1c0..3 p2c0..3 p3c0..3  ->  c0p0..3 c1p0..3 c2p0..3 c3p0..3  ->  sum c0, sum c1, sum c2, sum c3
class QuadSum {
 public:
  explicit QuadSum(Assembler&);
  void clear() const { a_.zero(sum_); }
  void add(const Vec& quads) const;                 // which are lost
  Xbyak::Xmm total(const Vec& temporary) const;  // the four channels; ends the sum

 private:
  Assembler& a_;
  Vec sum_, one8_, one16_;
};

// The end of every u8 result: y = zero + round_half_even(clamp(v, lo - zero, hi - zero)), then quads. Rounding is
// monotone and bounds are integers, so the packs and a clamp of bytes do the same as a clamp of v; only what overflows
// the conversion upwards must be kept away (downwards gives the least integer, as it should).
class QuadRounding {
 public:
  // Addresses of v_lo, v_hi (f32) and out_zero (s32) in memory.
  QuadRounding(Assembler&, const Xbyak::Address& v_lo, const Xbyak::Address& v_hi, const Xbyak::Address& out_zero,
               RoundingFacts = {});
  // groups[0..3] hold v as f32; afterwards groups[0] holds the quads.
  void finish(const std::vector<Vec>& groups) const;

 private:
  Assembler& a_;
  RoundingFacts facts_;
  std::vector<Vec> bounds_;   // bytes: lo, hi
  std::vector<Vec> zero_;     // sixteen-bit words
  std::vector<Vec> largest_;  // f32
};

// v = table[v] for every byte, by two permutations of 128 entries each, of which the highest bit of v chooses.
// AVX512_VBMI.
class ByteLookup {
 public:
  // The table's 256 bytes are at `at`. Registers hold as much of them as there are free beside `keep_free`.
  ByteLookup(Assembler&, const Xbyak::RegExp& at, int keep_free = 0);
  // Both temporaries are lost.
  void apply(const Vec& v, const Vec& temp, const Vec& temp2) const;

 private:
  // One half's entry for every byte of v, in `to`: v itself, or a temporary.
  void look_up(size_t half, const Vec& to, const Vec& v) const;

  Assembler& a_;
  std::vector<Xbyak::Address> memory_;  // 64 entries each: the first of either half, then the second
  std::vector<Vec> held_;               // the first few of them
};

// groups[0..3] of s32 between 0 and 255 into the quads in groups[0].
void pack_quads(Assembler&, const std::vector<Vec>& groups);

}  // namespace quadlane
