// Gather, GatherElements, GatherND: elements picked by integer indices, which count from the end when negative.
#include <cstring>

#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

Status expect_indices(const OpContext& ctx) {
  if (ctx.type(1).dtype != DType::s32 && ctx.type(1).dtype != DType::s64)
    return invalid_model("indices are ", to_string(ctx.type(1)), ", expected s32 or s64");
  return {};
}

// Gather: out[i.., j.., k..] = data[i.., indices[j..], k..], indices along `axis`.
Result<TypeList> infer_gather(const OpContext& ctx) {
  QL_CHECK_OK(expect_indices(ctx));
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  QL_TRY(size_t axis, axis_attr(ctx, 0, in.size()));
  auto at = in.begin() + static_cast<std::ptrdiff_t>(axis);
  Shape shape(in.begin(), at);
  shape.insert(shape.end(), indices.begin(), indices.end());
  shape.insert(shape.end(), at + 1, in.end());
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}
Status eval_gather(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& in = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, 0, in.size()));
  size_t slab = static_cast<size_t>(elements_between(in, axis + 1, in.size())) * size_of(ctx.type(0).dtype);
  size_t row = slab * static_cast<size_t>(in[axis]);
  std::vector<int64_t> indices(static_cast<size_t>(ctx.type(1).count()));
  for (size_t i = 0; i < indices.size(); ++i) {
    QL_TRY(indices[i], checked_index(ctx.inputs[1], static_cast<int64_t>(i), in[axis]));
  }
  if (out[0].type->bytes() == 0) return {};
  const char* src = ctx.inputs[0].as<char>();
  char* dst = out[0].as<char>();
  for (int64_t outer = elements_between(in, 0, axis); outer > 0; --outer, src += row)
    for (int64_t index : indices) {
      std::memcpy(dst, src + static_cast<size_t>(index) * slab, slab);
      dst += slab;
    }
  return {};
}

// GatherElements: out[i..] = data[i.. with the axis' coordinate replaced by indices[i..]].
Result<TypeList> infer_gather_elements(const OpContext& ctx) {
  QL_CHECK_OK(expect_indices(ctx));
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  QL_TRY(size_t axis, axis_attr(ctx, 0, in.size()));
  bool fits = indices.size() == in.size();
  for (size_t i = 0; fits && i < in.size(); ++i) fits = i == axis || indices[i] <= in[i];
  if (!fits)
    return invalid_model("indices have shape ", to_string(indices), ", the data ", to_string(in),
                         ": they exceed it outside axis ", axis);
  return TypeList{{ctx.type(0).dtype, indices}};
}
Status eval_gather_elements(const OpContext& ctx, std::span<const MutView> out) {
  const Shape &in = ctx.shape(0), &shape = ctx.shape(1);
  QL_TRY(size_t axis, axis_attr(ctx, 0, in.size()));
  std::vector<int64_t> strides = dense_strides(in), at(shape.size());
  return dispatch_bits(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    T* dst = out[0].as<T>();
    for (int64_t i = 0, n = elements(shape); i < n; ++i) {
      QL_TRY(int64_t from, checked_index(ctx.inputs[1], i, in[axis]));
      from *= strides[axis];
      for (size_t a = 0; a < at.size(); ++a)
        if (a != axis) from += at[a] * strides[a];
      dst[i] = ctx.inputs[0].as<T>()[from];
      for (size_t a = at.size(); a-- > 0 && ++at[a] == shape[a];) at[a] = 0;
    }
    return {};
  });
}

// GatherND: the last axis of the indices holds coordinates into the data's axes behind batch_dims.
Result<TypeList> infer_gather_nd(const OpContext& ctx) {
  QL_CHECK_OK(expect_indices(ctx));
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  if (in.empty() || indices.empty())
    return invalid_model("data ", to_string(in), " and indices ", to_string(indices),
                         " must have at least one dimension");
  auto lowest = static_cast<int64_t>(std::min(in.size(), indices.size())) - 1;
  QL_TRY(int64_t batch, int_attr_in(ctx.attrs(), "batch_dims", 0, 0, lowest));
  auto batch_end = static_cast<size_t>(batch);
  if (!std::equal(in.begin(), in.begin() + batch, indices.begin()))
    return invalid_model("the first ", batch, " extents of data ", to_string(in), " and indices ", to_string(indices),
                         " differ");
  int64_t depth = indices.back();
  if (depth < 1 || depth > static_cast<int64_t>(in.size() - batch_end))
    return invalid_model("indices have ", depth, " coordinates, the data has ", in.size() - batch_end,
                         " axes to index");
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), in.begin() + batch + depth, in.end());
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}
Status eval_gather_nd(const OpContext& ctx, std::span<const MutView> out) {
  if (out[0].type->bytes() == 0) return {};
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  auto batch = static_cast<size_t>(ctx.attrs().int_or("batch_dims", 0)), depth = static_cast<size_t>(indices.back());
  std::vector<int64_t> strides = dense_strides(in);
  size_t element = size_of(ctx.type(0).dtype);
  size_t slab = static_cast<size_t>(elements_between(in, batch + depth, in.size())) * element;
  int64_t batches = elements_between(in, 0, batch), each = elements_between(indices, batch, indices.size() - 1);
  char* dst = out[0].as<char>();
  for (int64_t i = 0; i < batches * each; ++i, dst += slab) {
    int64_t from = i / each * elements_between(in, batch, in.size());
    for (size_t d = 0; d < depth; ++d) {
      const int64_t at = i * static_cast<int64_t>(depth) + static_cast<int64_t>(d);
      QL_TRY(int64_t index, checked_index(ctx.inputs[1], at, in[batch + d]));
      from += index * strides[batch + d];
    }
    std::memcpy(dst, ctx.inputs[0].as<char>() + static_cast<size_t>(from) * element, slab);
  }
  return {};
}

}  // namespace

void append_gather_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Gather", 2, 2, 1, "axis", infer_gather, eval_gather});
  defs.push_back({"GatherElements", 2, 2, 1, "axis", infer_gather_elements, eval_gather_elements});
  defs.push_back({"GatherND", 2, 2, 1, "batch_dims", infer_gather_nd, eval_gather_nd});
}

}  // namespace quadlane
