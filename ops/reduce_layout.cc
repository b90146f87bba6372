#include "ops/reduce_layout.h"

#include "ops/strided.h"

namespace quadlane {
namespace {

struct Axis {
  int64_t extent, stride;
};

// Offsets of all index tuples, the last axis fastest.
std::vector<int64_t> offsets(const std::vector<Axis>& axes) {
  std::vector<int64_t> result{0};
  for (const Axis& axis : axes) {
    std::vector<int64_t> next;
    next.reserve(result.size() * static_cast<size_t>(axis.extent));
    for (int64_t base : result)
      for (int64_t i = 0; i < axis.extent; ++i) next.push_back(base + i * axis.stride);
    result = std::move(next);
  }
  return result;
}

}  // namespace

ReduceLayout::ReduceLayout(const Shape& shape, const std::vector<bool>& reduced) {
  std::vector<int64_t> strides = dense_strides(shape);
  std::vector<Axis> kept, gone;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    std::vector<Axis>& axes = reduced[i] ? gone : kept;
    // Outer axis a and this one are one walk when a step of a is the whole of this one.
    if (!axes.empty() && axes.back().stride == strides[i] * shape[i])
      axes.back() = {axes.back().extent * shape[i], strides[i]};
    else
      axes.push_back({shape[i], strides[i]});
  }
  if (!gone.empty()) {
    run_ = {gone.back().extent, gone.back().stride};
    gone.pop_back();
  }
  output_offsets_ = offsets(kept);
  run_offsets_ = offsets(gone);
}

}  // namespace quadlane
