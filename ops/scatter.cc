// ScatterElements and ScatterND: a copy of the data with elements, or slabs, replaced by updates in order, or combined
// with them by `reduction` (add, mul, max, min; integers modulo 2^n). Indices count from the end when negative.
#include <cstring>

#include "ops/attr.h"
#include "ops/binary.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

enum class Reduction { none, add, mul, max, min };

Result<Reduction> reduction_of(const OpContext& ctx) {
  QL_TRY(std::string name, string_attr(ctx.attrs(), "reduction", "none"));
  if (name == "none") return Reduction::none;
  if (name == "add") return Reduction::add;
  if (name == "mul") return Reduction::mul;
  if (name == "max") return Reduction::max;
  if (name == "min") return Reduction::min;
  return invalid_model("attribute 'reduction' is '", name, "', expected none, add, mul, max or min");
}

Status check_inputs(const OpContext& ctx) {
  QL_TRY(Reduction reduction, reduction_of(ctx));
  if (ctx.type(1).dtype != DType::s32 && ctx.type(1).dtype != DType::s64)
    return invalid_model("indices are ", to_string(ctx.type(1)), ", expected s32 or s64");
  if (ctx.type(2).dtype != ctx.type(0).dtype)
    return invalid_model("updates are ", to_string(ctx.type(2)), ", the data ", to_string(ctx.type(0)));
  if (reduction != Reduction::none) QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  return {};
}

// Combines `count` updates from `from` with the elements at `to`.
using Apply = void (*)(void* to, const void* from, int64_t count);
template <class Op>
struct Combine {
  template <class T>
  static void apply(void* to, const void* from, int64_t count) {
    T* y = static_cast<T*>(to);
    const T* by = static_cast<const T*>(from);
    for (int64_t i = 0; i < count; ++i) y[i] = Op::apply(y[i], by[i]);
  }
};
template <size_t Bytes>
void replace(void* to, const void* from, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * Bytes);
}
Apply apply_of(Reduction reduction, DType dtype) {
  switch (reduction) {
    case Reduction::none: return dispatch_bits(dtype, []<class T>(T) -> Apply { return replace<sizeof(T)>; });
    case Reduction::add: return dispatch_modular(dtype, []<class T>(T) -> Apply { return Combine<AddOp>::apply<T>; });
    case Reduction::mul: return dispatch_modular(dtype, []<class T>(T) -> Apply { return Combine<MulOp>::apply<T>; });
    case Reduction::max: return dispatch_number(dtype, []<class T>(T) -> Apply { return Combine<MaxOp>::apply<T>; });
    case Reduction::min: break;
  }
  return dispatch_number(dtype, []<class T>(T) -> Apply { return Combine<MinOp>::apply<T>; });
}

// Element i of a tensor whose elements have `bytes` bytes.
const std::byte* at(const View& v, int64_t i, int64_t bytes) {
  return static_cast<const std::byte*>(v.data) + i * bytes;
}
std::byte* at(const MutView& v, int64_t i, int64_t bytes) { return static_cast<std::byte*>(v.data) + i * bytes; }

// Walk(context, destination, apply) visits every update.
using Walk = Status (*)(const OpContext&, const MutView& out, Apply);
template <Walk walk>
Status scatter(const OpContext& ctx, std::span<const MutView> out) {
  if (size_t bytes = out[0].type->bytes()) std::memcpy(out[0].data, ctx.inputs[0].data, bytes);
  QL_TRY(Reduction reduction, reduction_of(ctx));
  return walk(ctx, out[0], apply_of(reduction, ctx.type(0).dtype));
}

