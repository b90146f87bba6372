// Tensors made from shapes and few numbers: Shape, Size, ConstantOfShape, Range, EyeLike, OneHot, Trilu.
#include <cstring>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/onnx_dtype.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

// Shape(data)[start:end]; needs no data.
struct Span {
  size_t start, end;
};
Result<Span> shape_span(const OpContext& ctx) {
  auto rank = static_cast<int64_t>(ctx.shape(0).size());
  auto clamped = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  QL_TRY(int64_t start, int_attr(ctx.attrs(), "start", 0));
  QL_TRY(int64_t end, int_attr(ctx.attrs(), "end", rank));
  start = clamped(start);
  end = std::max(start, clamped(end));
  return Span{static_cast<size_t>(start), static_cast<size_t>(end)};
}
Result<TypeList> infer_shape(const OpContext& ctx) {
  QL_TRY(Span span, shape_span(ctx));
  return TypeList{{DType::s64, {static_cast<int64_t>(span.end - span.start)}}};
}
Status eval_shape(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Span span, shape_span(ctx));
  for (size_t i = span.start; i < span.end; ++i) out[0].as<int64_t>()[i - span.start] = ctx.shape(0)[i];
  return {};
}

Result<TypeList> infer_size(const OpContext&) { return TypeList{{DType::s64, {}}}; }
Status eval_size(const OpContext& ctx, std::span<const MutView> out) {
  *out[0].as<int64_t>() = ctx.type(0).count();
  return {};
}

// ConstantOfShape(shape), attribute value: a tensor of one element, default 0.0.
Result<TypeList> infer_constant_of_shape(const OpContext& ctx) {
  QL_TRY(Shape shape, known_ints(ctx, 0, "shape"));
  QL_TRY(Tensor value, attr_or<Tensor>(ctx.attrs(), "value", Tensor::scalar(0.0F)));
  if (value.count() != 1) return invalid_model("attribute 'value' has ", value.count(), " elements, expected 1");
  return TypeList{{value.dtype(), std::move(shape)}};
}
Status eval_constant_of_shape(const OpContext& ctx, std::span<const MutView> out) {
  Tensor value = ctx.attrs().get_or<Tensor>("value", Tensor::scalar(0.0F));
  return dispatch_bits(value.dtype(), [&]<class T>(T) -> Status {
    std::fill_n(out[0].as<T>(), out[0].type->count(), *value.as<T>());
    return {};
  });
}

// Range(start, limit, delta): max(ceil((limit - start) / delta), 0) elements start + i * delta.
template <class T>
Result<int64_t> range_count(T start, T limit, T delta) {
  if (delta == 0) return invalid_model("delta is 0");
  if constexpr (std::is_floating_point_v<T>) {
    double count = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
    if (!(count <= static_cast<double>(kMaxElements)))
      return unsupported("range from ", start, " to ", limit, " by ", delta, " has more than ", kMaxElements,
                         " elements");
    return static_cast<int64_t>(std::max(count, 0.0));
  } else {
    __int128 distance = static_cast<__int128>(limit) - start, step = delta;
    if ((distance > 0) != (step > 0) || distance == 0) return int64_t{0};
    __int128 count = (distance + step + (step > 0 ? -1 : 1)) / step;
    if (count > kMaxElements)
      return unsupported("range from ", start, " to ", limit, " by ", delta, " has more than ", kMaxElements,
                         " elements");
    return static_cast<int64_t>(count);
  }
}
Result<TypeList> infer_range(const OpContext& ctx) {
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_CHECK_OK(expect_dtype(ctx, 0, {DType::f32, DType::f64, DType::s16, DType::s32, DType::s64}));
  for (size_t i = 0; i < 3; ++i) {
    if (ctx.type(i).count() != 1)
      return invalid_model("input ", i, " is ", to_string(ctx.type(i)), ", expected a scalar");
    QL_CHECK_OK(expect_known(ctx, i, i == 0 ? "start" : i == 1 ? "limit" : "delta"));
  }
  QL_TRY(int64_t count, dispatch_number(ctx.type(0).dtype, [&]<class T>(T) {
           return range_count(*ctx.inputs[0].as<T>(), *ctx.inputs[1].as<T>(), *ctx.inputs[2].as<T>());
         }));
  return TypeList{{ctx.type(0).dtype, {count}}};
}
template <class T>
T range_element(T start, T delta, int64_t i) {
  if constexpr (std::is_floating_point_v<T>)
    return start + static_cast<T>(i) * delta;
  else  // modulo 2^64: the product may overflow where the sum does not
    return static_cast<T>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
}
Status eval_range(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_number(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    T start = *ctx.inputs[0].as<T>(), delta = *ctx.inputs[2].as<T>();
    int64_t i = 0;
    for (T& value : out[0].span<T>()) value = range_element(start, delta, i++);
    return {};
  });
}

