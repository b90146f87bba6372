#include "engine/compile/conv_tuner.h"

#include <algorithm>

namespace quadlane::compile {

Result<ConvSchedule> choose_conv_schedule(Lowering& l, const ConvSpec& spec, const ConvExtent& extent) {
  std::vector<ConvSchedule> ranked = conv_schedules(spec, extent, l.cpu);
  if (ranked.empty()) return unsupported("no schedule for ", describe(spec));
  return ranked[0];
}

int64_t conv_band_tiles(const CpuInfo& cpu, const ConvExtent& extent, const ConvSpec& spec) {
  int64_t planes = 0;
  for (int64_t n : extent.section_planes) planes += n;
  const int64_t tile_bytes = planes * spec.pv * kVectorPixels * kPixelBytes;
  return std::max<int64_t>(4, cpu.l2_bytes / 2 / std::max<int64_t>(tile_bytes, 1));
}

}  // namespace quadlane::compile
