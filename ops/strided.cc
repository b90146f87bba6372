#include "ops/strided.h"

#include <cstring>

#include "ops/dispatch.h"

namespace quadlane {
namespace {

struct Axis {
  int64_t extent, stride;
};

// Innermost first, without extents of 1, neighbours merged where one stride serves both.
std::vector<Axis> merged(const StridedView& view) {
  std::vector<Axis> axes;
  for (size_t i = view.extents.size(); i-- > 0;) {
    Axis axis{view.extents[i], view.strides[i]};
    if (axis.extent == 1) continue;
    if (!axes.empty() && axis.stride == axes.back().stride * axes.back().extent)
      axes.back().extent *= axis.extent;
    else
      axes.push_back(axis);
  }
  if (axes.empty()) axes.push_back({1, 1});
  return axes;
}

template <class T>
void copy_run(const T* src, const Axis& axis, T* dst) {
  if (axis.stride == 1)
    std::memcpy(dst, src, static_cast<size_t>(axis.extent) * sizeof(T));
  else if (axis.stride == 0)
    std::fill_n(dst, axis.extent, *src);
  else
    for (int64_t i = 0; i < axis.extent; ++i) dst[i] = src[i * axis.stride];
}

template <class T>
void copy(const T* src, const std::vector<Axis>& axes, T* dst) {
  std::vector<int64_t> at(axes.size());
  while (true) {
    copy_run(src, axes[0], dst);
    dst += axes[0].extent;
    size_t a = 1;
    for (; a < axes.size(); ++a) {
      src += axes[a].stride;
      if (++at[a] < axes[a].extent) break;
      src -= axes[a].stride * axes[a].extent;
      at[a] = 0;
    }
    if (a == axes.size()) return;
  }
}

}  // namespace

std::vector<int64_t> dense_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

StridedView broadcast_view(const Shape& in, const Shape& to) {
  std::vector<int64_t> strides = dense_strides(in);
  StridedView view{0, to, std::vector<int64_t>(to.size(), 0)};
  for (size_t i = 0, at = to.size() - in.size(); i < in.size(); ++i, ++at)
    if (in[i] != 1) view.strides[at] = strides[i];
  return view;
}

void copy_strided(const void* src, const StridedView& view, void* dst, DType dtype) {
  if (elements(view.extents) == 0) return;
  std::vector<Axis> axes = merged(view);
  dispatch_bits(dtype, [&]<class T>(T) { copy(static_cast<const T*>(src) + view.offset, axes, static_cast<T*>(dst)); });
}

}  // namespace quadlane
