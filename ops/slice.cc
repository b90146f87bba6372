// Slice(data, starts, ends, axes?, steps?) and Split(data, split?).
#include "ops/attr.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"
#include "ops/takes.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;
using Range = AxisRange;

// Which elements of an axis start:end:step takes, with Python's clamping. Steps may be as large as int64 allows.
Range take(int64_t start, int64_t end, int64_t step, int64_t extent) {
  if (start < 0) start += extent;  // cannot overflow: extent >= 0
  if (end < 0) end += extent;
  if (extent == 0) return {0, 0, 1};
  uint64_t distance, magnitude;
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, extent);
    end = std::clamp<int64_t>(end, 0, extent);
    if (end <= start) return {0, 0, 1};
    distance = static_cast<uint64_t>(end - start);
    magnitude = static_cast<uint64_t>(step);
  } else {
    start = std::clamp<int64_t>(start, 0, extent - 1);
    end = std::clamp<int64_t>(end, -1, extent - 1);
    if (end >= start) return {0, 0, 1};
    distance = static_cast<uint64_t>(start - end);
    magnitude = uint64_t{0} - static_cast<uint64_t>(step);
  }
  auto count = static_cast<int64_t>(1 + (distance - 1) / magnitude);
  return {start, count, count > 1 ? step : 1};  // a single element needs no step, which might overflow a stride
}

}  // namespace

Result<std::vector<AxisRange>> slice_ranges(const OpContext& ctx) {
  const Shape& in = ctx.shape(0);
  QL_TRY(auto starts, known_ints(ctx, 1, "starts"));
  QL_TRY(auto ends, known_ints(ctx, 2, "ends"));
  std::vector<int64_t> given_axes(starts.size()), steps(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i) given_axes[i] = static_cast<int64_t>(i);
  if (ctx.has(3)) {
    QL_TRY(given_axes, known_ints(ctx, 3, "axes"));
  }
  if (ctx.has(4)) {
    QL_TRY(steps, known_ints(ctx, 4, "steps"));
  }
  if (ends.size() != starts.size() || given_axes.size() != starts.size() || steps.size() != starts.size())
    return invalid_model("there are ", starts.size(), " starts, ", ends.size(), " ends, ", given_axes.size(),
                         " axes and ", steps.size(), " steps");
  QL_TRY(auto axes, normalize_axes(given_axes, in.size()));
  std::vector<Range> ranges;
  for (int64_t extent : in) ranges.push_back({0, extent, 1});
  for (size_t i = 0; i < axes.size(); ++i) {
    if (steps[i] == 0) return invalid_model("step of axis ", axes[i], " is 0");
    ranges[axes[i]] = take(starts[i], ends[i], steps[i], in[axes[i]]);
  }
  return ranges;
}

namespace {

Result<TypeList> infer_slice(const OpContext& ctx) {
  QL_TRY(auto ranges, slice_ranges(ctx));
  Shape shape;
  for (const Range& range : ranges) shape.push_back(range.count);
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}
Status eval_slice(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(auto ranges, slice_ranges(ctx));
  std::vector<int64_t> strides = dense_strides(ctx.shape(0));
  StridedView view;
  for (size_t i = 0; i < ranges.size(); ++i) {
    view.offset += ranges[i].start * strides[i];
    view.extents.push_back(ranges[i].count);
    view.strides.push_back(ranges[i].step * strides[i]);
  }
  copy_strided(ctx.inputs[0].data, view, out[0].data, ctx.type(0).dtype);
  return {};
}

// Split: parts from the input of that name, or num_outputs equal ones of which the last may be smaller.
Result<std::vector<int64_t>> split_parts(const OpContext& ctx, int64_t extent) {
  if (ctx.has(1)) {
    QL_TRY(auto parts, known_ints(ctx, 1, "split"));
    int64_t sum = 0;
    for (int64_t part : parts) {
      if (part < 0) return invalid_model("split ", to_string(parts), " has a negative part");
      QL_TRY(sum, checked_sum(sum, part));
    }
    if (sum != extent || parts.empty())
      return invalid_model("split ", to_string(parts), " has a sum of ", sum, ", the axis has an extent of ", extent);
    return parts;
  }
  if (!ctx.attrs().has("num_outputs"))
    return invalid_model("neither a split input nor attribute 'num_outputs' is given");
  QL_TRY(int64_t n, int_attr_in(ctx.attrs(), "num_outputs", 1, 1, std::max<int64_t>(extent, 1)));
  int64_t part = (extent + n - 1) / n;
  std::vector<int64_t> parts;
  for (int64_t i = 0; i < n; ++i) parts.push_back(std::clamp<int64_t>(extent - i * part, 0, part));
  return parts;
}

Result<TypeList> infer_split(const OpContext& ctx) {
  QL_TRY(size_t axis, axis_attr(ctx, 0, ctx.shape(0).size()));
  QL_TRY(auto parts, split_parts(ctx, ctx.shape(0)[axis]));
  TypeList types(parts.size(), ctx.type(0));
  for (size_t i = 0; i < parts.size(); ++i) types[i].shape[axis] = parts[i];
  return types;
}
Status eval_split(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(size_t axis, axis_attr(ctx, 0, ctx.shape(0).size()));
  StridedView view{0, {}, dense_strides(ctx.shape(0))};
  for (const MutView& part : out) {
    view.extents = part.shape();
    copy_strided(ctx.inputs[0].data, view, part.data, ctx.type(0).dtype);
    view.offset += part.shape()[axis] * view.strides[axis];
  }
  return {};
}

}  // namespace

void append_slice_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Slice", 3, 5, 1, "", infer_slice, eval_slice});
  defs.push_back({"Split", 1, 2, -1, "axis num_outputs", infer_split, eval_split});
}

}  // namespace quadlane
