#include "engine/run/dense/scatter.h"

#include <algorithm>
#include <cstring>

#include "engine/base/guard.h"
#include "engine/base/index.h"

namespace quadlane::run {
namespace {

int64_t coordinate(const void* list, bool wide, int64_t i) {
  return wide ? static_cast<const int64_t*>(list)[i] : static_cast<const int32_t*>(list)[i];
}

// A slab of one element is a register, not a call.
void copy_slab(std::byte* to, const std::byte* from, int64_t bytes) {
  if (bytes == 4)
    std::memcpy(to, from, 4);
  else if (bytes == 8)
    std::memcpy(to, from, 8);
  else
    std::memcpy(to, from, static_cast<size_t>(bytes));
}
void add_slab(std::byte* to, const std::byte* from, int64_t bytes) {
  auto* y = reinterpret_cast<float*>(to);
  const auto* x = reinterpret_cast<const float*>(from);
  for (int64_t i = 0; i < bytes / 4; ++i) y[i] += x[i];
}

}  // namespace

int64_t SlabIndex::slabs() const {
  int64_t product = 1;
  for (size_t d = 0; d < static_cast<size_t>(depth); ++d) product *= extents[d];
  return product;
}

int64_t SlabIndex::at(const void* coordinates, int64_t i, int64_t* bad) const {
  int64_t slab = 0;
  for (int64_t d = 0; d < depth; ++d) {
    const int64_t extent = extents[static_cast<size_t>(d)], c = i * depth + d;
    int64_t given = coordinate(coordinates, wide, c);
    if (given < 0 && wraps) given += extent;
    if (given < 0 || given >= extent) {
      *bad = c;
      return -1;
    }
    slab = slab * extent + given;
  }
  return slab;
}

Status SlabIndex::refusal(const void* coordinates, int64_t bad) const {
  return bad_index(bad, coordinate(coordinates, wide, bad), extents[static_cast<size_t>(bad % depth)]);
}

void GatherSlabsStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (slab_bytes == 0) return;
  const void* list = index.list.at(ctx);
  const auto* src = static_cast<const std::byte*>(from.at(ctx));
  auto* dst = static_cast<std::byte*>(to.at(ctx));
  const int64_t slabs = index.slabs();
  Share share(batches * count, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    int64_t bad = 0;
    const int64_t slab = index.at(list, i, &bad);
    if (slab < 0) return ctx.keep(*this, part, guarded([&] { return index.refusal(list, bad); }));
    copy_slab(dst + i * slab_bytes, src + (i / count * slabs + slab) * slab_bytes, slab_bytes);
  }
}

void ScatterSlabsStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (slab_bytes == 0) return;
  const void* list = index.list.at(ctx);
  const auto* values = static_cast<const std::byte*>(updates.at(ctx));
  auto* dst = static_cast<std::byte*>(to.at(ctx));
  // Of one block any slab is written by any update: parts share out its slabs, and each reads all updates.
  const int64_t slabs = index.slabs(), each = slabs / blocks;
  const Share share(blocks > 1 ? blocks : slabs, part, parts);
  const int64_t unit = blocks > 1 ? each : 1, begin = share.begin * unit, end = share.end * unit;
  if (begin == end) return;
  const auto bytes = static_cast<size_t>((end - begin) * slab_bytes);
  if (zeros)
    std::memset(dst + begin * slab_bytes, 0, bytes);
  else
    std::memcpy(dst + begin * slab_bytes, static_cast<const std::byte*>(from.at(ctx)) + begin * slab_bytes, bytes);
  const int64_t first = blocks > 1 ? share.begin * (count / blocks) : 0;
  const int64_t last = blocks > 1 ? share.end * (count / blocks) : count;
  for (int64_t i = first; i < last; ++i) {
    int64_t bad = 0;
    const int64_t slab = index.at(list, i, &bad);
    if (slab < 0) return ctx.keep(*this, part, guarded([&] { return index.refusal(list, bad); }));
    if (slab < begin || slab >= end) continue;
    (adds ? add_slab : copy_slab)(dst + slab * slab_bytes, values + i * slab_bytes, slab_bytes);
  }
}

}  // namespace quadlane::run
