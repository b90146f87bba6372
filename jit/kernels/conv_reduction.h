// The reduction of a convolution kernel in two parts: conv_reduce.cc walks sections, planes and taps, conv_dot.cc emits
// what one tap does.
#pragma once

#include <vector>

#include "jit/kernels/conv_tile.h"

namespace quadlane {

// How pixels and weights are multiplied.
//   vnni    vpdpbusd acc, pixels, weights                                          4 bytes of weights for each output
//   fma     vfmadd231ps acc, pixels, weight                                        4
//   wide    exact without VNNI: a pixel dword [c3 c2 c1 c0] becomes two vectors of 16-bit lanes,
//               even = pixels & 0x00ff00ff = [c2 | c0]      odd = pixels >> 8 = [c3 | c1]
//               acc += vpmaddwd(even, (w0, w2)) + vpmaddwd(odd, (w1, w3))            8
//   narrow  exact without VNNI where no pair of weights can leave 16 bits (255 * |w0 + w1| of one sign <= 32767):
//               acc += vpmaddwd(vpmaddubsw(pixels, weights), (1, 1))                 4
enum class ConvDot : uint8_t { vnni, fma, wide, narrow };

struct Reduction {
  ConvTile& t;
  Assembler& a;
  ConvDot dot;
  Gp plane, planes, weights, clamp_lo, clamp_hi;
  std::vector<Vec> pixels;           // one for each pixel register; wide: the even bytes
  std::vector<Vec> odd;              // wide
  std::vector<Vec> weight, product;  // temporaries; weights are taken in turn: independent chains
  std::vector<Vec> low, high;        // limits of the clamp: 0 or 1 register each
  std::vector<Vec> constant;         // 0 or 1 register: wide the byte mask, narrow the ones
  size_t turn = 0;

  bool is_u8() const { return t.spec.src == DType::u8; }
  int weight_bytes() const { return dot == ConvDot::wide ? 8 : 4; }
};

// The limits of the plane that the clamp pointers point to, where they have registers.
void emit_clamp_limits(Reduction&);
// The constant of `wide` and `narrow`, where it has a register.
void emit_dot_constant(Reduction&);
// All accumulators take the pixels at plane + tap; the weights lie at weights + weight_offset.
void emit_tap(Reduction&, int64_t tap, int weight_offset);
// narrow: output o alone takes the pixels at plane.
void emit_tap_of_output(Reduction&, int o, int weight_offset);

}  // namespace quadlane
