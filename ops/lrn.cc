// LRN on [N, C, ...]: y[c] = x[c] / (bias + alpha / size * sum of x[k]^2)^beta, k from c - floor((size - 1) / 2) to
// c + ceil((size - 1) / 2) inside the image, in double.
#include <cmath>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/norm_ops.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

struct Response {
  int64_t size;
  double alpha, beta, bias;
};
Result<Response> response_of(const OpContext& ctx) {
  if (!ctx.attrs().has("size")) return invalid_model("attribute 'size' is missing");
  QL_TRY(int64_t size, int_attr_in(ctx.attrs(), "size", 1, 1, int64_t{1} << 30));
  QL_TRY(float alpha, float_attr(ctx.attrs(), "alpha", 0.0001f));
  QL_TRY(float beta, float_attr(ctx.attrs(), "beta", 0.75f));
  QL_TRY(float bias, float_attr(ctx.attrs(), "bias", 1));
  return Response{size, double{alpha}, double{beta}, double{bias}};
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_rank(ctx, 0, 2, kMaxRank));
  QL_TRY([[maybe_unused]] Response r, response_of(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}

template <class T>
void normalize(const Response& r, const Shape& shape, const T* x, T* y) {
  int64_t channels = shape[1], pixels = elements_between(shape, 2, shape.size());
  int64_t below = (r.size - 1) / 2, above = r.size - 1 - below;
  for (int64_t n = 0; n < shape[0]; ++n, x += channels * pixels, y += channels * pixels)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < pixels; ++p) {
        double sum = 0;
        for (int64_t k = std::max<int64_t>(0, c - below); k <= std::min(channels - 1, c + above); ++k)
          sum += double{x[k * pixels + p]} * double{x[k * pixels + p]};
        double divisor = std::pow(r.bias + r.alpha / static_cast<double>(r.size) * sum, r.beta);
        y[c * pixels + p] = static_cast<T>(x[c * pixels + p] / divisor);
      }
}
Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Response r, response_of(ctx));
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    normalize<T>(r, ctx.shape(0), ctx.inputs[0].as<T>(), out[0].as<T>());
    return {};
  });
}

}  // namespace

void append_lrn_ops(std::vector<OpDef>& defs) {
  defs.push_back({"LRN", 1, 1, 1, "alpha beta bias size", infer, with_half<eval>});
}

}  // namespace quadlane
