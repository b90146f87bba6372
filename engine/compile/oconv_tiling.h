// How an output is cut into tiles for the kernels of jit/kernels/oconv.h, and which taps each pixel of a tile reads.
#pragma once

#include "engine/compile/conv_operands.h"
#include "engine/run/oconv_step.h"
#include "jit/kernels/oconv.h"

namespace quadlane::compile {

// A convolution as these kernels see it. Output row y reads, for a tap, input row
//     (y * stride_y + dy) / up_y      where that is a whole number; likewise columns.
// Strides and the holes of a transposed convolution are steps over the input, nothing is split or interleaved.
struct OconvProblem {
  std::vector<PlanarValue> sources;  // of each section; all of one geometry
  std::vector<ConvSection> sections;
  int stride_y = 1, stride_x = 1, up_y = 1, up_x = 1;
  // Taps in the padding are left out: what they read is worth 0. Else the padding must hold what the network means.
  bool skips_padding = false;
};

struct OconvTiling {
  struct Kind {  // the parts of a spec that differ between tiles
    int rows, columns;
    std::vector<std::vector<OconvTap>> taps;
    bool operator==(const Kind&) const = default;

    void apply(OconvSpec& spec) const { spec.rows = rows, spec.columns = columns, spec.taps = taps; }
  };
  int rows = 1;  // of a tile
  std::vector<int> first_columns;
  std::vector<uint8_t> kinds;  // [tile row][segment]
  std::vector<Kind> distinct;

  // The step's geometries and tiles; images are the caller's.
  void apply(run::OconvStep&, const OconvProblem&, const Geometry& src, const Geometry& dst) const;
};

// Taps of the spec, as tiles that start at output (0, 0) read them; no pixel is left out.
std::vector<std::vector<OconvTap>> oconv_taps(const OconvProblem&, const Geometry& src);
// What a schedule is chosen by.
OconvExtent oconv_extent(const OconvProblem&, int64_t outputs, const Geometry& src, const Geometry& dst);
Result<OconvTiling> oconv_tiling(const OconvProblem&, const OconvSchedule&, const Geometry& src, const Geometry& dst);
// Tile rows in a band: its pixels stay in half of the second-level cache while every block of outputs reads them.
int64_t oconv_band_rows(const OconvProblem&, const OconvTiling&, const Geometry& src, const CpuInfo&);

}  // namespace quadlane::compile
