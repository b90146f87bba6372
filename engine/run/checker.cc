#include "engine/run/checker.h"

#include <algorithm>

namespace quadlane::run {

Checker::Checker(const Plan& plan, Isa loops) : plan_(plan), loops_(loops) {
  for (const TensorInfo& info : plan.inputs) inputs_.push_back(info.type.bytes());
  for (const TensorInfo& info : plan.outputs)
    if (plan.before_tail.empty()) outputs_.push_back(info.type.bytes());
  for (const TailInput& value : plan.before_tail) outputs_.push_back(value.type.bytes());
}

size_t Checker::product(std::initializer_list<int64_t> factors) {
  size_t result = 1;
  for (int64_t f : factors)
    if (f < 0 || __builtin_mul_overflow(result, static_cast<size_t>(f), &result) || result > kTooMany) return kTooMany;
  return result;
}

void Checker::geometry(const Geometry& g) {
  auto expected = make_geometry(g.n, g.h, g.w, g.gap, g.pad_top, g.pad_bottom);
  that(expected.ok() && *expected == g, "a geometry does not follow from its extents");
}

void Checker::arena(int64_t first, int64_t end) {
  that(first >= 0 && first <= end && static_cast<size_t>(end) <= plan_.arena_bytes, "bytes outside of the arena");
}

void Checker::planes(const Geometry& g, std::span<const int64_t> planes) {
  geometry(g);
  if (!ok()) return;
  const int64_t above = int64_t{g.pad_top} * g.pitch + g.gap;
  const int64_t below = std::max(int64_t{g.h + g.pad_bottom} * g.pitch + g.gap, int64_t{g.vectors()} * kVectorPixels);
  const int64_t last = (g.n - 1) * g.image_pixels + below;
  constexpr int64_t kMost = int64_t{1} << 60;
  // Also where there is no plane: steps walk images, and a file of a few bytes may not keep them walking for hours.
  that(last >= 0 && last < kMost && static_cast<size_t>(last * kPixelBytes) <= plan_.arena_bytes,
       "images larger than the arena");
  for (int64_t plane : planes) {
    that(plane >= 0 && plane < kMost && plane % kPixelBytes == 0, "a plane outside of the arena");
    if (ok()) arena(plane - above * kPixelBytes, plane + last * kPixelBytes);
  }
}

void Checker::target(const Target& target) {
  planes(target.geometry, target.planes);
  that(target.pads.size() == target.planes.size(), "not one padding for each plane");
}

void Checker::weights(size_t offset, size_t bytes) {
  const size_t size = plan_.weights.size();
  that(offset <= size && bytes <= size - offset, "bytes outside of the weights");
}

size_t Checker::room(const DenseAddress& a) {
  const size_t at = a.index_or_offset;
  auto rest = [&](size_t size) { return at <= size ? size - at : 0; };
  switch (a.place) {
    case Place::user_input: return at < inputs_.size() ? inputs_[at] : 0;
    case Place::user_output: return at < outputs_.size() ? outputs_[at] : 0;
    case Place::arena: return rest(plan_.arena_bytes);
    case Place::constant: return rest(plan_.weights.size());
  }
  return 0;
}

void Checker::reads(const DenseAddress& a, size_t bytes, size_t alignment) {
  // An empty tensor has an address too.
  that(a.place != Place::user_input || a.index_or_offset < inputs_.size(), "an input that is not there");
  that(a.place != Place::user_output || a.index_or_offset < outputs_.size(), "an output that is not there");
  that(bytes <= room(a), "a dense tensor ends behind its memory");
  // Kernels read past it in vectors, but scalars must be whole.
  that(a.place == Place::user_input || a.place == Place::user_output || a.index_or_offset % alignment == 0,
       "a dense tensor is not aligned");
}

void Checker::writes(const DenseAddress& a, size_t bytes, size_t alignment) {
  reads(a, bytes, alignment);
  that(a.place == Place::arena || a.place == Place::user_output || bytes == 0,
       "a step writes into what it may only read");
}

void Checker::apart(std::vector<Touched> all) {
  std::erase_if(all, [](const Touched& t) { return t.bytes == 0; });
  std::sort(all.begin(), all.end(), [](const Touched& a, const Touched& b) {
    return std::pair(a.at.place, a.at.index_or_offset) < std::pair(b.at.place, b.at.index_or_offset);
  });
  size_t end = 0, written_end = 0;  // of what begins before, in the same place
  for (size_t i = 0; i < all.size(); ++i) {
    const Touched& t = all[i];
    const size_t begin = t.at.index_or_offset;
    const bool whole = t.at.place == Place::user_input || t.at.place == Place::user_output;
    if (i == 0 || t.at.place != all[i - 1].at.place) end = written_end = 0;
    that(begin >= (t.written ? end : written_end), "a step writes where it reads, or twice");
    end = std::max(end, begin + (whole ? 1 : t.bytes));
    if (t.written) written_end = end;
  }
}

void Checker::groups(std::span<const PlaneGroup> groups, size_t planes) {
  const auto all = static_cast<int64_t>(planes);
  for (const PlaneGroup& g : groups) {
    kernel(g.kernel);
    that(g.first >= 0 && g.count >= 0 && g.first <= all && g.count <= all - g.first,
         "a group of planes that are not there");
  }
}

void Checker::float_rows(const FloatRows& rows, const Geometry& g, size_t planes, bool written) {
  that(rows.channels.size() == 4 * planes, "not four channels for each plane");
  that(rows.image_bytes >= 0 && rows.row_bytes >= 0, "rows that run backwards");
  if (!ok()) return;  // nor is the geometry one, perhaps
  const size_t images = product({g.n - 1, rows.image_bytes}), lines = product({g.h - 1, rows.row_bytes});
  that(images < kTooMany / 4 && lines < kTooMany / 4, "rows outside of their memory");
  if (!ok()) return;
  const size_t reach = images + lines + static_cast<size_t>(g.w) * sizeof(float);
  for (int64_t channel : rows.channels) {
    that(channel >= 0 && channel % 4 == 0, "a channel in front of its memory");
    const size_t end = static_cast<size_t>(channel) + reach;
    if (!ok()) return;
    if (rows.dense)
      written ? writes(rows.address, end) : reads(rows.address, end);
    else
      that(end <= plan_.arena_bytes, "rows outside of the arena");
  }
}

}  // namespace quadlane::run
