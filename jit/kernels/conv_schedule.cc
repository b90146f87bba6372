// Candidates of tiles and the model that ranks them: for one pass over a tile, the slowest of dot units, load ports and
// front end, plus what the epilogue, the loops and the first-level cache add; whole and left-over tiles counted apart.
#include <algorithm>
#include <set>

#include "jit/kernels/conv.h"
#include "jit/kernels/conv_tile.h"

namespace quadlane {
namespace {

// Instructions a cycle. AMD Zen 4 does one 512-bit dot, two loads and six instructions a cycle; Zen 5 and Intel's
// server cores have two dot units for the same two loads, so a weight broadcast by every dot starves them. AVX2 exact
// dots are four instructions (two of them products) on four (AMD, of which a register-only loop fills 3.25:
// bench/conv_bench) or three (Intel) vector units.
struct Machine {
  double dots, vector_units, loads, decode;
};

Machine machine_of(Isa isa, const CpuInfo& cpu) {
  const bool amd = cpu.vendor == "AuthenticAMD", zen5 = amd && cpu.family >= 26;
  if (has_avx512(isa)) return {amd && !zen5 ? 1.0 : 2.0, zen5 ? 4.0 : 2.0, 2, zen5 ? 8.0 : 6.0};
  return {2, amd ? 3.25 : 2.5, 1.6, amd ? 6.0 : 4.5};  // two loads a cycle at best, fitted
}

// What one plane's taps touch: bytes from the first to the last, and rows of memory, which lie further apart than a few
// cache lines.
struct TapReach {
  double bytes = 0;
  int rows = 1;

  explicit TapReach(std::vector<int64_t> taps) {
    std::sort(taps.begin(), taps.end());
    bytes = static_cast<double>(taps.back() - taps.front());
    for (size_t i = 1; i < taps.size(); ++i) rows += taps[i] - taps[i - 1] > 256;
  }
};

class Model {
 public:
  Model(const ConvSpec& base, const ConvExtent& extent, const CpuInfo& cpu)
      : base_(base), extent_(extent), cpu_(cpu), machine_(machine_of(base.isa, cpu)) {
    for (const auto& taps : base.taps) reach_.emplace_back(taps);
  }

  // Cycles for one image.
  double image(const ConvSchedule& schedule) const {
    double cycles = 0;
    for (auto [no, blocks] :
         {std::pair<int64_t, int64_t>{schedule.no, extent_.outputs / schedule.no}, {extent_.outputs % schedule.no, 1}})
      for (auto [pv, tiles] : {std::pair<int64_t, int64_t>{schedule.pv, extent_.vectors / schedule.pv},
                               {extent_.vectors % schedule.pv, 1}}) {
        if (no == 0 || pv == 0 || blocks == 0 || tiles == 0) continue;
        ConvSpec spec = base_;
        schedule.apply(spec);
        spec.no = static_cast<int>(no);
        spec = with_vectors(spec, static_cast<int>(pv));
        const double passes =
            static_cast<double>(tiles) * static_cast<double>(pv) * registers_per_vector() / spec.pass_registers;
        cycles += static_cast<double>(blocks) * (passes * pass(spec) + 60);
      }
    return cycles;
  }

 private:
  int registers_per_vector() const { return has_avx512(base_.isa) ? 1 : 2; }

  double tap(const ConvSpec& s) const {
    const double regs = s.pass_registers, no = s.no, dots = regs * no;
    const double clamps = regs * (s.clamp_lo + s.clamp_hi);
    double units = 0, loads = 0, decode = 0;
    if (s.src == DType::u8 && !has_vnni(s.isa)) {
      // Narrow dots (conv_pack.h), with the extra ones that trained layers need: one dot in thirty.
      constexpr double kExtra = 1.1;
      units = kExtra * std::max((3 * dots + clamps) / machine_.vector_units, 2 * dots / machine_.dots);
      loads = kExtra * (no + 1.5 * regs);
      decode = kExtra * (3 * dots + no + regs + clamps);
    } else {
      const bool embedded = has_avx512(s.isa) && !s.weight_registers;
      units = (dots + 0.5 * clamps) / machine_.dots;
      loads = regs + (embedded ? dots : no);
      decode = dots + regs + (embedded ? 0 : no) + clamps;
    }
    // A clamp's limits that found no register are read with every pixel register.
    const int registers = has_avx512(s.isa) ? 32 : 16;
    const int left = registers - s.pass_registers * s.no - reduction_registers(s, s.pass_registers);
    loads += regs * std::max(0, s.clamp_lo + s.clamp_hi - left);
    // The slower ones hide behind the slowest, not wholly.
    const double cycles[] = {units, loads / machine_.loads, decode / machine_.decode};
    const double slowest = *std::max_element(cycles, cycles + 3);
    // Every accumulator takes one dot a tap and waits for the one before.
    constexpr double kLatency = 5;
    return std::max(kLatency, slowest) + 0.2 * (cycles[0] + cycles[1] + cycles[2] - slowest);
  }

