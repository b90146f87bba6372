// Softmax and LogSoftmax along one axis (opset 13 semantics), f32, sums and exponentials in double:
//
//   softmax = exp(x - max) / sum of exp(x - max)        log softmax = (x - max) - log(sum of exp(x - max))
#include <cmath>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/defs.h"

namespace quadlane {

namespace {

Result<int64_t> axis_of(const OpContext& ctx) {
  QL_TRY(int64_t axis, int_attr(ctx.attrs(), "axis", -1));
  return normalize_axis(axis, static_cast<int64_t>(ctx.shape(0).size()));
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::f32));
  QL_TRY([[maybe_unused]] int64_t axis, axis_of(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}

Status run(const OpContext& ctx, const MutView& y, bool log) {
  QL_TRY(int64_t axis, axis_of(ctx));
  const Shape& shape = ctx.shape(0);
  int64_t length = shape[static_cast<size_t>(axis)], inner = 1, outer = 1;
  for (int64_t i = 0; i < axis; ++i) outer *= shape[static_cast<size_t>(i)];
  for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  if (length == 0) return {};
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const float* src = ctx.inputs[0].as<float>() + o * length * inner + i;
      float* dst = y.as<float>() + o * length * inner + i;
      double max = src[0], sum = 0;
      for (int64_t l = 1; l < length; ++l) max = std::max(max, double{src[l * inner]});
      for (int64_t l = 0; l < length; ++l) sum += std::exp(src[l * inner] - max);
      for (int64_t l = 0; l < length; ++l) {
        double shifted = src[l * inner] - max;
        dst[l * inner] = static_cast<float>(log ? shifted - std::log(sum) : std::exp(shifted) / sum);
      }
    }
  return {};
}

Status eval_softmax(const OpContext& ctx, std::span<const MutView> out) { return run(ctx, out[0], false); }
Status eval_log_softmax(const OpContext& ctx, std::span<const MutView> out) { return run(ctx, out[0], true); }

}  // namespace

void append_softmax_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Softmax", 1, 1, 1, "axis", infer, eval_softmax});
  defs.push_back({"LogSoftmax", 1, 1, 1, "axis", infer, eval_log_softmax});
}

}  // namespace quadlane
