// Slabs of a dense tensor named by the coordinates of its outermost axes: GatherND reads them, ScatterND and MaxUnpool
// write them. Coordinates count from the end when negative; one beyond its axis fails the run.
#pragma once

#include <array>

#include "engine/run/step.h"

namespace quadlane::run {

// Where slab i of a list of coordinates is: sum of coordinate d times the extents behind it.
struct SlabIndex {
  bool wide = true;   // s64, else s32
  bool wraps = true;  // negative coordinates count from the end; else they are refused
  int64_t depth = 1;  // coordinates of a slab
  std::array<int64_t, kMaxRank> extents{};
  DenseAddress list{};
  static constexpr auto kFields =
      std::tuple{&SlabIndex::wide, &SlabIndex::wraps, &SlabIndex::depth, &SlabIndex::extents, &SlabIndex::list};

  int64_t slabs() const;
  void check(Checker&, int64_t count) const;
  // -1, and `bad` is the coordinate that does not exist.
  int64_t at(const void* coordinates, int64_t i, int64_t* bad) const;
  Status refusal(const void* coordinates, int64_t bad) const;
};

// to[b, i] = from[b, index(b, i)]
class GatherSlabsStep final : public Step {
 public:
  int64_t batches = 1, count = 1;  // count: of each batch
  int64_t slab_bytes = 0;
  SlabIndex index;
  DenseAddress from{}, to{};
  static constexpr auto kFields =
      std::tuple{&GatherSlabsStep::batches, &GatherSlabsStep::count, &GatherSlabsStep::slab_bytes,
                 &GatherSlabsStep::index,   &GatherSlabsStep::from,  &GatherSlabsStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// to = from, or zeros; then to[index(i)] = updates[i] for each i in order, or += for floats. Every part owns a stretch
// of the result and leaves the others' alone.
class ScatterSlabsStep final : public Step {
 public:
  bool zeros = false, adds = false;
  int64_t count = 1;
  int64_t slab_bytes = 0;
  // Update i falls into the i / (count / blocks)-th of as many equal blocks of the result: parts own whole blocks.
  int64_t blocks = 1;
  SlabIndex index;
  DenseAddress from{}, updates{}, to{};
  static constexpr auto kFields =
      std::tuple{&ScatterSlabsStep::zeros,      &ScatterSlabsStep::adds,    &ScatterSlabsStep::count,
                 &ScatterSlabsStep::slab_bytes, &ScatterSlabsStep::blocks,  &ScatterSlabsStep::index,
                 &ScatterSlabsStep::from,       &ScatterSlabsStep::updates, &ScatterSlabsStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
