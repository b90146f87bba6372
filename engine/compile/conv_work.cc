#include "engine/compile/conv_work.h"

#include <algorithm>
#include <set>

namespace quadlane::compile {
namespace {

// Rows that the taps of a section reach: each is another walk over the plane where the walk before has left L1.
int64_t tap_rows(const std::vector<int64_t>& taps, const Geometry& g) {
  std::set<int64_t> rows;
  const int64_t row_bytes = int64_t{g.pitch} * kPixelBytes, far = 64 * row_bytes;
  for (int64_t tap : taps) rows.insert((tap + far + row_bytes / 2) / row_bytes);
  return static_cast<int64_t>(rows.size());
}

}  // namespace

void note_conv_work(run::StepInfo& info, const ConvSpec& spec, std::span<const BlockWork> blocks, const Geometry& src,
                    const Geometry& dst, int64_t band_tiles, int64_t l1_bytes) {
  const int64_t pixels = int64_t{dst.n} * dst.vectors() * kVectorPixels, channels = spec.src == DType::u8 ? 4 : 1;
  const int64_t bands = (dst.vectors() + spec.pv * band_tiles - 1) / (spec.pv * band_tiles);
  double macs = 0;
  int64_t filled = info.bytes_written;
  for (const BlockWork& block : blocks) {
    int64_t products = 0, rows_bytes = 0, plane_walks = 0, planes = 0;
    for (size_t s = 0; s < spec.taps.size(); ++s) {
      const int64_t rows = tap_rows(spec.taps[s], src);
      products += block.section_planes[s] * static_cast<int64_t>(spec.taps[s].size());
      plane_walks += block.section_planes[s] * rows;
      planes += block.section_planes[s];
      rows_bytes += block.section_planes[s] * rows * src.pitch * kPixelBytes;
    }
    macs += static_cast<double>(pixels) * static_cast<double>(products * block.outputs * channels);
    // Rows are read again for the taps below them unless all planes' rows stay in L1 meanwhile.
    filled += pixels * kPixelBytes * (rows_bytes <= l1_bytes ? planes : plane_walks);
    const int64_t weight_bytes = products * block.outputs * 4;
    filled += weight_bytes * (blocks.size() > 1 ? bands * dst.n : 1);
  }
  info.gmac_lanes = macs * 1e-9;
  info.bytes_filled = filled;
}

}  // namespace quadlane::compile
