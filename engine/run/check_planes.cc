// What the steps on planes may touch.
#include <algorithm>

#include "engine/run/channels_step.h"
#include "engine/run/checker.h"
#include "engine/run/conv_step.h"
#include "engine/run/dense_steps.h"
#include "engine/run/elementwise_step.h"
#include "engine/run/move_step.h"
#include "engine/run/normalize_step.h"
#include "engine/run/oconv_step.h"

namespace quadlane::run {
namespace {

// A row table's entry: source rows that lie in an image.
bool in_image(const Geometry& g, int64_t row_offset) {
  return row_offset >= 0 && row_offset <= int64_t{g.h - 1} * g.pitch * kPixelBytes;
}

// Which planes a block of outputs reads and writes.
template <class Step>
void check_block_planes(Checker& c, const Step& s, const typename Step::Block& block) {
  const auto sources = static_cast<int64_t>(s.src_planes.size());
  int64_t read = 0;
  for (int64_t n : block.section_planes) {
    c.that(n >= 0 && n <= sources, "a section of planes that are not there");
    if (c.ok()) read += n;
  }
  c.that(read <= sources - int64_t{block.first_src}, "a block reads planes that are not there");
  c.that(block.first_dst < s.dst_planes.size(), "a block writes planes that are not there");
}

void check_block(Checker& c, const ConvStep& s, const ConvStep::Block& block) {
  check_block_planes(c, s, block);
  c.that(block.outputs >= 0 && block.outputs <= ConvStep::kMaxOutputs, "a block of too many outputs");
  for (size_t at : {block.weights, block.bias, block.mult, block.clamp_lo, block.clamp_hi, block.shift})
    c.weights(at, 4);
  if (s.input_scale)
    for (size_t at : {block.bias, block.mult, block.weight_sums}) c.table<int32_t>(at, block.outputs);
  c.that(block.kernels.size() == static_cast<size_t>(s.pv), "not one kernel for each number of vectors");
  if (!c.ok()) return;
  const int vectors = s.dst.vectors(), rest = vectors % s.pv;
  if (vectors >= s.pv) c.kernel(block.kernels.back());
  if (rest) c.kernel(block.kernels[static_cast<size_t>(rest - 1)]);
}

}  // namespace

void ConvStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target({dst, dst_planes, dst_pads});
  c.planes(dst, residual_planes);
  c.that(src.pitch == dst.pitch && src.n >= dst.n, "source and result have other geometries");
  c.that(residual_planes.empty() || residual_planes.size() == dst_planes.size(), "not one residual for each plane");
  c.that(pv >= 1 && pv <= 64 && band_tiles >= 1, "no tile");
  if (!c.ok()) return;
  c.table<uint16_t>(lanes, dst.vectors());
  if (input_scale) c.reads(input_scale->scale, 4), c.reads(input_scale->zero, 1);
  for (const Block& block : blocks) check_block(c, *this, block);
}

void OconvStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target({dst, dst_planes, dst_pads});
  c.planes(dst, residual_planes);
  c.that(residual_planes.empty() || residual_planes.size() == dst_planes.size(), "not one residual for each plane");
  c.that(src.n >= dst.n && tile_rows >= 1 && band_rows >= 1, "no tile");
  constexpr int kMost = 1 << 16;  // an image of one row may have any stride
  c.that(std::min({stride_y, stride_x, up_y, up_x}) >= 1 && std::max({stride_y, stride_x, up_y, up_x}) <= kMost,
         "no stride");
  c.that(!first_columns.empty() && kinds.size() % std::max<size_t>(first_columns.size(), 1) == 0,
         "not one kind for each tile");
  if (!c.ok()) return;
  const auto rows = static_cast<int64_t>(kinds.size() / first_columns.size());
  c.that((rows - 1) * tile_rows < dst.h, "tiles below the image");
  // Which rows and columns a tile reads is in its code: with wide padding its place lies far outside of the source.
  for (int column : first_columns) c.that(column >= 0 && column < dst.w, "a segment outside of the row");
  for (const Block& block : blocks) {
    check_block_planes(c, *this, block);
    for (size_t at : {block.weights, block.bias, block.mult, block.clamp_lo, block.clamp_hi, block.shift})
      c.weights(at, 4);
    for (uint8_t kind : kinds) {
      c.that(kind < block.kernels.size(), "a kind of tile that has no kernel");
      if (c.ok()) c.kernel(block.kernels[kind]);
    }
  }
}

void QuantizeStep::check(Checker& c) const {
  const size_t planes = dst.planes.size();
  c.target(dst);
  c.float_rows(src, dst.geometry, planes, false);
  c.groups(groups, planes);
  c.reads(inv_scale, 16 * planes);
  c.reads(zero, 16 * planes);
  if (run_time_pads) c.reads(*run_time_pads, 4 * planes);
}

void RangeStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.kernel(kernel);
  c.writes(ranges, Checker::product({8, src.n, static_cast<int64_t>(src_planes.size())}));
}