  double pass(const ConvSpec& s) const {
    const double regs = s.pass_registers;
    // A tap's pixels start anywhere in a line, and each visit of a plane costs some time of its own.
    const double line_bytes = regs * 64 / registers_per_vector() + 96;
    double cycles = 15, kept = 0, fresh = 0, again = 0, weights = 0;  // bytes
    for (size_t i = 0; i < s.taps.size(); ++i) {
      const double planes = static_cast<double>(extent_.section_planes[i]),
                   taps = static_cast<double>(s.taps[i].size());
      cycles += planes * (taps * tap(s) + 2);
      kept += planes * (reach_[i].bytes + line_bytes);
      fresh += planes * line_bytes;
      again += planes * line_bytes * (reach_[i].rows - 1);
      weights += planes * taps * s.no * 4;
    }
    // The newest row's pixels come from the second-level cache, at 32 bytes a cycle, mostly hidden. The older rows'
    // pixels do when the rows between are too many for the first level, the weights when one pass is.
    const double l1 = cpu_.l1d_bytes;
    auto missed = [&](double used) { return std::clamp((used - 0.7 * l1) / l1, 0.0, 1.0); };
    cycles += 0.25 / 32 * (fresh + missed(kept + weights) * again + missed(fresh + again + weights) * weights);
    const double stores = regs * dst_plane_count(s);
    cycles += stores * (s.dst == DType::u8 ? (has_avx512(s.isa) ? 8 : 9) : 4);
    cycles += regs * s.no / machine_.loads;  // bias
    return cycles;
  }

  const ConvSpec& base_;
  const ConvExtent& extent_;
  const CpuInfo& cpu_;
  Machine machine_;
  std::vector<TapReach> reach_;  // of each section
};

}  // namespace

std::vector<ConvSchedule> conv_schedules(const ConvSpec& base, const ConvExtent& extent, const CpuInfo& cpu) {
  Model model(base, extent, cpu);
  const int per_vector = has_avx512(base.isa) ? 1 : 2;
  const int64_t planes = [&] {
    int64_t sum = 0;
    for (int64_t n : extent.section_planes) sum += n;
    return sum;
  }();
  // Blocks end at quads; a single block may have any number of outputs.
  std::set<int> outputs;
  for (int no = 4; no <= 28; no += 4) outputs.insert(no);
  for (int no = 1; no <= 16 && base.dst == DType::f32; ++no) outputs.insert(no);
  if (extent.outputs <= 28) outputs.insert(static_cast<int>(extent.outputs));

  std::vector<ConvSchedule> candidates;
  for (int no : outputs) {
    if (no > extent.outputs) continue;
    for (int regs = 1; regs <= 14; ++regs) {
      ConvSchedule c;
      c.no = no;
      c.pass_registers = regs;
      // The smallest tile that whole passes fill; AVX2 passes of an odd number of registers take two.
      c.pv = regs % per_vector == 0 ? regs / per_vector : regs;
      if (c.pv > extent.vectors && regs > 1) continue;
      // Many planes defeat the hardware's prefetchers: 256 bytes ahead mends it.
      c.prefetch = planes >= 8 ? 256 : 0;
      for (bool weight_registers : {false, true}) {
        // Without embedded broadcasts weights are always in registers, and no option.
        if (weight_registers && (!has_avx512(base.isa) || (base.src == DType::u8 && !has_vnni(base.isa)))) continue;
        c.weight_registers = weight_registers;
        ConvSpec spec = base;
        c.apply(spec);
        if (!check(spec).ok()) continue;
        c.cycles = model.image(c);
        candidates.push_back(c);
      }
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const ConvSchedule& a, const ConvSchedule& b) { return a.cycles < b.cycles; });
  // The rest is not worth anybody's time.
  constexpr double kWorthTiming = 1.06;
  std::erase_if(candidates, [&, best = candidates.empty() ? 0 : candidates[0].cycles](const ConvSchedule& c) {
    return c.cycles > kWorthTiming * best;
  });
  return candidates;
}

}  // namespace quadlane
