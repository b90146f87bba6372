#include "engine/compile/conv_tuner.h"

#include <time.h>

#include <algorithm>

#include "jit/kernel_cache.h"

namespace quadlane::compile {
namespace {

constexpr size_t kCandidates = 4;     // of the model's ranking
constexpr int kRepetitions = 5;       // interleaved; the fastest counts
constexpr double kTrialCycles = 3e6;  // about a millisecond a run

int64_t sum(const std::vector<int64_t>& values) {
  int64_t total = 0;
  for (int64_t v : values) total += v;
  return total;
}

// Processor time of this thread: what other processes do meanwhile does not count.
double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Everything of a problem that a choice depends on.
std::string problem_key(ConvSpec spec, const ConvExtent& extent, const Geometry& src, const Geometry& dst) {
  ConvSchedule{}.apply(spec);
  std::string key = cat(describe(spec), " ", extent.outputs, " ", describe(src), " ", describe(dst));
  for (int64_t n : extent.section_planes) key += cat(" ", n);
  return key;
}

}  // namespace

int64_t conv_band_tiles(const CpuInfo& cpu, const ConvExtent& extent, const ConvSpec& spec) {
  const int64_t tile_bytes = sum(extent.section_planes) * spec.pv * kVectorPixels * kPixelBytes;
  return std::max<int64_t>(4, cpu.l2_bytes / 2 / std::max<int64_t>(tile_bytes, 1));
}

// A convolution step on planes of zeros, and the share of its image that is timed.
struct ConvTuner::Trial {
  CodeMemory code;
  run::ConvStep step;
  int parts = 1;

  double seconds(const run::RunContext& ctx) const {
    const double start = thread_seconds();
    step.run(ctx, parts / 2, parts);
    return thread_seconds() - start;
  }
};

Status ConvTuner::reserve(run::AlignedBytes& memory, size_t bytes) {
  if (memory.data() && memory.size() >= bytes) return {};
  QL_TRY(memory, run::AlignedBytes::allocate(bytes));
  return {};
}

Result<ConvTuner::Trial> ConvTuner::prepare(const ConvSpec& base, const ConvSchedule& schedule,
                                            const ConvExtent& extent, const Geometry& src, const Geometry& dst) {
  ConvSpec spec = base;
  schedule.apply(spec);
  // A residual costs every candidate the same.
  spec.residual = ConvResidual::none;
  const int64_t sources = sum(extent.section_planes), blocks = std::max<int64_t>(1, extent.outputs / spec.no);
  const int64_t results = dst_plane_count(spec);
  const size_t block_bytes = static_cast<size_t>((packed_weight_bytes(spec, extent.section_planes) + 127) / 64 * 64);
  const size_t bounds = block_bytes * static_cast<size_t>(blocks);
  const size_t lanes = bounds + static_cast<size_t>(std::max<int64_t>(sources, 64)) * 64 + 4096;
  QL_CHECK_OK(reserve(arena_, static_cast<size_t>(sources * src.plane_bytes() + results * blocks * dst.plane_bytes())));
  QL_CHECK_OK(reserve(weights_, lanes + static_cast<size_t>(dst.vectors() + 64) * sizeof(uint16_t)));

  Trial trial;
  KernelCache cache;
  std::vector<size_t> kernels;
  for (int pv : {spec.pv, static_cast<int>(dst.vectors() % spec.pv)}) {
    if (pv == 0) continue;
    const ConvSpec sized = with_vectors(spec, pv);
    QL_TRY(size_t index, cache.find_or_generate(describe(sized), [&] { return generate(sized); }));
    kernels.push_back(index);
  }
  QL_TRY(auto loaded, cache.load());
  trial.code = std::move(loaded.memory);
  run::ConvStep& s = trial.step;
  s.src = src;
  s.dst = dst;
  s.src.n = s.dst.n = 1;
  for (int64_t i = 0; i < sources; ++i) s.src_planes.push_back(i * src.plane_bytes() + src.origin * kPixelBytes);
  for (int64_t i = 0; i < results * blocks; ++i)
    s.dst_planes.push_back(sources * src.plane_bytes() + i * dst.plane_bytes() + dst.origin * kPixelBytes);
  s.dst_pads.assign(s.dst_planes.size(), 0);
  s.lanes = lanes;
  s.pv = spec.pv;
  s.band_tiles = conv_band_tiles(cpu_, extent, spec);
  for (int64_t b = 0; b < blocks; ++b) {
    run::ConvStep::Block block{block_bytes * static_cast<size_t>(b), bounds, bounds, bounds, bounds, {}, 0,
                               static_cast<uint32_t>(b * results),   {}};
    std::copy(extent.section_planes.begin(), extent.section_planes.end(), block.section_planes);
    block.kernels.assign(static_cast<size_t>(spec.pv), nullptr);
    block.kernels.back() = loaded.entries[kernels[0]];
    if (kernels.size() > 1)
      block.kernels[static_cast<size_t>(dst.vectors() % spec.pv - 1)] = loaded.entries[kernels[1]];
    s.blocks.push_back(std::move(block));
  }
  trial.parts = std::max(1, static_cast<int>(schedule.cycles / kTrialCycles));
  return trial;
}

Result<ConvSchedule> ConvTuner::choose(const ConvSpec& spec, const ConvExtent& extent, const Geometry& src,
                                       const Geometry& dst) {
  std::vector<ConvSchedule> ranked = conv_schedules(spec, extent, cpu_);
  if (ranked.empty()) return unsupported("no schedule for ", describe(spec));
  // Trials run on whole planes; of very large ones the model alone decides.
  constexpr int64_t kMostPlaneBytes = int64_t{64} << 20;
  const bool large = src.plane_bytes() > kMostPlaneBytes || dst.plane_bytes() > kMostPlaneBytes;
  if (!timing_ || large || ranked.size() == 1) return ranked[0];
  const std::string key = problem_key(spec, extent, src, dst);
  if (auto it = chosen_.find(key); it != chosen_.end()) return it->second;

  ranked.resize(std::min(ranked.size(), kCandidates));
  std::vector<Trial> trials;
  for (const ConvSchedule& candidate : ranked) {
    QL_TRY(Trial trial, prepare(spec, candidate, extent, src, dst));
    trials.push_back(std::move(trial));
  }
  const run::RunContext ctx{arena_.data(), weights_.data(), {}, {}};
  std::vector<double> best(trials.size(), 1e9);
  for (int r = 0; r < kRepetitions; ++r)
    for (size_t i = 0; i < trials.size(); ++i) {
      // Shares differ by whole tiles between candidates: time for the whole image counts.
      const double whole = trials[i].seconds(ctx) * trials[i].parts;
      const double padded = static_cast<double>(std::max<int64_t>(1, extent.outputs / ranked[i].no) * ranked[i].no);
      best[i] = std::min(best[i], whole * static_cast<double>(extent.outputs) / padded);
    }
  const size_t winner = static_cast<size_t>(std::min_element(best.begin(), best.end()) - best.begin());
  return chosen_[key] = ranked[winner];
}

}  // namespace quadlane::compile
