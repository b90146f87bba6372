// Softmax and LogSoftmax along one axis (opset 13 semantics), sums and exponentials in double:
//
//   softmax = exp(x - max) / sum of exp(x - max)        log softmax = (x - max) - log(sum of exp(x - max))
#include <cmath>

#include "ops/attr.h"
#include "ops/defs.h"
#include "ops/dispatch.h"

namespace quadlane {

namespace {

Result<int64_t> axis_of(const OpContext& ctx) {
  QL_TRY(int64_t axis, int_attr(ctx.attrs(), "axis", -1));
  return normalize_axis(axis, static_cast<int64_t>(ctx.shape(0).size()));
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] int64_t axis, axis_of(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}

template <class T>
Status run(const OpContext& ctx, int64_t axis, T* y, bool log) {
  const Shape& shape = ctx.shape(0);
  int64_t length = shape[static_cast<size_t>(axis)], inner = 1, outer = 1;
  for (int64_t i = 0; i < axis; ++i) outer *= shape[static_cast<size_t>(i)];
  for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  if (length == 0) return {};
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const T* src = ctx.inputs[0].as<T>() + o * length * inner + i;
      T* dst = y + o * length * inner + i;
      double max = src[0], sum = 0;
      for (int64_t l = 1; l < length; ++l) max = std::max(max, double{src[l * inner]});
      for (int64_t l = 0; l < length; ++l) sum += std::exp(src[l * inner] - max);
      for (int64_t l = 0; l < length; ++l) {
        double shifted = src[l * inner] - max;
        dst[l * inner] = static_cast<T>(log ? shifted - std::log(sum) : std::exp(shifted) / sum);
      }
    }
  return {};
}

template <bool Log>
Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(int64_t axis, axis_of(ctx));
  return dispatch_float(ctx.type(0).dtype,
                        [&]<class T>(T) -> Status { return run<T>(ctx, axis, out[0].as<T>(), Log); });
}

}  // namespace

void append_softmax_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Softmax", 1, 1, 1, "axis", infer, with_half<eval<false>>});
  defs.push_back({"LogSoftmax", 1, 1, 1, "axis", infer, with_half<eval<true>>});
}

}  // namespace quadlane