// ScatterElements: out[i.. with the axis' coordinate replaced by indices[i..]] takes updates[i..].
Result<TypeList> infer_elements(const OpContext& ctx) {
  QL_CHECK_OK(check_inputs(ctx));
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  QL_TRY(size_t axis, axis_attr(ctx, 0, in.size()));
  if (ctx.shape(2) != indices)
    return invalid_model("updates have shape ", to_string(ctx.shape(2)), ", the indices ", to_string(indices));
  bool fits = indices.size() == in.size();
  for (size_t i = 0; fits && i < in.size(); ++i) fits = i == axis || indices[i] <= in[i];
  if (!fits)
    return invalid_model("indices have shape ", to_string(indices), ", the data ", to_string(in),
                         ": they exceed it outside axis ", axis);
  return TypeList{ctx.type(0)};
}
Status walk_elements(const OpContext& ctx, const MutView& out, Apply apply) {
  const Shape &in = ctx.shape(0), &shape = ctx.shape(1);
  QL_TRY(size_t axis, axis_attr(ctx, 0, in.size()));
  const auto bytes = static_cast<int64_t>(size_of(ctx.type(0).dtype));
  std::vector<int64_t> strides = dense_strides(in), index(shape.size());
  for (int64_t i = 0, n = elements(shape); i < n; ++i) {
    QL_TRY(int64_t to, checked_index(ctx.inputs[1], i, in[axis]));
    to *= strides[axis];
    for (size_t a = 0; a < index.size(); ++a)
      if (a != axis) to += index[a] * strides[a];
    apply(at(out, to, bytes), at(ctx.inputs[2], i, bytes), 1);
    for (size_t a = index.size(); a-- > 0 && ++index[a] == shape[a];) index[a] = 0;
  }
  return {};
}

// ScatterND: the last axis of the indices holds coordinates into the data's first axes; updates are slabs behind them.
Result<TypeList> infer_nd(const OpContext& ctx) {
  QL_CHECK_OK(check_inputs(ctx));
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  if (in.empty() || indices.empty())
    return invalid_model("data ", to_string(in), " and indices ", to_string(indices),
                         " must have at least one dimension");
  int64_t depth = indices.back();
  if (depth < 1 || depth > static_cast<int64_t>(in.size()))
    return invalid_model("indices have ", depth, " coordinates, the data has ", in.size(), " axes to index");
  Shape expected(indices.begin(), indices.end() - 1);
  expected.insert(expected.end(), in.begin() + depth, in.end());
  if (ctx.shape(2) != expected)
    return invalid_model("updates have shape ", to_string(ctx.shape(2)), ", expected ", to_string(expected));
  return TypeList{ctx.type(0)};
}
Status walk_slabs(const OpContext& ctx, const MutView& out, Apply apply) {
  const Shape &in = ctx.shape(0), &indices = ctx.shape(1);
  auto depth = static_cast<size_t>(indices.back());
  const auto bytes = static_cast<int64_t>(size_of(ctx.type(0).dtype));
  std::vector<int64_t> strides = dense_strides(in);
  int64_t slab = elements_between(in, depth, in.size());
  for (int64_t i = 0, n = elements_between(indices, 0, indices.size() - 1); i < n; ++i) {
    int64_t to = 0;
    for (size_t d = 0; d < depth; ++d) {
      const int64_t coordinate = i * static_cast<int64_t>(depth) + static_cast<int64_t>(d);
      QL_TRY(int64_t index, checked_index(ctx.inputs[1], coordinate, in[d]));
      to += index * strides[d];
    }
    if (slab) apply(at(out, to, bytes), at(ctx.inputs[2], i * slab, bytes), slab);
  }
  return {};
}

// Half precision through f32 only where something is computed; replacing moves bits.
template <Walk walk>
Status eval(const OpContext& ctx, std::span<const MutView> out) {
  bool computes = ctx.attrs().string_or("reduction", "none") != "none";
  return computes ? with_half<scatter<walk>>(ctx, out) : scatter<walk>(ctx, out);
}

}  // namespace

void append_scatter_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ScatterElements", 3, 3, 1, "axis reduction", infer_elements, eval<walk_elements>});
  defs.push_back({"ScatterND", 3, 3, 1, "reduction", infer_nd, eval<walk_slabs>});
}

}  // namespace quadlane
