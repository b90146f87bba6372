#include "engine/compile/layout.h"

#include <algorithm>
#include <bit>

namespace quadlane::compile {

LayoutId Layouts::add(int64_t n, int64_t h, int64_t w) {
  uint32_t id = static_cast<uint32_t>(items_.size());
  items_.push_back({n, h, w, 0, 0, 0, id, id, {}});
  return LayoutId{id};
}

void Layouts::require(LayoutId id, int gap, int pad_top, int pad_bottom) {
  Item& item = items_[static_cast<uint32_t>(id)];
  item.gap = std::max(item.gap, gap);
  item.pad_top = std::max(item.pad_top, pad_top);
  item.pad_bottom = std::max(item.pad_bottom, pad_bottom);
}

uint32_t Layouts::find(uint32_t id, uint32_t Item::*parent) const {
  while (items_[id].*parent != id) id = items_[id].*parent;
  return id;
}

void Layouts::same_pitch(LayoutId a, LayoutId b) {
  items_[find(static_cast<uint32_t>(a), &Item::pitch_parent)].pitch_parent =
      find(static_cast<uint32_t>(b), &Item::pitch_parent);
}

void Layouts::same_geometry(LayoutId a, LayoutId b) {
  same_pitch(a, b);
  items_[find(static_cast<uint32_t>(a), &Item::geometry_parent)].geometry_parent =
      find(static_cast<uint32_t>(b), &Item::geometry_parent);
}

Status Layouts::resolve() {
  for (uint32_t i = 0; i < items_.size(); ++i) {
    uint32_t root = find(i, &Item::geometry_parent);
    require(LayoutId{root}, items_[i].gap, items_[i].pad_top, items_[i].pad_bottom);
  }
  std::vector<int64_t> pitch(items_.size(), 0);
  for (uint32_t i = 0; i < items_.size(); ++i) {
    int64_t& widest = pitch[find(i, &Item::pitch_parent)];
    widest = std::max(widest, items_[i].w + items_[find(i, &Item::geometry_parent)].gap);
  }
  for (uint32_t i = 0; i < items_.size(); ++i) {
    const Item& root = items_[find(i, &Item::geometry_parent)];
    int64_t gap = pitch[find(i, &Item::pitch_parent)] - root.w;
    if (gap > (1 << 20)) return unsupported("a gap of ", gap, " pixels between rows");
    QL_TRY(items_[i].geometry,
           make_geometry(root.n, root.h, root.w, static_cast<int>(gap), root.pad_top, root.pad_bottom));
  }
  return {};
}

const Geometry& Layouts::geometry(LayoutId id) const { return items_[static_cast<uint32_t>(id)].geometry; }

BufferId Layouts::add_buffer(DType dtype, LayoutId layout, size_t planes) {
  buffers_.push_back({dtype, layout, planes, std::vector<PadRange>(planes * 4), 0});
  return BufferId{static_cast<uint32_t>(buffers_.size() - 1)};
}

BufferId Layouts::add_dense(size_t bytes) {
  buffers_.push_back({DType::u8, LayoutId{}, 0, {}, bytes});
  return BufferId{static_cast<uint32_t>(buffers_.size() - 1)};
}

const RunTimePadding* Layouts::run_time_padding(BufferId id) const {
  auto found = run_time_paddings_.find(id);
  return found == run_time_paddings_.end() ? nullptr : &found->second;
}

bool Layouts::demand(BufferId id, uint32_t plane, int lane, PadRange range) {
  if (run_time_padding(id)) return false;
  PadRange& have = buffers_[static_cast<size_t>(id)].pads[plane * 4 + static_cast<uint32_t>(lane)];
  PadRange both{std::max(have.lo, range.lo), std::min(have.hi, range.hi)};
  if (both.lo > both.hi) return false;
  have = both;
  return true;
}

uint32_t Layouts::pad_bits(BufferId id, uint32_t plane) const {
  const Buffer& buffer = buffers_[static_cast<size_t>(id)];
  auto value = [&](int lane) {
    const PadRange& r = buffer.pads[plane * 4 + static_cast<uint32_t>(lane)];
    return std::clamp(0.0, r.lo, r.hi);
  };
  if (buffer.dtype == DType::f32) return std::bit_cast<uint32_t>(static_cast<float>(value(0)));
  uint32_t bits = 0;
  for (int lane = 0; lane < 4; ++lane) bits |= static_cast<uint32_t>(value(lane)) << (8 * lane);
  return bits;
}

size_t Layouts::bytes(BufferId id) const {
  const Buffer& buffer = buffers_[static_cast<size_t>(id)];
  if (buffer.planes == 0) return buffer.dense_bytes;
  return buffer.planes * static_cast<size_t>(geometry(buffer.layout).plane_bytes());
}

PlanarValue Layouts::fresh(DType dtype, LayoutId layout, int64_t channels) {
  PlanarValue value{dtype, layout, {}};
  const int lanes = value.lanes();
  const int64_t planes = (channels + lanes - 1) / lanes;
  BufferId buffer = add_buffer(dtype, layout, static_cast<size_t>(planes));
  for (int64_t p = 0; p < planes; ++p) {
    PlaneRef plane{buffer, static_cast<uint32_t>(p), {-1, -1, -1, -1}};
    for (int lane = 0; lane < lanes; ++lane)
      if (p * lanes + lane < channels)
        plane.channels[static_cast<size_t>(lane)] = static_cast<int32_t>(p * lanes + lane);
    value.planes.push_back(plane);
  }
  return value;
}

PlanarValue Layouts::fresh_like(const PlanarValue& like, LayoutId layout) {
  PlanarValue value{like.dtype, layout, like.planes};
  BufferId buffer = add_buffer(like.dtype, layout, like.planes.size());
  for (uint32_t i = 0; i < value.planes.size(); ++i) value.planes[i] = {buffer, i, like.planes[i].channels};
  return value;
}

bool same_channels(const PlanarValue& a, const PlanarValue& b) {
  return std::equal(a.planes.begin(), a.planes.end(), b.planes.begin(), b.planes.end(),
                    [](const PlaneRef& p, const PlaneRef& q) { return p.channels == q.channels; });
}

void append_channels(PlanarValue& to, const PlanarValue& part, int64_t before) {
  for (PlaneRef plane : part.planes) {
    for (int32_t& channel : plane.channels)
      if (channel >= 0) channel += static_cast<int32_t>(before);
    to.planes.push_back(plane);
  }
}

PlanarValue slice_channels(const PlanarValue& value, int64_t begin, int64_t end) {
  PlanarValue result{value.dtype, value.layout, {}};
  for (PlaneRef plane : value.planes) {
    bool any = false;
    for (int32_t& channel : plane.channels) {
      bool inside = channel >= begin && channel < end;
      channel = inside ? static_cast<int32_t>(channel - begin) : -1;
      any |= inside;
    }
    if (any) result.planes.push_back(plane);
  }
  return result;
}

}  // namespace quadlane::compile
