// Concat(a, b, ...) along `axis`.
#include <cstring>

#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer_concat(const OpContext& ctx) {
  for (size_t i = 0; i < ctx.inputs.size(); ++i)
    if (!ctx.has(i)) return invalid_model("input ", i, " is absent, every input is required");
  QL_CHECK_OK(expect_same_dtype(ctx));
  if (!ctx.attrs().has("axis")) return invalid_model("attribute 'axis' is absent");
  Shape shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, 0, shape.size()));
  for (size_t i = 1; i < ctx.inputs.size(); ++i) {
    Shape other = ctx.shape(i);
    if (other.size() == shape.size()) {
      QL_TRY(shape[axis], checked_sum(shape[axis], other[axis]));
      other[axis] = shape[axis];
    }
    if (other != shape)
      return invalid_model("input ", i, " has shape ", to_string(ctx.shape(i)), ", input 0 has ",
                           to_string(ctx.shape(0)), ": they differ outside axis ", axis);
  }
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

Status eval_concat(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = out[0].shape();
  QL_TRY(size_t axis, axis_attr(ctx, 0, shape.size()));
  size_t element = size_of(out[0].type->dtype);
  size_t row = static_cast<size_t>(elements_between(shape, axis, shape.size())) * element;
  auto rows = static_cast<size_t>(elements_between(shape, 0, axis));
  char* to = out[0].as<char>();
  for (const View& in : ctx.inputs) {
    size_t bytes = static_cast<size_t>(elements_between(in.shape(), axis, shape.size())) * element;
    for (size_t r = 0; bytes > 0 && r < rows; ++r) std::memcpy(to + r * row, in.as<char>() + r * bytes, bytes);
    to += bytes;
  }
  return {};
}

}  // namespace

void append_concat_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Concat", 1, -1, 1, "axis", infer_concat, eval_concat});
}

}  // namespace quadlane
