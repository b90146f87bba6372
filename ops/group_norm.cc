// GroupNormalization on [N, C, ...] in the form of opset 21, in double: each image's channels form `num_groups` groups
// of C / num_groups neighbours, and
//
//   y = (x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c]
//
// with the mean and the biased variance of the pixel's group.
#include <cmath>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/norm_ops.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_CHECK_OK(expect_rank(ctx, 0, 2, kMaxRank));
  int64_t channels = ctx.shape(0)[1];
  QL_CHECK_OK(expect_shape(ctx, 1, {channels}));
  QL_CHECK_OK(expect_shape(ctx, 2, {channels}));
  if (!ctx.attrs().has("num_groups")) return invalid_model("attribute 'num_groups' is missing");
  QL_TRY(int64_t groups, int_attr_in(ctx.attrs(), "num_groups", 1, 1, std::max<int64_t>(channels, 1)));
  if (channels % groups != 0) return invalid_model(channels, " channels do not form ", groups, " groups");
  QL_TRY([[maybe_unused]] float epsilon, float_attr(ctx.attrs(), "epsilon", 1e-5f));
  QL_TRY([[maybe_unused]] int64_t stash, int_attr(ctx.attrs(), "stash_type", 1));  // sums are doubles whatever it says
  return std::vector<TensorType>{ctx.type(0)};
}

template <class T>
void normalize(const OpContext& ctx, const MutView& out) {
  const Shape& shape = ctx.shape(0);
  int64_t groups = ctx.attrs().int_or("num_groups", 1), channels = shape[1] / groups;
  int64_t pixels = elements_between(shape, 2, shape.size()), values = channels * pixels;
  if (values == 0) return;
  double epsilon = double{ctx.attrs().float_or("epsilon", 1e-5f)};
  const T *x = ctx.inputs[0].as<T>(), *scale = ctx.inputs[1].as<T>(), *bias = ctx.inputs[2].as<T>();
  T* y = out.as<T>();
  for (int64_t g = 0; g < shape[0] * groups; ++g, x += values, y += values) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < values; ++i) sum += double{x[i]};
    double mean = sum / static_cast<double>(values);
    for (int64_t i = 0; i < values; ++i) squares += (x[i] - mean) * (x[i] - mean);
    double inverse = 1 / std::sqrt(squares / static_cast<double>(values) + epsilon);
    for (int64_t i = 0; i < values; ++i) {
      int64_t c = g % groups * channels + i / pixels;
      y[i] = static_cast<T>((x[i] - mean) * inverse * double{scale[c]} + double{bias[c]});
    }
  }
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    normalize<T>(ctx, out[0]);
    return {};
  });
}

}  // namespace

void append_group_norm_ops(std::vector<OpDef>& defs) {
  defs.push_back({"GroupNormalization", 3, 3, 1, "epsilon num_groups stash_type", infer, with_half<eval>});
}

}  // namespace quadlane