// EyeLike(x [rows, columns]): 1 where column = row + k.
Result<TypeList> infer_eye_like(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 2, 2));
  QL_TRY(int64_t k, int_attr(ctx.attrs(), "k", 0));
  (void)k;  // any offset is allowed: outside the matrix it gives zeros
  DType dtype = ctx.type(0).dtype;
  if (ctx.attrs().has("dtype")) {
    QL_TRY(dtype, dtype_attr(ctx.attrs(), "dtype"));
  }
  return TypeList{{dtype, ctx.shape(0)}};
}
template <class T>
void fill_eye(const MutView& out, int64_t k, T one) {
  std::fill_n(out.as<T>(), out.type->count(), T{0});
  // Without columns there may be billions of rows.
  int64_t rows = out.shape()[1] ? out.shape()[0] : 0, columns = out.shape()[1];
  for (int64_t r = 0; r < rows; ++r)
    if (k < columns - r && k >= -r) out.as<T>()[r * columns + r + k] = one;
}
Status eval_eye_like(const OpContext& ctx, std::span<const MutView> out) {
  int64_t k = ctx.attrs().int_or("k", 0);
  DType dtype = out[0].type->dtype;
  if (dtype == DType::f16)
    fill_eye<uint16_t>(out[0], k, float_to_half(1).bits);
  else if (dtype == DType::boolean)
    fill_eye<uint8_t>(out[0], k, 1);
  else
    dispatch_number(dtype, [&]<class T>(T) { fill_eye<T>(out[0], k, T{1}); });
  return {};
}

// OneHot(indices, depth, values [off, on]): a new axis of extent depth; indices outside [-depth, depth) are all off.
Result<TypeList> infer_one_hot(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  QL_CHECK_OK(expect_types(ctx, 1, Types::numbers));
  if (ctx.type(1).count() != 1 || ctx.shape(1).size() > 1)
    return invalid_model("depth is ", to_string(ctx.type(1)), ", expected a scalar");
  QL_CHECK_OK(expect_known(ctx, 1, "depth"));
  QL_CHECK_OK(expect_shape(ctx, 2, {2}));
  int64_t depth = element_as_int(ctx.inputs[1], 0);
  if (depth < 0) return invalid_model("depth is ", depth, ", expected 0 or more");
  Shape shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, -1, shape.size() + 1));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  return TypeList{{ctx.type(2).dtype, std::move(shape)}};
}
Status eval_one_hot(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = out[0].shape();
  QL_TRY(size_t axis, axis_attr(ctx, -1, shape.size()));
  int64_t depth = shape[axis], inner = elements_between(shape, axis + 1, shape.size());
  return dispatch_bits(out[0].type->dtype, [&]<class T>(T) -> Status {
    const T* values = ctx.inputs[2].as<T>();
    T* dst = out[0].as<T>();
    std::fill_n(dst, out[0].type->count(), values[0]);
    for (int64_t i = 0, n = ctx.type(0).count(); i < n; ++i) {
      int64_t index = element_as_int(ctx.inputs[0], i);
      if (index < -depth || index >= depth) continue;
      if (index < 0) index += depth;
      dst[(i / inner * depth + index) * inner + i % inner] = values[1];
    }
    return {};
  });
}

// Trilu(x [..., rows, columns], k?): keeps column >= row + k (upper) or <= (lower), zeros elsewhere.
Result<TypeList> infer_trilu(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 2, kMaxRank));
  QL_TRY(bool upper, bool_attr(ctx.attrs(), "upper", true));
  (void)upper;
  if (ctx.has(1) && (ctx.type(1).count() != 1 || ctx.type(1).dtype != DType::s64))
    return invalid_model("diagonal k is ", to_string(ctx.type(1)), ", expected a scalar s64");
  return TypeList{ctx.type(0)};
}
Status eval_trilu(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = out[0].shape();
  bool upper = ctx.attrs().int_or("upper", 1) != 0;
  int64_t rows = shape[shape.size() - 2], columns = shape.back();
  int64_t k = std::clamp<int64_t>(ctx.has(1) ? *ctx.inputs[1].as<int64_t>() : 0, -rows, columns);
  return dispatch_bits(out[0].type->dtype, [&]<class T>(T) -> Status {
    const T* x = ctx.inputs[0].as<T>();
    T* y = out[0].as<T>();
    for (int64_t i = 0, n = out[0].type->count(); i < n; ++i) {
      int64_t row = i / columns % rows, column = i % columns;
      y[i] = (upper ? column >= row + k : column <= row + k) ? x[i] : T{0};
    }
    return {};
  });
}

}  // namespace

void append_fill_ops(std::vector<OpDef>& defs) {
  defs.insert(defs.end(), {
                              {"Shape", 1, 1, 1, "start end", infer_shape, eval_shape},
                              {"Size", 1, 1, 1, "", infer_size, eval_size},
                              {"ConstantOfShape", 1, 1, 1, "value", infer_constant_of_shape, eval_constant_of_shape},
                              {"Range", 3, 3, 1, "", infer_range, eval_range},
                              {"EyeLike", 1, 1, 1, "dtype k", infer_eye_like, eval_eye_like},
                              {"OneHot", 3, 3, 1, "axis", infer_one_hot, eval_one_hot},
                              {"Trilu", 1, 2, 1, "upper", infer_trilu, eval_trilu},
                          });
}

}  // namespace quadlane
