// Launch code of the convolution kernels with output channels in the lanes (engine/base/abi/oconv.h): walks images,
// bands of tile rows, blocks of output channels and segments of a row.
#pragma once

#include "engine/base/abi/oconv.h"
#include "engine/run/step.h"

namespace quadlane::run {

class OconvStep final : public Step {
 public:
  struct Block {
    size_t weights, bias, mult, shift, clamp_lo, clamp_hi;  // offsets into the plan's weights
    int64_t section_planes[kMaxConvSections] = {};
    uint32_t first_src;             // into src_planes
    uint32_t first_dst;             // into dst_planes
    std::vector<KernelFn> kernels;  // one for each kind of tile
    static constexpr auto kFields =
        std::tuple{&Block::weights,  &Block::bias,           &Block::mult,      &Block::shift,     &Block::clamp_lo,
                   &Block::clamp_hi, &Block::section_planes, &Block::first_src, &Block::first_dst, &Block::kernels};
  };

  Geometry src, dst;
  std::vector<int64_t> src_planes, dst_planes, residual_planes;  // arena offsets of pixel (0, 0) of image 0
  std::vector<uint32_t> dst_pads;
  ConvEpilogue epilogue;
  // Output pixel (y, x) lies at input pixel (y * stride_y / up_y, x * stride_x / up_x); tiles begin at multiples of up.
  int stride_y = 1, stride_x = 1, up_y = 1, up_x = 1;
  // The output is cut into rows of `tile_rows` pixels (the last may have fewer) and these segments of columns:
  int tile_rows = 1;
  std::vector<int> first_columns;
  std::vector<uint8_t> kinds;  // of tile: [tile row][segment]
  int64_t band_rows = 1;       // tile rows in a band
  std::vector<Block> blocks;
  static constexpr auto kFields = std::tuple{&OconvStep::src,
                                             &OconvStep::dst,
                                             &OconvStep::src_planes,
                                             &OconvStep::dst_planes,
                                             &OconvStep::residual_planes,
                                             &OconvStep::dst_pads,
                                             &OconvStep::epilogue,
                                             &OconvStep::stride_y,
                                             &OconvStep::stride_x,
                                             &OconvStep::up_y,
                                             &OconvStep::up_x,
                                             &OconvStep::tile_rows,
                                             &OconvStep::first_columns,
                                             &OconvStep::kinds,
                                             &OconvStep::band_rows,
                                             &OconvStep::blocks};
  void check(Checker&) const;

  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  void run_band(const RunContext&, int64_t image, const Block&, int64_t first, int64_t end) const noexcept;
};

}  // namespace quadlane::run
