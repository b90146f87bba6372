// Random convolutions at the level of engine/base/abi/conv.h, with a scalar reference written from its formula.
#pragma once

#include <string>
#include <vector>

#include "engine/base/abi/conv.h"
#include "jit/kernels/conv.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {

// One block of output channels over whole images: everything that ConvArgs points to.
struct ConvProblem {
  ConvProblem(const ConvSpec&, Rng&);

  ConvSpec spec;
  Geometry src_geometry, dst_geometry;  // one pitch
  std::vector<int64_t> section_planes;
  Planes src, dst, residual;  // residual: any bytes, also when the spec has none
  std::vector<std::byte> weights;
  std::vector<int8_t> weights_s8;  // [section][plane][tap][o][channel]
  std::vector<float> weights_f32;  // [section][plane][tap][o]
  std::vector<int32_t> bias_s32;
  std::vector<float> bias_f32, mult, shift;
  ByteTable table{};
  GuardedBytes clamp_lo, clamp_hi;  // 64 bytes a plane
  std::vector<uint16_t> lanes;
  ConvEpilogue epilogue;

  int64_t planes() const;
  // Runs the kernels as the launch code does: whole tiles, then what is left. Natively, or interpreted.
  ::testing::AssertionResult run(bool native);
  // What dst must hold afterwards.
  GuardedBytes expected() const;
  // Equal bytes; fp32 sums may differ by rounding.
  ::testing::AssertionResult agrees(const GuardedBytes& expected) const;
  std::string text() const { return describe(spec) + " on " + quadlane::describe(dst_geometry); }

 private:
  void make_sources(Rng&);
  void make_epilogue(Rng&);
  int64_t weight_index(size_t section, int64_t plane, size_t tap, int o) const;
  uint32_t pixel(int image, int64_t p, int o) const;
  float finish(float v, float residual) const;
};

// A spec that check() accepts, and its taps' reach in pixels and rows.
ConvSpec random_conv_spec(Isa, Rng&);

}  // namespace quadlane::testing
