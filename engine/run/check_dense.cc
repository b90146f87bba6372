// What the steps on dense tensors may touch.
#include <algorithm>

#include "engine/run/checker.h"
#include "engine/run/dense/copy.h"
#include "engine/run/dense/deform_rows.h"
#include "engine/run/dense/dynamic_quantize.h"
#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/gather.h"
#include "engine/run/dense/grid_sample.h"
#include "engine/run/dense/index_pool.h"
#include "engine/run/dense/lines.h"
#include "engine/run/dense/lut.h"
#include "engine/run/dense/pick_elements.h"
#include "engine/run/dense/quantize.h"
#include "engine/run/dense/resize.h"
#include "engine/run/dense/roi_align.h"
#include "engine/run/dense/scatter.h"
#include "engine/run/reach.h"

namespace quadlane::run {
bool StridedCopy::fits(size_t src_bytes, size_t dst_bytes) const {
  if (empty_) return true;
  if (outer_.size() > kMaxRank * 2 || !is_extent(row_chunk_) || !is_extent(inner_chunk_)) return false;
  if (element_bytes_ != 1 && element_bytes_ != 2 && element_bytes_ != 4 && element_bytes_ != 8) return false;
  Reach src(src_offset_), dst(dst_offset_);
  __int128 elements = 1;
  auto add = [&](const CopyAxis& axis) {
    if (!is_extent(axis.extent) || !is_step(axis.src) || !is_step(axis.dst)) return false;
    src.along(axis.extent, axis.src);
    dst.along(axis.extent, axis.dst);
    elements *= axis.extent;
    return elements <= kMostExtent;
  };
  for (const CopyAxis& axis : outer_)
    if (!add(axis)) return false;
  if (!add(rows_) || !add(inner_)) return false;
  if (elements * static_cast<__int128>(element_bytes_) > static_cast<__int128>(dst_bytes))
    return false;  // all are distinct
  const bool walks = inner_.dst == 1;
  switch (kind_) {
    case Kind::rows:
      if (!walks || inner_.src != 1) return false;
      break;
    case Kind::fill:
      if (!walks || inner_.src != 0) return false;
      break;
    case Kind::transpose:
      if (!walks || rows_.src != 1) return false;
      break;
    case Kind::steps: break;
  }
  return src.within(src_bytes, element_bytes_) && dst.within(dst_bytes, element_bytes_);
}

void CopiesStep::check(Checker& c) const {
  for (const Job& job : jobs_) {
    const size_t alignment = std::max<size_t>(job.copy.element_bytes(), 4);
    c.reads(job.from, 0, alignment), c.writes(job.to, 0, alignment);
    c.that(job.to.place == Place::arena || job.to.place == Place::user_output, "a copy into what may only be read");
    c.that(job.copy.fits(c.room(job.from), c.room(job.to)), "a copy leaves its tensors");
  }
}

void GatherStep::check(Checker& c) const {
  const auto slab = static_cast<int64_t>(std::min(slab_bytes, Checker::kTooMany));
  c.that(outer >= 0 && extent >= 0 && indices >= 0, "negative extents");
  const size_t read = Checker::product({outer, extent, slab}), written = Checker::product({outer, indices, slab});
  const size_t index_bytes = Checker::product({indices, wide ? 8 : 4});
  c.reads(from, read);
  c.reads(index, index_bytes, wide ? 8 : 4);
  c.writes(to, written);
  if (c.ok()) c.apart({{from, read}, {index, index_bytes}, {to, written, true}});
}

void SlabIndex::check(Checker& c, int64_t count) const {
  c.that(depth >= 1 && depth <= kMaxRank && count >= 0, "no coordinates");
  __int128 slabs = 1;
  for (int64_t d = 0; c.ok() && d < depth; ++d)
    c.that(is_extent(extents[static_cast<size_t>(d)]) && (slabs *= extents[static_cast<size_t>(d)]) <= kMostExtent,
           "extents that are none");
  if (c.ok()) c.reads(list, Checker::product({count, depth, wide ? 8 : 4}));
}

void GatherSlabsStep::check(Checker& c) const {
  c.that(batches >= 0 && count >= 1 && slab_bytes >= 0, "negative extents");
  c.that(Checker::product({batches, count}) <= static_cast<size_t>(kMostExtent), "more slabs than any memory holds");
  if (!c.ok()) return;
  index.check(c, batches * count);
  if (!c.ok()) return;
  c.reads(from, Checker::product({batches, index.slabs(), slab_bytes}));
  c.writes(to, Checker::product({batches, count, slab_bytes}));
}

void ScatterSlabsStep::check(Checker& c) const {
  c.that(slab_bytes >= 0 && blocks >= 1, "negative extents");
  c.that(!adds || slab_bytes % 4 == 0, "sums of what are no floats");
  index.check(c, count);
  if (!c.ok()) return;
  c.that(index.slabs() % blocks == 0 && count % blocks == 0, "blocks that do not come out even");
  if (!zeros) c.reads(from, Checker::product({index.slabs(), slab_bytes}));
  c.reads(updates, Checker::product({count, slab_bytes}));
  c.writes(to, Checker::product({index.slabs(), slab_bytes}));
}

void PickElementsStep::check(Checker& c) const {
  for (int64_t extent_of : {outer, extent, picks, inner}) c.that(is_extent(extent_of), "extents that are none");
  c.that(element_bytes == 4 || element_bytes == 8, "elements of no known size");
  if (!c.ok()) return;
  const auto bytes = static_cast<int64_t>(element_bytes);
  const size_t whole = Checker::product({outer, extent, inner, bytes}),
               picked = Checker::product({outer, picks, inner, bytes});
  c.reads(from, whole);
  c.reads(index, Checker::product({outer, picks, inner, wide ? 8 : 4}));
  if (scatters) c.reads(updates, picked);
  c.writes(to, scatters ? whole : picked);
}

void IndexPoolStep::check(Checker& c) const {
  c.loops(isa);
  c.that(planes >= 0, "negative extents");
  for (const WindowAxis& axis : axes)
    c.that(axis.is_sound() && axis.kernel <= kMostTaps, "a window that is none, or of too many taps");
  const WindowAxis &down = axes[0], &across = axes[1];
  c.that(Checker::product({down.in, across.in}) <= size_t{1} << 30, "an image of more than 2^30 pixels");
  c.reads(from, Checker::product({4, planes, down.in, across.in}));
  c.writes(to, Checker::product({4, planes, down.out, across.out}));
  c.writes(indices, Checker::product({8, planes, down.out, across.out}));
}

void LutStep::check(Checker& c) const {
  c.that(count >= 0, "negative extents");
  c.reads(from, count);
  c.reads(table, 256);
  c.writes(to, count);
}

void AxisResizeStep::check(Checker& c) const {
  c.loops(isa);
  for (int64_t extent : {outer, in, out, inner, taps}) c.that(is_extent(extent), "negative extents");
  c.that(in <= INT32_MAX, "an axis of 2^31 elements");
  c.that(index.place == Place::constant, "a table that is no constant");
  c.reads(from, Checker::product({outer, in, inner, 4}));
  c.reads(index, Checker::product({out, taps, 4}));
  c.reads(weight, Checker::product({out, taps, 4}));
  c.writes(to, Checker::product({outer, out, inner, 4}));
}

void DeformRowsStep::check(Checker& c) const {
  c.loops(isa);
  c.that(images >= 0 && groups >= 1 && channels >= 1 && products >= 1, "negative extents");
  for (const WindowAxis& axis : axes) c.that(axis.is_sound(), "a window that is none");
  const size_t all = Checker::product({groups, channels});
  c.that(all <= INT32_MAX && products <= INT32_MAX, "more channels than any memory holds");
  if (!c.ok()) return;
  const WindowAxis &down = axes[0], &across = axes[1];
  c.that(Checker::product({down.in, across.in}) <= size_t{1} << 30, "an image of more than 2^30 pixels");
  c.that(static_cast<int64_t>(all) % products == 0, "channels that form no groups");
  c.reads(from, Checker::product({4, images, groups, channels, down.in, across.in}));
  c.reads(offset, Checker::product({8, images, groups, down.kernel, across.kernel, down.out, across.out}));
  if (has_mask) c.reads(mask, Checker::product({4, images, groups, down.kernel, across.kernel, down.out, across.out}));
  c.writes(to, Checker::product({4, images, groups, channels, down.kernel, across.kernel, down.out, across.out}));
}

void RoiAlignStep::check(Checker& c) const {
  c.loops(isa);
  c.that(regions >= 0 && images >= 0 && channels >= 0 && ratio >= 0 && ratio <= kMostPoints, "negative extents");
  for (const Axis& axis : {down, across})
    c.that(axis.pixels >= 1 && axis.pixels <= kMostPixels && axis.bins >= 1 && axis.bins <= kMostBins,
           "regions that are none");
  c.reads(from, Checker::product({4, images, channels, down.pixels, across.pixels}));
  c.reads(boxes, Checker::product({16, regions}));
  c.reads(image, Checker::product({8, regions}));
  c.writes(to, Checker::product({4, regions, channels, down.bins, across.bins}));
}

void GridSampleStep::check(Checker& c) const {
  c.loops(isa);
  c.that(axes == 2 ? extents[0] == 1 : axes == 3 && mode != GridMode::cubic, "neither image nor volume");
  c.that(images >= 0 && channels >= 0 && pixels >= 0, "negative extents");
  for (int64_t extent : extents) c.that(is_extent(extent), "extents that are none");
  c.that(Checker::product({extents[0], extents[1], extents[2]}) <= size_t{1} << 30,
         "an image of more than 2^30 pixels");
  c.reads(from, Checker::product({4, images, channels, extents[0], extents[1], extents[2]}));
  c.reads(grid, Checker::product({4, axes, images, pixels}));
  c.writes(to, Checker::product({4, images, channels, pixels}));
}

void BroadcastStep::check(Checker& c) const {
  c.loops(isa_);
  c.that(loop_.fn && loop_.operands >= 1 && loop_.operands <= from.size(), "no loop");
  if (!c.ok() || count_ == 0) return c.that(count_ == 0, "no loop");
  std::vector<const Axis*> axes;
  for (const Axis& axis : outer_) axes.push_back(&axis);
  axes.push_back(&rows_), axes.push_back(&inner_);
  __int128 count = 1;
  for (const Axis* axis : axes) {
    c.that(is_extent(axis->extent), "no extent");
    if (!c.ok()) return;
    count = std::min<__int128>(count * axis->extent, kMostExtent + 1);
  }
  c.that(count == count_, "the extents do not make the number of elements");
  for (size_t k = 0; k < loop_.operands && c.ok(); ++k) {
    c.that(inner_.step[k] == 0 || inner_.step[k] == 1, "an operand that neither walks nor stands still");
    Reach reach(0);
    for (const Axis* axis : axes) {
      c.that(axis->step[k] >= 0 && axis->step[k] <= kMostExtent, "an operand that runs backwards");
      if (c.ok()) reach.along(axis->extent, axis->step[k]);
    }
    c.reads(from[k], 0, std::max<size_t>(loop_.operand_bytes(k), 4));
    c.that(reach.within(c.room(from[k]), loop_.operand_bytes(k)), "an operand ends behind its memory");
  }
  const size_t bytes = size_of(loop_.out);
  c.writes(to, Checker::product({count_, static_cast<int64_t>(bytes)}), std::max<size_t>(bytes, 4));
}

void GridStep::check(Checker& c) const {
  const auto byte = static_cast<int64_t>(size_of(bytes));
  c.loops(isa);
  c.that(bytes == DType::u8 || bytes == DType::s8 || (bytes == DType::s32 && !quantize), "a grid of no such integers");
  c.that(count >= 0 && is_extent(entries) && is_extent(inner), "negative extents");
  if (!c.ok() || count == 0) return;
  const bool walk = entries > 1 && inner == 1;
  const int64_t length = entries == 1 ? count : walk ? entries : inner;
  c.that(count % length == 0, "the extents do not make the number of elements");
  c.reads(from, Checker::product({count, quantize ? 4 : byte}));
  c.writes(to, Checker::product({count, quantize ? byte : 4}));
  c.reads(scale, Checker::product({entries, 4}));
  if (has_zero) c.reads(zero, Checker::product({entries, byte}));
}

void DenseRangeStep::check(Checker& c) const {
  c.loops(isa);
  c.that(chunks >= 1 && chunks <= kMostExtent && count >= 0 && count <= kMostExtent && count <= INT64_MAX / chunks,
         "no chunks");
  c.reads(x, Checker::product({count, 4}));
  c.writes(ranges, Checker::product({chunks, 8}));
}

void DenseDynamicQuantizeStep::check(Checker& c) const {
  c.loops(isa);
  c.reads(x, Checker::product({count, 4}));
  c.reads(scale, 4), c.reads(zero, 1);
  c.writes(y, Checker::product({count, 1}));
}

void LinesStep::check_lines(Checker& c) const {
  c.loops(isa);
  c.that(lines.outer >= 0 && is_extent(lines.extent) && lines.extent < (int64_t{1} << 31) && is_extent(lines.inner),
         "no lines");
  const size_t bytes = Checker::product({lines.outer, lines.extent, lines.inner, 4});
  c.reads(from, bytes);
  if (keeps_shape()) c.writes(to, bytes);
}

void SoftmaxStep::check(Checker& c) const { check_lines(c); }
void CumSumStep::check(Checker& c) const { check_lines(c); }
void ReduceStep::check(Checker& c) const {
  check_lines(c);
  c.writes(to, Checker::product({lines.outer, lines.inner, 4}));
}
void ArgStep::check(Checker& c) const {
  check_lines(c);
  const size_t read = Checker::product({lines.outer, lines.extent, lines.inner, 4}),
               written = Checker::product({lines.outer, lines.inner, 8});
  c.writes(to, written, 8);
  if (c.ok()) c.apart({{from, read}, {to, written, true}});  // what was found is looked for
}
void LayerNormStep::check(Checker& c) const {
  check_lines(c);
  c.reads(scale, Checker::product({lines.extent, 4}));
  if (has_bias) c.reads(bias, Checker::product({lines.extent, 4}));
}
void TopKStep::check(Checker& c) const {
  check_lines(c);
  c.that(k >= 1 && k <= kMost && k <= lines.extent, "no results, or more than a line has elements");
  c.writes(to, Checker::product({lines.outer, k, lines.inner, 4}));
  c.writes(indices, Checker::product({lines.outer, k, lines.inner, 8}), 8);
}

}  // namespace quadlane::run
