// ReverseSequence(x, lengths): the first lengths[b] steps of every batch entry in reverse. CenterCropPad(x, shape):
// every listed axis cropped, or padded with zeros, to an extent, evenly on both sides (the odd one behind).
#include <cstring>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

Result<TypeList> infer_reverse(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 2, kMaxRank));
  QL_TRY(int64_t batch, int_attr_in(ctx.attrs(), "batch_axis", 1, 0, 1));
  QL_TRY(int64_t time, int_attr_in(ctx.attrs(), "time_axis", 0, 0, 1));
  if (batch == time) return invalid_model("attributes 'batch_axis' and 'time_axis' are both ", batch);
  QL_CHECK_OK(expect_dtype(ctx, 1, DType::s64));
  QL_CHECK_OK(expect_shape(ctx, 1, {ctx.shape(0)[static_cast<size_t>(batch)]}));
  return TypeList{ctx.type(0)};
}
Status eval_reverse(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = ctx.shape(0);
  bool time_first = ctx.attrs().int_or("time_axis", 0) == 0;
  int64_t steps = shape[time_first ? 0 : 1];
  size_t slab = static_cast<size_t>(elements_between(shape, 2, shape.size())) * size_of(ctx.type(0).dtype);
  const int64_t* lengths = ctx.inputs[1].as<int64_t>();
  for (int64_t b = 0, n = shape[time_first ? 1 : 0]; b < n; ++b) {
    if (lengths[b] < 0 || lengths[b] > steps)
      return invalid_argument("length ", lengths[b], " of entry ", b, " exceeds the ", steps, " steps");
    for (int64_t t = 0; t < steps && slab > 0; ++t) {
      int64_t from = t < lengths[b] ? lengths[b] - 1 - t : t;
      auto place = [&](int64_t step) {
        return static_cast<size_t>(time_first ? step * n + b : b * steps + step) * slab;
      };
      std::memcpy(out[0].as<char>() + place(t), ctx.inputs[0].as<char>() + place(from), slab);
    }
  }
  return {};
}

Result<TypeList> infer_center(const OpContext& ctx) {
  TensorType type = ctx.type(0);
  QL_TRY(auto target, known_ints(ctx, 1, "shape"));
  std::vector<int64_t> all;
  for (size_t i = 0; i < type.shape.size(); ++i) all.push_back(static_cast<int64_t>(i));
  QL_TRY(auto listed, ints_attr(ctx.attrs(), "axes", all));
  QL_TRY(std::vector<size_t> axes, normalize_axes(listed, type.shape.size()));
  if (axes.size() != target.size())
    return invalid_model("shape has ", target.size(), " extents for ", axes.size(), " axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    if (target[i] < 0) return invalid_model("shape ", to_string(target), " has a negative extent");
    type.shape[axes[i]] = target[i];
  }
  return TypeList{std::move(type)};
}
// What both have in common is copied line by line of the last axis.
Status eval_center(const OpContext& ctx, std::span<const MutView> out) {
  const Shape &in = ctx.shape(0), &to = out[0].shape();
  if (size_t bytes = out[0].type->bytes()) std::memset(out[0].data, 0, bytes);
  std::vector<int64_t> in_strides = dense_strides(in), out_strides = dense_strides(to);
  Shape common;
  int64_t from = 0, into = 0;
  for (size_t a = 0; a < in.size(); ++a) {
    common.push_back(std::min(in[a], to[a]));
    from += (in[a] - common[a]) / 2 * in_strides[a];
    into += (to[a] - common[a]) / 2 * out_strides[a];
  }
  size_t element = size_of(ctx.type(0).dtype);
  int64_t line = common.empty() ? 1 : common.back();
  int64_t lines = elements(common) == 0 ? 0 : elements(common) / line;
  for (int64_t l = 0; l < lines; ++l) {
    int64_t src = from, dst = into, rest = l;
    for (size_t a = common.size() - std::min<size_t>(common.size(), 1); a-- > 0; rest /= common[a]) {
      src += rest % common[a] * in_strides[a];
      dst += rest % common[a] * out_strides[a];
    }
    std::memcpy(out[0].as<char>() + static_cast<size_t>(dst) * element,
                ctx.inputs[0].as<char>() + static_cast<size_t>(src) * element, static_cast<size_t>(line) * element);
  }
  return {};
}

}  // namespace

void append_rearrange_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ReverseSequence", 2, 2, 1, "batch_axis time_axis", infer_reverse, eval_reverse});
  defs.push_back({"CenterCropPad", 2, 2, 1, "axes", infer_center, eval_center});
}

}  // namespace quadlane
