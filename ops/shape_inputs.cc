#include "ops/shape_inputs.h"

#include "engine/base/index.h"
#include "ops/attr.h"

namespace quadlane {

Status expect_known(const OpContext& ctx, size_t i, const char* what) {
  if (ctx.known(i)) return {};
  return make_error(Code::needs_value, what, " input is not a constant");
}

Result<std::vector<int64_t>> known_ints(const OpContext& ctx, size_t i, const char* what) {
  if (!ctx.has(i)) return invalid_model(what, " input is absent");
  const TensorType& type = ctx.type(i);
  if (!is_integer(type.dtype)) return invalid_model(what, " input is ", to_string(type), ", expected integers");
  if (type.shape.size() > 1)
    return invalid_model(what, " input is ", to_string(type), ", expected at most one dimension");
  QL_CHECK_OK(expect_known(ctx, i, what));
  return to_ints(ctx.inputs[i]);
}

Result<int64_t> known_int(const OpContext& ctx, size_t i, const char* what) {
  QL_TRY(std::vector<int64_t> ints, known_ints(ctx, i, what));
  if (ints.size() != 1) return invalid_model(what, " input has ", ints.size(), " elements, expected 1");
  return ints[0];
}

Result<std::vector<size_t>> normalize_axes(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> result;
  for (int64_t axis : axes) {
    QL_TRY(int64_t index, normalize_axis(axis, static_cast<int64_t>(rank)));
    if (std::find(result.begin(), result.end(), static_cast<size_t>(index)) != result.end())
      return invalid_model("axis ", axis, " occurs twice in ", to_string(axes));
    result.push_back(static_cast<size_t>(index));
  }
  return result;
}

Result<size_t> axis_attr(const OpContext& ctx, int64_t otherwise, size_t rank) {
  QL_TRY(int64_t axis, int_attr(ctx.attrs(), "axis", otherwise));
  QL_TRY(int64_t index, normalize_axis(axis, static_cast<int64_t>(rank)));
  return static_cast<size_t>(index);
}

Result<int64_t> checked_product(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) return unsupported("extent ", a, " * ", b, " overflows");
  return result;
}

Result<int64_t> checked_sum(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_add_overflow(a, b, &result)) return unsupported("extent ", a, " + ", b, " overflows");
  return result;
}

Result<int64_t> checked_index(const View& indices, int64_t i, int64_t extent) {
  const int64_t index = element_as_int(indices, i);
  if (index < -extent || index >= extent) return bad_index(i, index, extent);
  return index < 0 ? index + extent : index;
}

int64_t elements_between(const Shape& shape, size_t from, size_t to) {
  int64_t count = 1;
  for (size_t i = from; i < to; ++i) count *= shape[i];
  return count;
}

}  // namespace quadlane
