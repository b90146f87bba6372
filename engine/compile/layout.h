// Where activations live: which values are planar, which planes they consist of, and the geometry they share.
//
// A planar value is a *list of planes* anywhere in the arena, so concat, channel slice and split are lists and move no
// byte. Kernels that work on flattened vectors need one pitch for source and destination, parts of a concat need one
// geometry; both are equivalence classes. The pitch of a class is the largest width + gap any member asks for.
#pragma once

#include <array>
#include <limits>
#include <map>
#include <vector>

#include "engine/base/geometry.h"
#include "engine/base/tensor.h"

namespace quadlane::compile {

enum class LayoutId : uint32_t {};
enum class BufferId : uint32_t {};

struct PlaneRef {
  BufferId buffer;
  uint32_t index;                   // plane in the buffer
  std::array<int32_t, 4> channels;  // of the value, lane by lane; -1: hole. f32 planes use lane 0
};

struct PlanarValue {
  DType dtype = DType::f32;
  LayoutId layout{};
  std::vector<PlaneRef> planes;

  int lanes() const { return dtype == DType::u8 ? 4 : 1; }
};

// The values a padding lane may hold so that every consumer reads what the network means.
struct PadRange {
  double lo = -std::numeric_limits<double>::infinity(), hi = std::numeric_limits<double>::infinity();
};

// Padding that is the zero point a DynamicQuantizeLinear finds out.
struct RunTimePadding {
  uint32_t zero;   // the value that is this zero point: its id in the graph
  BufferId words;  // dense: the padding of one plane after the other, as many as any step asks for

  // Phases of strided convolutions that may read one plane: words for each of them.
  static constexpr size_t kWordsPerPlane = 16;
};

class Layouts {
 public:
  LayoutId add(int64_t n, int64_t h, int64_t w);
  LayoutId add_like(LayoutId other) { return add(item(other).n, item(other).h, item(other).w); }
  void require(LayoutId, int gap, int pad_top, int pad_bottom);
  void same_pitch(LayoutId, LayoutId);
  void same_geometry(LayoutId, LayoutId);  // equal n, h, w
  // Fixes every geometry; call once, after the last constraint.
  Status resolve();
  const Geometry& geometry(LayoutId) const;

  BufferId add_buffer(DType dtype, LayoutId layout, size_t planes);
  // Narrows what a lane's padding may hold; false (and no change) when nothing would be left.
  bool demand(BufferId, uint32_t plane, int lane, PadRange range);
  // Its producer finds out at run time what its padding holds; demand() refuses everything from now on.
  void pad_at_run_time(BufferId id, RunTimePadding padding) { run_time_paddings_.insert_or_assign(id, padding); }
  // Null where the padding is known now.
  const RunTimePadding* run_time_padding(BufferId) const;
  // The bits stored into the plane's padding lanes: 0 where allowed, else the allowed value nearest to it.
  uint32_t pad_bits(BufferId, uint32_t plane) const;
  DType dtype(BufferId id) const { return buffers_[static_cast<size_t>(id)].dtype; }
  LayoutId layout(BufferId id) const { return buffers_[static_cast<size_t>(id)].layout; }
  size_t planes(BufferId id) const { return buffers_[static_cast<size_t>(id)].planes; }
  size_t bytes(BufferId id) const;
  size_t buffer_count() const { return buffers_.size(); }

  // Room for a dense tensor.
  BufferId add_dense(size_t bytes);

  // A fresh buffer for `channels` channels in consecutive planes.
  PlanarValue fresh(DType dtype, LayoutId layout, int64_t channels);
  // A fresh buffer with the channels of `like` in the same lanes.
  PlanarValue fresh_like(const PlanarValue& like, LayoutId layout);

 private:
  struct Item {
    int64_t n, h, w;
    int gap = 0, pad_top = 0, pad_bottom = 0;
    uint32_t pitch_parent, geometry_parent;
    Geometry geometry;
  };
  struct Buffer {
    DType dtype;
    LayoutId layout;
    size_t planes;
    std::vector<PadRange> pads;  // [plane * 4 + lane]
    size_t dense_bytes = 0;      // no planes: a dense tensor
  };
  const Item& item(LayoutId id) const { return items_[static_cast<uint32_t>(id)]; }
  uint32_t find(uint32_t id, uint32_t Item::*parent) const;
  std::vector<Item> items_;
  std::vector<Buffer> buffers_;
  std::map<BufferId, RunTimePadding> run_time_paddings_;
};

// concat along channels, and the channels [begin, end) of a value: lists of planes, no bytes moved.
void append_channels(PlanarValue& to, const PlanarValue& part, int64_t channels_before);
PlanarValue slice_channels(const PlanarValue&, int64_t begin, int64_t end);
// Whether two values hold the same channels in the same lanes of their planes.
bool same_channels(const PlanarValue&, const PlanarValue&);

}  // namespace quadlane::compile
