// The f32 functions against their formulas in double precision, over the range where they do not saturate and beyond
// it, and at special values.
#include "jit/kernels/functions.h"

#include <cmath>

#include "jit/kernels/elementwise.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

constexpr double kAlpha = 0.3, kBeta = 0.6;

double formula(Activation act, double v) {
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  auto softplus = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); };
  const double alpha = static_cast<float>(kAlpha), beta = static_cast<float>(kBeta);
  switch (act) {
    case Activation::none: return v;
    case Activation::clip: return std::min(std::max(v, -1.5), 6.0);
    case Activation::leaky: return v < 0 ? v * alpha : v;
    case Activation::hard_sigmoid: return std::clamp(v * alpha + beta, 0.0, 1.0);
    case Activation::hard_swish: return v * std::clamp(v / 6 + 0.5, 0.0, 1.0);
    case Activation::sigmoid: return sigmoid(v);
    case Activation::swish: return v * sigmoid(v * alpha);
    case Activation::tanh: return std::tanh(v);
    case Activation::erf: return std::erf(v);
    case Activation::gelu: return v / 2 * (1 + std::erf(v * std::sqrt(0.5)));
    case Activation::gelu_tanh: return v / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    case Activation::mish: return v * std::tanh(softplus(v));
    case Activation::softplus: return softplus(v);
    case Activation::softsign: return v / (1 + std::abs(v));
    case Activation::elu: return v < 0 ? alpha * std::expm1(v) : v;
    case Activation::selu: return beta * (v < 0 ? alpha * std::expm1(v) : v);
    case Activation::celu: return v < 0 ? alpha * std::expm1(v / alpha) : v;
    case Activation::exp: return std::exp(v);
    case Activation::log: return std::log(v);
    case Activation::sqrt: return std::sqrt(v);
    case Activation::reciprocal: return 1 / v;
    case Activation::abs: return std::abs(v);
    case Activation::neg: return -v;
    case Activation::square: return v * v;
    case Activation::cube: return v * v * v;
    case Activation::floor: return std::floor(v);
    case Activation::ceil: return std::ceil(v);
    case Activation::round: return std::nearbyint(v);
  }
  return 0;
}

// Largest error beside the rounding of the result: relative, and absolute for a v of size 1 (where differences cancel).
struct Bound {
  double relative, absolute;
};
Bound bound(Activation act) {
  switch (act) {
    case Activation::tanh:
    case Activation::erf: return {5e-7, 0};
    case Activation::gelu:
    case Activation::gelu_tanh: return {5e-7, 4e-7};
    case Activation::hard_sigmoid:
    case Activation::hard_swish: return {2e-7, 2e-7};
    case Activation::log: return {3e-7, 1e-7};
    case Activation::swish: return {1e-6, 0};  // its factor's argument is rounded
    case Activation::cube: return {2e-7, 0};
    default: return {5e-7, 0};
  }
}

std::vector<float> values() {
  std::vector<float> x = {0.0f,  -0.0f,    1e-30f,   -1e-30f, 1e-3f,     -1e-3f,   0.5f,   -0.5f,
                          1.5f,  2.5f,     86.9f,    -86.9f,  88.0f,     88.7f,    -88.0f, 1e4f,
                          -1e4f, 0.70710f, 1.41421f, 6e-7f,   -INFINITY, INFINITY, NAN};
  Rng rng(8);
  for (float range : {0.01f, 1.0f, 4.0f, 10.0f, 90.0f})
    for (int i = 0; i < 800; ++i) x.push_back(std::uniform_real_distribution<float>(-range, range)(rng));
  return x;
}

TEST(Functions, AreWithinTheirBounds) {
  const std::vector<float> x = values();
  const int w = static_cast<int>(x.size());
  ElementwiseScalars scalars;
  scalars.v_lo = -1.5f, scalars.v_hi = 6;
  scalars.alpha = static_cast<float>(kAlpha), scalars.beta = static_cast<float>(kBeta);
  const std::vector<int64_t> at = {0};
  const std::vector<uint32_t> pad = {0};
  for (Isa isa : kGeneratedIsas)
    for (int f = 0; f <= static_cast<int>(Activation::round); ++f) {
      const Activation act = Activation(f);
      GuardedBytes src(x.size() * 4), dst(src.size());
      std::memcpy(src.data(), x.data(), src.size());
      auto code = generate(ElementwiseSpec{isa, ElementwiseOp::unary_f32, act, {w, 0}}, poisoned());
      ASSERT_TRUE(code.ok()) << code.error().text();
      ElementwiseArgs args{};
      args.a = src.data(), args.a_planes = at.data(), args.dst = dst.data(), args.dst_planes = at.data();
      args.dst_pad = pad.data(), args.scalars = &scalars, args.planes = 1, args.count = 1;
      ASSERT_TRUE(run_kernel(*code, isa, &args,
                             {block(args), block(scalars), readable(at), readable(pad), readable(src), writable(dst)}));
      const Bound limit = bound(act);
      for (int i = 0; i < w; ++i) {
        const double v = x[static_cast<size_t>(i)], expected = formula(act, v);
        const float ours = dst.as<float>()[i];
        if (std::isnan(v) && act == Activation::clip) continue;
        // The single-precision references give NaN for 0 * infinity where the limit is 0.
        if (std::isinf(v) && v < 0 && std::isnan(expected)) continue;
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(ours)) << to_string(act) << "(" << v << ") is " << ours;
          continue;
        }
        if (std::isinf(static_cast<float>(expected))) {
          EXPECT_EQ(ours, static_cast<float>(expected)) << to_string(act) << "(" << v << ")";
          continue;
        }
        const double size = std::clamp(std::abs(v), 1.0, 1e30);
        const double allowed = std::abs(expected) * limit.relative + (limit.absolute + 1e-37) * size;
        EXPECT_NEAR(ours, expected, allowed) << to_string(act) << "(" << v << ") " << to_string(isa);
        if (!(std::abs(ours - expected) <= allowed)) break;  // one of a function is enough
      }
    }
}

}  // namespace
}  // namespace quadlane::testing
