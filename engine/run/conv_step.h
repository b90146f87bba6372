// Launch code of the convolution kernels (engine/base/abi/conv.h): walks images, blocks of output channels and tiles.
//
// Order: bands of tiles, inside a band the blocks of output channels: the band's pixels stay in L2 (and the rows a tile
// touches in L1) while every block reads them.
#pragma once

#include <optional>

#include "engine/run/step.h"

namespace quadlane::run {

class ConvStep final : public Step {
 public:
  struct Block {
    size_t weights, bias, mult, clamp_lo, clamp_hi;  // offsets into the plan's weights
    size_t shift = 0, weight_sums = 0;               // likewise, where there are some
    int outputs = 0;
    int64_t section_planes[kMaxConvSections] = {};
    uint32_t first_src;             // into src_planes
    uint32_t first_dst;             // into dst_planes
    std::vector<KernelFn> kernels;  // [v - 1]: a tile of v vectors, v = 1..pv
    static constexpr auto kFields =
        std::tuple{&Block::weights,        &Block::bias,      &Block::mult,        &Block::clamp_lo,
                   &Block::clamp_hi,       &Block::shift,     &Block::weight_sums, &Block::outputs,
                   &Block::section_planes, &Block::first_src, &Block::first_dst,   &Block::kernels};
  };

  // The input's scale and zero point where they are known at run time only: then mult is multiplied by the scale, and
  // the bias loses zero * weight_sums, s32 sums of each output's weights.
  struct InputScale {
    DenseAddress scale, zero;  // f32, u8
    static constexpr auto kFields = std::tuple{&InputScale::scale, &InputScale::zero};
  };
  static constexpr int kMaxOutputs = 32;  // of a block

  std::optional<InputScale> input_scale;
  Geometry src, dst;                                             // equal pitch
  std::vector<int64_t> src_planes, dst_planes, residual_planes;  // arena offsets of pixel (0, 0) of image 0
  std::vector<uint32_t> dst_pads;
  size_t lanes = 0;  // offset of valid_lanes(dst) in the weights
  ConvEpilogue epilogue;
  std::vector<Block> blocks;
  int pv = 1;
  int64_t band_tiles = 64;  // tiles in a band

  static constexpr auto kFields = std::tuple{&ConvStep::input_scale, &ConvStep::src,        &ConvStep::dst,
                                             &ConvStep::src_planes,  &ConvStep::dst_planes, &ConvStep::residual_planes,
                                             &ConvStep::dst_pads,    &ConvStep::lanes,      &ConvStep::epilogue,
                                             &ConvStep::blocks,      &ConvStep::pv,         &ConvStep::band_tiles};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  void scale_input(const RunContext&, const Block&, int32_t* bias, float* mult) const noexcept;
  void run_band(const RunContext&, int image, const Block&, int64_t first_vector, int64_t end_vector) const noexcept;
};

}  // namespace quadlane::run