void DynamicScaleStep::check(Checker& c) const {
  c.reads(ranges, Checker::product({8, range_count}));
  c.writes(scale, 4), c.writes(zero, 1);
  c.writes(scales, Checker::product({16, planes})), c.writes(zeros, Checker::product({16, planes}));
  c.writes(pads, Checker::product({4, pad_words}));
}

template <bool kMeans>
void DequantizingStep<kMeans>::check(Checker& c) const {
  Geometry written = src;
  if (kMeans) written.h = written.w = 1;
  c.planes(src, src_planes);
  if (!dst_planes.planes.empty()) c.target(dst_planes);
  c.float_rows(dst, written, src_planes.size(), true);
  c.that(dst_pads.size() == 4 * src_planes.size(), "not one padding for each channel");
  c.groups(groups, src_planes.size());
  for (size_t at : {scale, zero}) c.table<int32_t>(at, 4 * static_cast<int64_t>(src_planes.size()));
}

template void DequantizeStep::check(Checker&) const;
template void DequantizedMeanStep::check(Checker&) const;

void PoolStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.kernel(kernel);
  c.that(src_planes.size() == dst.planes.size() && src.n >= dst.geometry.n, "not one source for each plane");
  c.that(tap_row_bytes >= 0, "rows that run backwards");
  c.weights(factors, 0);
  if (!c.ok()) return;
  for (const PoolRow& row : c.table<PoolRow>(rows, dst.geometry.h)) {
    c.that(row.taps >= 1 && row.taps <= src.h && in_image(src, row.src), "a window outside of the image");
    c.that(row.factors >= 0, "factors outside of the weights");
    if (!c.ok()) return;
    c.that(in_image(src, row.src + static_cast<int64_t>(std::min(Checker::product({row.taps - 1, tap_row_bytes}),
                                                                 Checker::kTooMany / 4))),
           "a window outside of the image");
    c.weights(factors, static_cast<size_t>(row.factors));
  }
}

void GlobalPoolStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.kernel(kernel);
  c.that(src_planes.size() == dst.planes.size() && src.n >= dst.geometry.n, "not one source for each plane");
}

void ResampleStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.kernel(kernel);
  c.that(src_planes.size() == dst.planes.size() && src.n >= dst.geometry.n, "not one source for each plane");
  c.weights(columns, 4);
  if (!c.ok()) return;
  for (const ResampleRow& row : c.table<ResampleRow>(rows, dst.geometry.h))
    c.that(in_image(src, row.first) && in_image(src, row.second), "a source row outside of the image");
}

void PhaseSplitStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.that(pads.size() == src_planes.size() && src.n >= dst.geometry.n, "not one padding for each plane");
  if (run_time_pads) c.reads(*run_time_pads, 4 * std::max(dst.planes.size(), pads.size()));
  for (const RowPhase& phase : phases) {
    c.kernel(phase.kernel);
    c.planes(dst.geometry, phase.planes);
    c.that(!src_planes.empty() && !phase.planes.empty() && phase.planes.size() % src_planes.size() == 0,
           "not the same phases for each plane");
    if (!c.ok()) return;
    for (int64_t row : c.table<int64_t>(phase.src_rows, dst.geometry.h))
      c.that(row == kNoRow || in_image(src, row), "a source row outside of the image");
  }
}

void PhaseInterleaveStep::check(Checker& c) const {
  c.target(dst);
  c.kernel(kernel);
  c.that(src.n >= dst.geometry.n, "fewer images than results");
  for (const auto& planes : src_planes) {
    c.planes(src, planes);
    c.that(!dst.planes.empty() && !planes.empty() && planes.size() % dst.planes.size() == 0,
           "not the same phases for each plane");
  }
}

void ChannelsStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.kernel(kernel);
  c.that(src.pitch == dst.geometry.pitch && src.n >= dst.geometry.n, "source and result have other geometries");
  c.that(!dst.planes.empty(), "no result");
  if (!c.ok()) return;
  c.table<uint16_t>(lanes, dst.geometry.vectors());
  c.weights(channels, 0);
}

void UnpackIndicesStep::check(Checker& c) const {
  c.planes(src, {&src_plane, 1});
  c.writes(dst, Checker::product({8, src.n, src.h, src.w}), 8);
}

void MoveStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.that(src_planes.size() == dst.planes.size() && table.size() == dst.planes.size() && src.n >= dst.geometry.n,
         "not one source for each plane");
  for (uint32_t t : table) c.that(t < tables.size(), "a table that is not there");
  for (const MoveTable& t : tables) {
    c.that(
        t.rows.size() == static_cast<size_t>(dst.geometry.h) && t.columns.size() == static_cast<size_t>(dst.geometry.w),
        "a table of another extent");
    for (int32_t row : t.rows) c.that(row >= kFill && row < src.h, "a source row outside of the image");
    for (int32_t column : t.columns) c.that(column >= kFill && column < src.w, "a source column outside of the image");
    c.that(t.run_begin >= 0 && t.run_begin <= t.run_end && t.run_end <= dst.geometry.w, "a run outside of the row");
    if (!c.ok()) return;
    for (int32_t i = t.run_begin; i < t.run_end; ++i)
      c.that(t.columns[static_cast<size_t>(i)] ==
                 t.columns[static_cast<size_t>(t.run_begin)] + int64_t{i - t.run_begin} * t.run_step,
             "a run of unequal steps");
    if (t.run_begin < t.run_end)  // equal steps: none between the two is a fill either
      c.that(t.columns[static_cast<size_t>(t.run_begin)] != kFill &&
                 t.columns[static_cast<size_t>(t.run_end - 1)] != kFill,
             "a run of no source");
  }
}

void ChannelsLastStep::check(Checker& c) const {
  const Geometry& g = planes.geometry;
  const size_t bytes = Checker::product({g.n, g.h, g.w, static_cast<int64_t>(channels.size()), element_bytes});
  c.that(element_bytes == 1 || element_bytes == 4, "elements of neither one nor four bytes");
  if (!c.ok()) return;
  c.target(planes);
  for (const ChannelPlace& place : channels) {
    c.planes(g, {&place.plane, 1});
    c.that(place.lane >= 0 && place.lane < kPixelBytes / element_bytes, "a byte outside of its pixel");
  }
  to_planes ? c.reads(dense, bytes) : c.writes(dense, bytes);
}

void ElementwiseStep::check(Checker& c) const {
  const Geometry& g = dst.geometry;
  c.target(dst);
  c.kernel(kernel);
  for (const Operand* operand : {&a, &b}) {
    if (operand == &b && b.planes.empty()) continue;
    c.planes(operand->geometry, operand->planes);
    c.that(operand->planes.size() == dst.planes.size(), "not one operand for each plane");
    c.that(operand->one_image || operand->geometry.n >= g.n, "fewer images than results");
    c.that(operand->one_pixel || operand->geometry.h >= g.h, "fewer rows than results");
    c.that(!flat || operand->one_pixel || operand->geometry.pitch == g.pitch, "operands of other geometries");
  }
  c.weights(params, 0);
  if (flat && c.ok()) c.table<uint16_t>(lanes, g.vectors());
}

void NormalizeStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  for (KernelFn fn : {sum, squares, apply}) c.kernel(fn);
  const auto planes = static_cast<int64_t>(src_planes.size());
  c.that(group_planes >= 1 && planes % group_planes == 0, "groups of unequal planes");
  c.that(dst.planes.size() == src_planes.size() && affine.size() == src_planes.size(), "not one result for each plane");
  c.that(src.pitch == dst.geometry.pitch && src.n == dst.geometry.n, "source and result have other geometries");
  c.that(sum_lanes >= 1 && sum_lanes <= kMostSumLanes, "too many lanes");
  if (c.ok()) c.table<uint16_t>(lanes, dst.geometry.vectors());
}

void GlobalMaxStep::check(Checker& c) const {
  c.planes(src, src_planes);
  c.target(dst);
  c.kernel(maximum);
  c.that(dst.planes.size() == src_planes.size() && src.n >= dst.geometry.n, "not one source for each plane");
  c.that(lanes >= 1 && lanes <= kMostSumLanes, "too many lanes");
}

namespace {

void check_lanes(Checker& c, const Geometry& g, DType dtype, int64_t channels, std::span<const PlaneLanes> planes) {
  c.that(dtype == DType::f32 || size_of(dtype) == 1, "planes of neither f32 nor bytes");
  for (const PlaneLanes& p : planes) {
    c.planes(g, {&p.plane, 1});
    for (int32_t channel : p.channels) c.that(channel >= -1 && channel < channels, "a channel that is not there");
    c.that(dtype != DType::f32 || p.channels[0] >= 0, "a plane without a channel");
  }
}

}  // namespace

void CopyStep::check(Checker& c) const {
  c.reads(from_, bytes_);
  c.writes(to_, bytes_);
}

void PackStep::check(Checker& c) const {
  const Geometry& g = geometry_;
  c.target({g, offsets_, pads_});
  c.that(planes_.size() == offsets_.size(), "not one offset for each plane");
  check_lanes(c, g, dtype_, channels_, planes_);
  c.reads(from_, Checker::product({g.n, channels_, g.h, g.w, static_cast<int64_t>(size_of(dtype_))}));
}

void UnpackStep::check(Checker& c) const {
  const Geometry& g = geometry_;
  check_lanes(c, g, dtype_, channels_, planes_);
  if (dtype_ == DType::f32)  // all lanes are looked at
    for (const PlaneLanes& p : planes_)
      for (int lane = 1; lane < 4; ++lane) c.that(p.channels[lane] < channels_, "a channel that is not there");
  c.writes(to_, Checker::product({g.n, channels_, g.h, g.w, static_cast<int64_t>(size_of(dtype_))}));
}

}  // namespace quadlane::run
