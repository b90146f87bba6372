#include "engine/compile/conv_tuner.h"

#include <time.h>

#include <algorithm>
#include <array>

#include "engine/compile/oconv_tiling.h"
#include "jit/kernel_cache.h"

namespace quadlane::compile {
namespace {

constexpr size_t kCandidates = 4;     // of the model's ranking
constexpr size_t kRepetitions = 5;    // interleaved; the median counts
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

void leave_tile_out(ConvSpec& spec) { ConvSchedule{}.apply(spec); }
void leave_tile_out(OconvSpec& spec) { spec.rows = spec.columns = 1, spec.outputs = kVectorPixels; }

// Everything of a problem that a choice depends on.
template <class Spec, class Extent>
std::string problem_key(const CpuInfo& cpu, Spec spec, const Extent& extent, const Geometry& src, const Geometry& dst) {
  leave_tile_out(spec);
  std::string key =
      cat(cpu.name, " ", cpu.family, " ", describe(spec), " ", extent.outputs, " ", describe(src), " ", describe(dst));
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
  std::unique_ptr<run::Step> step;
  int parts = 1;
  double outputs_share = 1;  // of the convolution's outputs that the step computes

  // For the whole image and all outputs. Every turn takes another part, as pixels that the caches hold from the last
  // turn would cost nothing; the first and last part, where padding is read, only if there are no others.
  double seconds(const run::RunContext& ctx, int turn) const {
    const int part = parts > 2 ? 1 + turn % (parts - 2) : turn % parts;
    const double start = thread_seconds();
    step->run(ctx, part, parts);
    return (thread_seconds() - start) * parts / outputs_share;
  }
};

namespace {

// `count` planes one behind the other from `bytes` on.
std::vector<int64_t> plane_list(const Geometry& g, int64_t bytes, int64_t count) {
  std::vector<int64_t> planes;
  for (int64_t i = 0; i < count; ++i) planes.push_back(bytes + i * g.plane_bytes() + g.origin * kPixelBytes);
  return planes;
}

// Trials run on the whole of one image; of a very large one the model alone decides.
template <class Spec, class Extent>
bool too_large(const Spec& spec, const Extent& extent, const Geometry& src, const Geometry& dst) {
  constexpr double kMostBytes = 256 << 20;
  const int64_t results = spec.dst == DType::u8 ? (extent.outputs + 3) / 4 : extent.outputs;
  return static_cast<double>(sum(extent.section_planes)) * static_cast<double>(src.plane_bytes()) +
             static_cast<double>(results) * static_cast<double>(dst.plane_bytes()) >
         kMostBytes;
}

size_t fastest(const std::vector<double>& seconds) {
  return static_cast<size_t>(std::min_element(seconds.begin(), seconds.end()) - seconds.begin());
}

Geometry one_image(const Geometry& g) { return *make_geometry(1, g.h, g.w, g.gap, g.pad_top, g.pad_bottom); }

}  // namespace

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
  QL_CHECK_OK(reserve_weights(lanes + static_cast<size_t>(dst.vectors() + 64) * sizeof(uint16_t)));

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
  auto step = std::make_unique<run::ConvStep>();
  run::ConvStep& s = *step;
  s.src = src;
  s.dst = dst;
  s.src_planes = plane_list(src, 0, sources);
  s.dst_planes = plane_list(dst, sources * src.plane_bytes(), results * blocks);
  s.dst_pads.assign(s.dst_planes.size(), 0);
  s.lanes = lanes;
  s.pv = spec.pv;
  s.band_tiles = conv_band_tiles(cpu_, extent, spec);
  for (int64_t b = 0; b < blocks; ++b) {
    run::ConvStep::Block block{};
    block.weights = block_bytes * static_cast<size_t>(b);
    block.bias = block.mult = block.clamp_lo = block.clamp_hi = bounds;
    block.first_dst = static_cast<uint32_t>(b * results);
    std::copy(extent.section_planes.begin(), extent.section_planes.end(), block.section_planes);
    block.kernels.assign(static_cast<size_t>(spec.pv), nullptr);
    block.kernels.back() = loaded.entries[kernels[0]];
    if (kernels.size() > 1)
      block.kernels[static_cast<size_t>(dst.vectors() % spec.pv - 1)] = loaded.entries[kernels[1]];
    s.blocks.push_back(std::move(block));
  }
  trial.step = std::move(step);
  trial.parts = std::max(1, static_cast<int>(schedule.cycles / kTrialCycles));
  trial.outputs_share = static_cast<double>(blocks * spec.no) / static_cast<double>(extent.outputs);
  return trial;
}

Result<ConvTuner::Trial> ConvTuner::prepare(const OconvSpec& base, const OconvSchedule& schedule,
                                            const OconvExtent& extent, const OconvProblem& problem, const Geometry& src,
                                            const Geometry& dst) {
  QL_TRY(OconvTiling tiling, oconv_tiling(problem, schedule, src, dst));
  OconvSpec spec = base;
  spec.residual = ConvResidual::none;
  const int64_t sources = sum(extent.section_planes), outputs = schedule.vectors * kVectorPixels;
  const int64_t blocks = (extent.outputs + outputs - 1) / outputs;
  const int64_t results = spec.dst == DType::u8 ? outputs / 4 : outputs;
  int64_t dwords = 0;
  for (size_t i = 0; i < spec.taps.size(); ++i)
    dwords += extent.section_planes[i] * static_cast<int64_t>(spec.taps[i].size()) * outputs;
  const auto block_bytes = static_cast<size_t>(4 * dwords), bounds = block_bytes * static_cast<size_t>(blocks);
  QL_CHECK_OK(reserve(arena_, static_cast<size_t>(sources * src.plane_bytes() + results * blocks * dst.plane_bytes())));
  QL_CHECK_OK(reserve_weights(bounds + static_cast<size_t>(std::max<int64_t>(sources, 64)) * 64 + 4096));

  Trial trial;
  KernelCache cache;
  std::vector<std::vector<size_t>> kernels;  // of each block; the last one may have fewer outputs
  for (int64_t first = 0; first < extent.outputs; first += outputs) {
    spec.outputs = static_cast<int>(std::min(outputs, extent.outputs - first));
    kernels.emplace_back();
    for (const OconvTiling::Kind& kind : tiling.distinct) {
      kind.apply(spec);
      QL_TRY(size_t index, cache.find_or_generate(describe(spec), [&] { return generate(spec); }));
      kernels.back().push_back(index);
    }
  }
  QL_TRY(auto loaded, cache.load());
  trial.code = std::move(loaded.memory);
  auto step = std::make_unique<run::OconvStep>();
  run::OconvStep& s = *step;
  tiling.apply(s, problem, src, dst);
  s.src_planes = plane_list(src, 0, sources);
  s.dst_planes = plane_list(dst, sources * src.plane_bytes(), results * blocks);
  s.dst_pads.assign(s.dst_planes.size(), 0);
  s.band_rows = oconv_band_rows(problem, tiling, src, cpu_);
  for (size_t b = 0; b < kernels.size(); ++b) {
    run::OconvStep::Block block{block_bytes * b,
                                bounds,
                                bounds,
                                bounds,
                                bounds,
                                bounds,
                                {},
                                0,
                                static_cast<uint32_t>(b) * static_cast<uint32_t>(results),
                                {}};
    std::copy(extent.section_planes.begin(), extent.section_planes.end(), block.section_planes);
    for (size_t index : kernels[b]) block.kernels.push_back(loaded.entries[index]);
    s.blocks.push_back(std::move(block));
  }
  trial.step = std::move(step);
  trial.parts = std::clamp(static_cast<int>(schedule.cycles / kTrialCycles), 1,
                           static_cast<int>(tiling.kinds.size() / tiling.first_columns.size()));
  return trial;
}

// In a network other layers' weights have been through the second-level cache since a layer's last run: every run takes
// weights that have not been touched for twice its size.
Status ConvTuner::reserve_weights(size_t bytes) {
  trial_weights_ = std::max(trial_weights_, (bytes + 63) / 64 * 64);
  return reserve(weights_, trial_weights_ + 2 * size_t{cpu_.l2_bytes});
}

std::vector<double> ConvTuner::time(const std::vector<Trial>& trials) {
  std::vector<std::array<double, kRepetitions>> seconds(trials.size());
  size_t at = 0;
  int turn = 0;
  for (size_t r = 0; r < kRepetitions; ++r)
    for (size_t i = 0; i < trials.size(); ++i) {
      const run::RunContext ctx{arena_.data(), weights_.data() + at, {}, {}};
      seconds[i][r] = trials[i].seconds(ctx, turn++);
      at += trial_weights_;
      if (at + trial_weights_ > weights_.size()) at = 0;
    }
  trial_weights_ = 0;
  std::vector<double> medians;
  for (auto& s : seconds) {
    std::nth_element(s.begin(), s.begin() + kRepetitions / 2, s.end());
    medians.push_back(s[kRepetitions / 2]);
  }
  return medians;
}

Result<ConvSchedule> ConvTuner::choose(const ConvSpec& spec, const ConvExtent& extent, const Geometry& src,
                                       const Geometry& dst) {
  std::vector<ConvSchedule> ranked = conv_schedules(spec, extent, cpu_);
  if (filter_.flat) filter_.flat(ranked);
  if (ranked.empty()) return unsupported("no schedule for ", describe(spec));
  const Geometry one_src = one_image(src), one_dst = one_image(dst);
  if (!timing_ || too_large(spec, extent, one_src, one_dst) || ranked.size() == 1) return ranked[0];
  const std::string key = problem_key(cpu_, spec, extent, src, dst);
  if (const ConvSchedule* kept = book_->find(key))
    for (const ConvSchedule& candidate : ranked)
      if (same_tile(candidate, *kept)) return candidate;

  ranked.resize(std::min(ranked.size(), kCandidates));
  std::vector<Trial> trials;
  for (const ConvSchedule& candidate : ranked) {
    QL_TRY(Trial trial, prepare(spec, candidate, extent, one_src, one_dst));
    trials.push_back(std::move(trial));
  }
  const ConvSchedule& winner = ranked[fastest(time(trials))];
  book_->keep(key, winner);
  return winner;
}

Result<OconvSchedule> ConvTuner::choose(const OconvSpec& spec, const OconvExtent& extent, const OconvProblem& problem,
                                        const Geometry& src, const Geometry& dst) {
  std::vector<OconvSchedule> ranked = oconv_schedules(spec, extent, cpu_);
  if (filter_.lanes) filter_.lanes(ranked);
  if (ranked.empty()) return unsupported("no schedule for ", describe(spec));
  const Geometry one_src = one_image(src), one_dst = one_image(dst);
  if (!timing_ || too_large(spec, extent, one_src, one_dst) || ranked.size() == 1) return ranked[0];
  const std::string key = problem_key(cpu_, spec, extent, src, dst);
  if (const std::optional<OconvSchedule>* kept = book_->find_lanes(key); kept && *kept)
    for (const OconvSchedule& candidate : ranked)
      if (same_tile(candidate, **kept)) return candidate;

  ranked.resize(std::min(ranked.size(), kCandidates));
  std::vector<Trial> trials;
  for (const OconvSchedule& candidate : ranked) {
    QL_TRY(Trial trial, prepare(spec, candidate, extent, problem, one_src, one_dst));
    trials.push_back(std::move(trial));
  }
  const OconvSchedule& winner = ranked[fastest(time(trials))];
  book_->keep_lanes(key, winner);
  return winner;
}

Result<std::optional<OconvSchedule>> ConvTuner::choose_lanes(const ConvSpec& spec, const ConvExtent& extent,
                                                             const ConvSchedule& chosen, const OconvSpec& lanes,
                                                             const OconvExtent& lanes_extent,
                                                             const OconvProblem& problem, const Geometry& src,
                                                             const Geometry& dst) {
  std::vector<OconvSchedule> ranked = oconv_schedules(lanes, lanes_extent, cpu_);
  if (filter_.lanes) {
    filter_.lanes(ranked);
    return ranked.empty() ? std::nullopt : std::optional(ranked[0]);
  }
  if (filter_.flat) return std::optional<OconvSchedule>();
  // The two families' models are good for some per cent each.
  constexpr double kSurely = 0.97, kPerhaps = 1.2;
  if (ranked.empty() || ranked[0].cycles > kPerhaps * chosen.cycles) return std::optional<OconvSchedule>();
  const Geometry one_src = one_image(src), one_dst = one_image(dst);
  if (!timing_ || too_large(spec, extent, one_src, one_dst))
    return ranked[0].cycles < kSurely * chosen.cycles ? std::optional(ranked[0]) : std::nullopt;
  const std::string key = problem_key(cpu_, spec, extent, src, dst);
  if (const std::optional<OconvSchedule>* kept = book_->find_lanes(key)) {
    if (!*kept) return std::optional<OconvSchedule>();
    for (const OconvSchedule& candidate : ranked)
      if (same_tile(candidate, **kept)) return std::optional(candidate);
  }

  ranked.resize(std::min(ranked.size(), kCandidates / 2));
  std::vector<Trial> trials;
  QL_TRY(Trial flat, prepare(spec, chosen, extent, one_src, one_dst));
  trials.push_back(std::move(flat));
  for (const OconvSchedule& candidate : ranked) {
    QL_TRY(Trial trial, prepare(lanes, candidate, lanes_extent, problem, one_src, one_dst));
    trials.push_back(std::move(trial));
  }
  // The flat kernels prefetch their pixels: where these do not fit in L2, a network gains less by the other family than
  // a trial, which has the memory for itself.
  constexpr double kClearly = 0.94;
  std::vector<double> best = time(trials);
  if (sum(extent.section_planes) * one_src.plane_bytes() > cpu_.l2_bytes) best[0] *= kClearly;
  const size_t winner = fastest(best);
  const auto choice = winner == 0 ? std::nullopt : std::optional(ranked[winner - 1]);
  book_->keep_lanes(key, choice);
  return choice;
}

}  // namespace quadlane::compile
