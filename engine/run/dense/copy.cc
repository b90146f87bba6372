#include "engine/run/dense/copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/run/dense/transpose_blocks.h"

namespace quadlane::run {
namespace {

constexpr int64_t kTileElements = 8192;  // of rows: few enough to share, enough to forget the loop around
constexpr int64_t kTransposeTile = 64;   // 64 rows of 64 elements: their cache lines stay while they are used

// Outermost first in the order of the destination, without extents of 1, neighbours merged.
std::vector<CopyAxis> merged(std::vector<CopyAxis> axes) {
  std::erase_if(axes, [](const CopyAxis& a) { return a.extent == 1; });
  std::stable_sort(axes.begin(), axes.end(),
                   [](const CopyAxis& a, const CopyAxis& b) { return std::abs(a.dst) > std::abs(b.dst); });
  std::vector<CopyAxis> result;
  for (const CopyAxis& axis : axes) {
    if (!result.empty()) {
      CopyAxis& before = result.back();
      if (before.src == axis.src * axis.extent && before.dst == axis.dst * axis.extent) {
        before = {before.extent * axis.extent, axis.src, axis.dst};
        continue;
      }
    }
    result.push_back(axis);
  }
  return result;
}

}  // namespace

StridedCopy::StridedCopy(size_t element_bytes, std::vector<CopyAxis> axes, int64_t src_offset, int64_t dst_offset)
    : element_bytes_(element_bytes), src_offset_(src_offset), dst_offset_(dst_offset) {
  empty_ = std::any_of(axes.begin(), axes.end(), [](const CopyAxis& a) { return a.extent == 0; });
  outer_ = merged(std::move(axes));
  if (!outer_.empty()) {
    inner_ = outer_.back();
    outer_.pop_back();
  }
  const auto along_source = std::find_if(outer_.begin(), outer_.end(), [](const CopyAxis& a) { return a.src == 1; });
  if (inner_.dst == 1 && inner_.src == 1) {
    kind_ = Kind::rows;
  } else if (inner_.dst == 1 && inner_.src == 0) {
    kind_ = Kind::fill;
  } else if (inner_.dst == 1 && along_source != outer_.end()) {
    kind_ = Kind::transpose;
    rows_ = *along_source;
    outer_.erase(along_source);
  } else {
    kind_ = Kind::steps;
  }
  if (kind_ != Kind::transpose && !outer_.empty()) {
    rows_ = outer_.back();
    outer_.pop_back();
  }
  if (kind_ == Kind::transpose) {
    inner_chunk_ = row_chunk_ = kTransposeTile;
    if (rows_.extent < 8) inner_chunk_ = 8 * kTransposeTile;  // few rows: long columns
    if (inner_.extent < 8) row_chunk_ = 8 * kTransposeTile;
  } else {
    inner_chunk_ = kTileElements;
    row_chunk_ = std::max<int64_t>(1, kTileElements / std::max<int64_t>(1, inner_.extent));
  }
}

const char* StridedCopy::kind() const {
  switch (kind_) {
    case Kind::rows: return "rows";
    case Kind::fill: return "fill";
    case Kind::transpose: return "transpose";
    default: return "steps";
  }
}

namespace {

template <class T>
void copy_rows(const T* src, T* dst, const CopyAxis& rows, int64_t n) {
  auto all = [&](auto count) {
    for (int64_t r = 0; r < rows.extent; ++r)
      std::memmove(dst + r * rows.dst, src + r * rows.src, static_cast<size_t>(count) * sizeof(T));
  };
  switch (n) {  // short rows without a call
    case 1: return all(std::integral_constant<int, 1>());
    case 2: return all(std::integral_constant<int, 2>());
    case 3: return all(std::integral_constant<int, 3>());
    case 4: return all(std::integral_constant<int, 4>());
    default: return all(n);
  }
}

}  // namespace

// One tile: rows [row, row + row_chunk) x elements [inner, inner + inner_chunk) of one position of the outer axes.
template <class T>
void StridedCopy::tile(const T* src, T* dst, int64_t row, int64_t inner) const {
  src += row * rows_.src + inner * inner_.src;
  dst += row * rows_.dst + inner * inner_.dst;
  CopyAxis rows = rows_;
  rows.extent = std::min(row_chunk_, rows.extent - row);
  const int64_t n = std::min(inner_chunk_, inner_.extent - inner);
  switch (kind_) {
    case Kind::rows: return copy_rows(src, dst, rows, n);
    case Kind::fill:
      for (int64_t r = 0; r < rows.extent; ++r) std::fill_n(dst + r * rows.dst, n, src[r * rows.src]);
      return;
    case Kind::transpose:  // rows of the source lie inner_.src apart
      return transpose_block(src, inner_.src, dst, rows.dst, n, rows.extent);
    case Kind::steps:
      for (int64_t r = 0; r < rows.extent; ++r)
        for (int64_t i = 0; i < n; ++i) dst[r * rows.dst + i * inner_.dst] = src[r * rows.src + i * inner_.src];
      return;
  }
}

template <class T>
void StridedCopy::run_as(const T* src, T* dst, int part, int parts) const {
  const int64_t row_tiles = (rows_.extent + row_chunk_ - 1) / row_chunk_;
  const int64_t inner_tiles = (inner_.extent + inner_chunk_ - 1) / inner_chunk_;
  int64_t count = row_tiles * inner_tiles;
  for (const CopyAxis& axis : outer_) count *= axis.extent;
  Share share(count, part, parts);
  if (share.empty()) return;
  int64_t at[kMaxRank * 2] = {};  // of the outer axes; no more than Tile's two for each axis
  int64_t position = share.begin / (row_tiles * inner_tiles), tile_index = share.begin % (row_tiles * inner_tiles);
  src += src_offset_, dst += dst_offset_;
  for (size_t a = outer_.size(); a-- > 0;) {
    at[a] = position % outer_[a].extent;
    position /= outer_[a].extent;
    src += at[a] * outer_[a].src, dst += at[a] * outer_[a].dst;
  }
  for (int64_t i = share.begin; i < share.end; ++i) {
    tile(src, dst, tile_index / inner_tiles * row_chunk_, tile_index % inner_tiles * inner_chunk_);
    if (++tile_index < row_tiles * inner_tiles) continue;
    tile_index = 0;
    for (size_t a = outer_.size(); a-- > 0;) {
      src += outer_[a].src, dst += outer_[a].dst;
      if (++at[a] < outer_[a].extent) break;
      src -= at[a] * outer_[a].src, dst -= at[a] * outer_[a].dst;
      at[a] = 0;
    }
  }
}

void StridedCopy::run(const void* src, void* dst, int part, int parts) const noexcept {
  if (empty_) return;
  switch (element_bytes_) {
    case 1: return run_as(static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst), part, parts);
    case 2: return run_as(static_cast<const uint16_t*>(src), static_cast<uint16_t*>(dst), part, parts);
    case 4: return run_as(static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst), part, parts);
    default: return run_as(static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst), part, parts);
  }
}

}  // namespace quadlane::run
