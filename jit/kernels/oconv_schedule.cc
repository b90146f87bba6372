// Candidates of tiles for kernels with outputs in the lanes, and the model that ranks them: per tap the slowest of dot
// units, load ports and front end; for each tile the lines of the source that it reads first.
#include <algorithm>

#include "jit/kernels/oconv.h"

namespace quadlane {
namespace {

struct Part {
  int64_t size, count;
};
// `whole` cut into the fewest parts of at most `most`, as equal as possible.
std::vector<Part> equal_parts(int64_t whole, int64_t most) {
  const int64_t parts = (whole + most - 1) / most, small = whole / parts, large = whole % parts;
  return {{small + 1, large}, {small, parts - large}};
}
// The largest of them when they begin at multiples of `up`.
int64_t largest_part(int64_t whole, int64_t most, int64_t up) {
  const int64_t steps = (whole + up - 1) / up, parts = (whole + most - 1) / most;
  return std::min(whole, (steps + parts - 1) / parts * up);
}
// Whole parts of `size`, then what is left.
std::vector<Part> whole_parts(int64_t whole, int64_t size) { return {{size, whole / size}, {whole % size, 1}}; }

// Cycles that a line of the source takes to arrive: tiles are narrow, so every plane is a stream of its own, and no
// prefetcher follows them. Fitted to sources of 1 to 11 times a second-level cache of 1 MiB.
double line_cycles(const OconvSpec& s, const OconvExtent& extent, const CpuInfo& cpu) {
  double planes = 0;
  for (int64_t n : extent.section_planes) planes += static_cast<double>(n);
  const double bytes = planes * static_cast<double>(s.src_row * extent.h / s.up_y), l2 = cpu.l2_bytes;
  return 20 * std::clamp((bytes - l2) / (8 * l2), 0.0, 1.0);
}

// Cycles of one tile of `rows` x `columns` pixels x `vectors` vectors of outputs.
double tile_cycles(const OconvSpec& s, const OconvExtent& extent, double rows, double columns, double vectors,
                   double dot_rate, double line) {
  const double pixels = rows * columns;
  const double read = pixels * extent.read, dots = read * vectors, clamps = read * (s.clamp_lo + s.clamp_hi);
  const double units = (dots + 0.5 * clamps) / dot_rate, loads = (read + vectors) / 2,
               decode = (dots + read + clamps + vectors) / 6;
  const double slowest = std::max({units, loads, decode});
  constexpr double kLatency = 4.5;  // an accumulator takes one dot a tap it reads
  const double tap = std::max(kLatency * extent.read, slowest) + 0.1 * (units + loads + decode - slowest);
  double cycles = 25 + pixels * vectors * (s.dst == DType::u8 ? 2.5 : 6);
  for (size_t i = 0; i < s.taps.size(); ++i) {
    const auto planes = static_cast<double>(extent.section_planes[i]);
    const double lines = rows / s.up_y * (columns * static_cast<double>(s.src_pixel) / s.up_x / 64 + 1);
    cycles += planes * (static_cast<double>(s.taps[i].size()) * tap + 2 + lines * line);
  }
  return cycles;
}

}  // namespace

std::vector<OconvSchedule> oconv_schedules(const OconvSpec& base, const OconvExtent& extent, const CpuInfo& cpu) {
  const bool one_dot = cpu.vendor == "AuthenticAMD" && cpu.family < 26;  // Zen 4
  const double line = line_cycles(base, extent, cpu);
  std::vector<OconvSchedule> candidates;
  for (int vectors = 1; vectors <= 4; ++vectors) {
    if (vectors > 1 && kVectorPixels * (vectors - 1) >= extent.outputs) break;
    for (int most = extent.up_x; most <= 30; most += extent.up_x) {
      OconvSchedule c;
      c.vectors = vectors;
      c.columns = static_cast<int>(largest_part(extent.w, most, extent.up_x));
      const int64_t rows = std::min<int64_t>(most / c.columns, extent.h) / extent.up_y * extent.up_y;
      c.rows = static_cast<int>(std::max<int64_t>(extent.up_y, rows));
      OconvSpec spec = base;
      spec.rows = c.rows, spec.columns = c.columns, spec.outputs = kVectorPixels * vectors;
      if (!check(spec).ok() || std::find(candidates.begin(), candidates.end(), c) != candidates.end()) continue;
      candidates.push_back(c);
    }
  }
  for (OconvSchedule& c : candidates)
    for (const Part& rows : whole_parts(extent.h, c.rows))
      for (const Part& columns : equal_parts(extent.w, c.columns))
        for (const Part& outputs : whole_parts((extent.outputs + kVectorPixels - 1) / kVectorPixels, c.vectors))
          if (rows.size * columns.size * outputs.size > 0)
            c.cycles += static_cast<double>(rows.count * columns.count * outputs.count) *
                        tile_cycles(base, extent, static_cast<double>(rows.size), static_cast<double>(columns.size),
                                    static_cast<double>(outputs.size), one_dot ? 1 : 2, line);
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const OconvSchedule& a, const OconvSchedule& b) { return a.cycles < b.cycles; });
  return candidates;
}

}  // namespace quadlane
