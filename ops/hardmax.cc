// Hardmax along one axis (opset 13 semantics): 1 where the first largest value is, 0 elsewhere.
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/reduce_layout.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] size_t axis, axis_attr(ctx, -1, ctx.shape(0).size()));
  return std::vector<TensorType>{ctx.type(0)};
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, -1, shape.size()));
  int64_t length = shape[axis], inner = elements_between(shape, axis + 1, shape.size());
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    T* y = out[0].as<T>();
    std::fill_n(y, out[0].type->count(), T{0});
    if (length == 0) return {};
    for (int64_t line = 0, lines = elements_between(shape, 0, axis) * inner; line < lines; ++line) {
      int64_t first = line / inner * length * inner + line % inner, best = 0;
      const T* x = ctx.inputs[0].as<T>() + first;
      for (int64_t i = 1; i < length; ++i)
        if (x[i * inner] > x[best * inner]) best = i;
      y[first + best * inner] = 1;
    }
    return {};
  });
}

}  // namespace

void append_hardmax_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Hardmax", 1, 1, 1, "axis", infer, with_half<eval>});
}

}  // namespace quadlane
