// Moving pixels of planes to other places: crops, strides, paddings, and the edges between planes and channels-last
// tensors.
#pragma once

#include "engine/run/row_steps.h"

namespace quadlane::run {

inline constexpr int32_t kFill = -1;  // no source: the filling

// Where the rows and columns of a result come from, -1: filled. Most columns lie in one run of equal steps.
struct MoveTable {
  std::vector<int32_t> rows, columns;
  int32_t run_begin = 0, run_end = 0, run_step = 1;  // columns[run_begin, run_end)
  static constexpr auto kFields = std::tuple{&MoveTable::rows, &MoveTable::columns, &MoveTable::run_begin,
                                             &MoveTable::run_end, &MoveTable::run_step};
};
// Finds the run.
MoveTable make_move_table(std::vector<int32_t> rows, std::vector<int32_t> columns);

// dst(y, x) = src(rows[y], columns[x]), plane by plane.
class MoveStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;  // for each plane of the result
  std::vector<uint32_t> table;      // for each plane of the result: its table
  std::vector<MoveTable> tables;
  uint32_t fill = 0;
  Target dst;
  static constexpr auto kFields = std::tuple{&MoveStep::src,    &MoveStep::src_planes, &MoveStep::table,
                                             &MoveStep::tables, &MoveStep::fill,       &MoveStep::dst};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// Which plane and byte of its pixels hold a channel.
struct ChannelPlace {
  int64_t plane;  // arena offset of pixel (0, 0) of image 0
  int lane;
  static constexpr auto kFields = std::tuple{&ChannelPlace::plane, &ChannelPlace::lane};
};

// Planes <-> dense [N,H,W,C], f32 or u8.
class ChannelsLastStep final : public Step {
 public:
  bool to_planes = true;
  DenseAddress dense;
  int element_bytes = 4;
  Target planes;
  std::vector<ChannelPlace> channels;
  static constexpr auto kFields =
      std::tuple{&ChannelsLastStep::to_planes, &ChannelsLastStep::dense, &ChannelsLastStep::element_bytes,
                 &ChannelsLastStep::planes, &ChannelsLastStep::channels};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  void row(std::byte* arena, std::byte* pixels, int64_t image, int64_t y) const noexcept;
};

}  // namespace quadlane::run
