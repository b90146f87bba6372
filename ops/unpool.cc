// MaxUnpool(x, indices, output_shape?): x's values go where MaxPool found them, everything else is 0. Indices count
// through the tensor of extents (in - 1) * stride - pads + kernel; a larger output_shape adds zeros behind it.
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/pool_ops.h"
#include "ops/shape_inputs.h"
#include "ops/strided.h"
#include "ops/window_list.h"

namespace quadlane {
namespace {

// The extents the indices count through.
Result<Shape> pooled_from(const OpContext& ctx) {
  Shape shape = ctx.shape(0);
  size_t axes = shape.size() - 2;
  if (!ctx.attrs().has("kernel_shape")) return invalid_model("attribute 'kernel_shape' is missing");
  QL_TRY(auto kernel, window_list(ctx.attrs(), "kernel_shape", axes, 1, 1));
  QL_TRY(auto strides, window_list(ctx.attrs(), "strides", axes, 1, 1));
  QL_TRY(auto pads, window_list(ctx.attrs(), "pads", 2 * axes, 0, 0));
  for (size_t i = 0; i < axes; ++i) {
    int64_t in = shape[i + 2];
    if (in < 1 || in > kWindowLimit) return invalid_model("input extent is ", in, ", expected 1 to ", kWindowLimit);
    shape[i + 2] = (in - 1) * strides[i] + kernel[i] - pads[i] - pads[axes + i];
    if (shape[i + 2] < 1)
      return invalid_model("pads ", pads[i], ", ", pads[axes + i], " leave nothing of axis ", i + 2);
  }
  return shape;
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  QL_CHECK_OK(expect_rank(ctx, 0, 3, 5));
  QL_CHECK_OK(expect_dtype(ctx, 1, DType::s64));
  QL_CHECK_OK(expect_shape(ctx, 1, ctx.shape(0)));
  QL_TRY(Shape shape, pooled_from(ctx));
  if (!ctx.has(2)) return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
  QL_TRY(Shape given, known_ints(ctx, 2, "output_shape"));
  bool fits = given.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = i < 2 ? given[i] == shape[i] : given[i] >= shape[i];
  if (!fits)
    return invalid_model("output_shape is ", to_string(given), ", the pooled values come from ", to_string(shape));
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(given)}};
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Shape from, pooled_from(ctx));
  QL_TRY(int64_t count, element_count(from));
  std::vector<int64_t> inner = dense_strides(from), outer = dense_strides(out[0].shape());
  return dispatch_bits(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    T* y = out[0].as<T>();
    std::fill_n(y, out[0].type->count(), T{0});
    for (int64_t i = 0, n = ctx.type(0).count(); i < n; ++i) {
      int64_t index = ctx.inputs[1].as<int64_t>()[i], at = 0;
      if (index < 0 || index >= count)
        return invalid_argument("index ", index, " does not exist among ", count, " values");
      for (size_t a = 0; a < from.size(); ++a) {
        at += index / inner[a] * outer[a];
        index %= inner[a];
      }
      y[at] = ctx.inputs[0].as<T>()[i];
    }
    return {};
  });
}

}  // namespace

void append_unpool_ops(std::vector<OpDef>& defs) {
  defs.push_back({"MaxUnpool", 2, 3, 1, "kernel_shape pads strides", infer, eval});
}

}  // namespace quadlane
