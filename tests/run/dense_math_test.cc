// The functions of loops over dense tensors against those of the standard library in double: a sample of all floats,
// through the vectorized loop and one at a time, which must agree to the bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "engine/base/cpu.h"
#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/math.h"

namespace quadlane::run {
namespace {

// Errors in units of the last place of the exact result; infinities and NaN must be met.
double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (std::isinf(static_cast<float>(want)) || std::isinf(got)) return got == static_cast<float>(want) ? 0 : 1e9;
  int exponent = 0;
  std::frexp(want, &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

std::vector<float> sample(float lo, float hi) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 4099) {
    const float f = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if ((f >= lo && f <= hi) || f != f) x.push_back(f);
  }
  return x;
}

void check(const char* name, float (*one)(float), double (*exact)(double), double most,
           float lo = -std::numeric_limits<float>::infinity(), float hi = std::numeric_limits<float>::infinity()) {
  const std::vector<float> x = sample(lo, hi);
  std::vector<float> y(x.size());
  double worst = 0;
  float at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = one(x[i]);
    if (const double error = ulps(y[i], exact(x[i])); error > worst) worst = error, at = x[i];
  }
  EXPECT_LE(worst, most) << name << " at " << at << ": " << one(at) << ", exact " << exact(at);
  const Isa isa = detect_cpu().best_isa();
  const ElementLoop found = ElementLoop::find(name, 1, DType::f32, DType::f32);
  if (isa == Isa::reference || !found.fn) return;
  std::vector<float> loop(x.size());
  ElementRows rows{};
  rows.in[0] = x.data(), rows.step[0] = 1, rows.out = loop.data(), rows.rows = 1;
  rows.n = static_cast<int64_t>(x.size());
  run_rows(found, isa, rows);
  int64_t different = 0;
  for (size_t i = 0; i < x.size(); ++i)
    different += std::memcmp(&loop[i], &y[i], sizeof(float)) != 0 && loop[i] == loop[i];
  EXPECT_EQ(different, 0) << name;
}

TEST(DenseMath, Accuracy) {
  check("Exp", exp, std::exp, 1);
  check("Log", log, std::log, 1);
  check("Tanh", tanh, std::tanh, 2);
  check("Erf", erf, std::erf, 2);
  check("expm1", expm1, std::expm1, 2);
  check("Sin", sin, std::sin, 2, -kMostAngle, kMostAngle);
  check("Cos", cos, std::cos, 2, -kMostAngle, kMostAngle);
  check(
      "Sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 3, -87.0f);
}

// Angles whose remainder needs more of pi, and what is no angle.
TEST(DenseMath, FarAngles) {
  const Isa isa = detect_cpu().best_isa();
  if (isa == Isa::reference) GTEST_SKIP();
  std::vector<float> x(64, 1.0f), y(x.size());
  const float most = std::numeric_limits<float>::infinity();
  const float far[] = {kMostAngle, 131073.5f, -4e6f, 1e10f, -3e38f, most, -most, std::nanf("")};
  for (size_t i = 0; i < std::size(far); ++i) x[5 + 7 * i] = far[i];
  for (const char* name : {"Sin", "Cos"}) {
    ElementRows rows{};
    rows.in[0] = x.data(), rows.step[0] = 1, rows.out = y.data(), rows.rows = 1,
    rows.n = static_cast<int64_t>(x.size());
    run_rows(ElementLoop::find(name, 1, DType::f32, DType::f32), isa, rows);
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = name[0] == 'S' ? std::sin(double{x[i]}) : std::cos(double{x[i]});
      EXPECT_LE(ulps(y[i], exact), 2) << name << " of " << x[i];
    }
  }
}

}  // namespace
}  // namespace quadlane::run
