// Elementwise operators: hand-made corners of each function, broadcasting against an index-by-index formula, casts.
#include <cmath>
#include <limits>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
Tensor list(std::vector<T> data) {
  return Tensor::from<T>({static_cast<int64_t>(data.size())}, data);
}
Tensor bools(const Shape& shape, std::initializer_list<bool> data) {
  return Tensor::from<bool>(shape, std::span<const bool>(data.begin(), data.size()));
}
std::vector<int> truths(const Tensor& t) {
  EXPECT_EQ(t.dtype(), DType::boolean);
  std::vector<int> v;
  for (bool b : t.span<bool>()) v.push_back(b);
  return v;
}
std::vector<float> from_halves(const Tensor& t) {
  std::vector<float> v;
  for (Half h : values<Half>(t)) v.push_back(half_to_float(h));
  return v;
}

void expect_near(const Tensor& y, const std::vector<double>& expected, double tolerance = 2e-7) {
  ASSERT_EQ(static_cast<size_t>(y.count()), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    double v = element_as_double(y.view(), static_cast<int64_t>(i));
    if (std::isnan(expected[i]))
      EXPECT_TRUE(std::isnan(v)) << "element " << i;
    else if (std::isinf(expected[i]))
      EXPECT_EQ(v, expected[i]) << "element " << i;
    else
      EXPECT_NEAR(v, expected[i], tolerance * std::max(1.0, std::abs(expected[i]))) << "element " << i;
  }
}

struct Function {
  const char* op;
  AttrList attrs;
  double (*f)(double);
};

// Each function in f64 (so that the formula is compared, not the rounding), f32 and f16 on the same points.
TEST(Unary, FunctionsMatchTheirFormulas) {
  const Function functions[] = {
      {"Exp", {}, [](double x) { return std::exp(x); }},
      {"Log", {}, [](double x) { return std::log(x); }},
      {"Sqrt", {}, [](double x) { return std::sqrt(x); }},
      {"Floor", {}, [](double x) { return std::floor(x); }},
      {"Ceil", {}, [](double x) { return std::ceil(x); }},
      {"Erf", {}, [](double x) { return std::erf(x); }},
      {"Tanh", {}, [](double x) { return std::tanh(x); }},
      {"Reciprocal", {}, [](double x) { return 1 / x; }},
      {"Abs", {}, [](double x) { return std::abs(x); }},
      {"Neg", {}, [](double x) { return -x; }},
      {"Relu", {}, [](double x) { return x > 0 ? x : 0; }},
      {"Sigmoid", {}, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {"Softplus", {}, [](double x) { return std::log(1 + std::exp(x)); }},
      {"Softsign", {}, [](double x) { return x / (1 + std::abs(x)); }},
      {"HardSwish", {}, [](double x) { return x * std::min(1.0, std::max(0.0, x / 6 + 0.5)); }},
      {"Mish", {}, [](double x) { return x * std::tanh(std::log(1 + std::exp(x))); }},
      {"LeakyRelu", {}, [](double x) { return x < 0 ? double{0.01F} * x : x; }},
      {"LeakyRelu", {{"alpha", 0.5F}}, [](double x) { return x < 0 ? 0.5 * x : x; }},
      {"Elu", {{"alpha", 2.0F}}, [](double x) { return x < 0 ? 2 * (std::exp(x) - 1) : x; }},
      {"Celu", {{"alpha", 2.0F}}, [](double x) { return x < 0 ? 2 * (std::exp(x / 2) - 1) : x; }},
      {"Selu", {{"alpha", 2.0F}, {"gamma", 3.0F}}, [](double x) { return 3 * (x > 0 ? x : 2 * (std::exp(x) - 1)); }},
      {"ThresholdedRelu", {{"alpha", 2.0F}}, [](double x) { return x > 2 ? x : 0; }},
      {"HardSigmoid",
       {{"alpha", 0.5F}, {"beta", 0.25F}},
       [](double x) { return std::min(1.0, std::max(0.0, 0.5 * x + 0.25)); }},
      {"Gelu", {}, [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }},
      {"Gelu",
       {{"approximate", std::string("tanh")}},
       [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }},
  };
  const std::vector<double> points{-5, -2.5, -1, -0.5, -0.125, 0, 0.125, 0.5, 1, 1.5, 2, 3, 5};
  std::vector<float> singles(points.begin(), points.end());
  std::vector<Half> halves;
  for (float v : singles) halves.push_back(float_to_half(v));
  for (const Function& function : functions) {
    SCOPED_TRACE(function.op);
    std::vector<double> expected;
    for (double x : points) expected.push_back(function.f(x));
    expect_near(must(function.op, {list(points)}, function.attrs), expected, 1e-12);
    expect_near(must(function.op, {list(singles)}, function.attrs), expected, 1e-6);
    expect_near(must(function.op, {list(halves)}, function.attrs), expected, 6e-4);
  }
}

TEST(Unary, RoundsHalvesToEven) {
  EXPECT_EQ(values<float>(must("Round", {list<float>({0.5, 1.5, 2.5, -0.5, -1.5, 2.4999998F, 1e30F})})),
            (std::vector<float>{0, 2, 2, -0.0F, -2, 2, 1e30F}));
}

TEST(Unary, LargeArgumentsDoNotOverflow) {
  expect_near(must("Softplus", {list<float>({1000, -1000, 0})}), {1000, 0, std::log(2.0)});
  expect_near(must("Sigmoid", {list<float>({1000, -1000})}), {1, 0});
  expect_near(must("Mish", {list<float>({1000, -1000})}), {1000, 0});
}

TEST(Unary, NanPassesThrough) {
  for (const char* op :
       {"Relu", "Sigmoid", "LeakyRelu", "Elu", "Abs", "Sign", "HardSwish", "HardSigmoid", "Clip", "Softplus"})
    EXPECT_TRUE(std::isnan(values<float>(must(op, {list<float>({kNan})}))[0])) << op;
}

TEST(Unary, Integers) {
  EXPECT_EQ(values<int8_t>(must("Abs", {list<int8_t>({-128, -3, 0, 127})})), (std::vector<int8_t>{-128, 3, 0, 127}));
  EXPECT_EQ(values<int8_t>(must("Neg", {list<int8_t>({-128, -3, 127})})), (std::vector<int8_t>{-128, 3, -127}));
  EXPECT_EQ(values<int64_t>(must("Sign", {list<int64_t>({-9, 0, 9})})), (std::vector<int64_t>{-1, 0, 1}));
  EXPECT_EQ(values<int32_t>(must("Relu", {list<int32_t>({-9, 0, 9})})), (std::vector<int32_t>{0, 0, 9}));
  EXPECT_EQ(values<uint8_t>(must("Abs", {list<uint8_t>({200})})), (std::vector<uint8_t>{200}));
  EXPECT_EQ(truths(must("Not", {bools({2}, {true, false})})), (std::vector<int>{0, 1}));
  EXPECT_NE(error_of("Exp", {list<int32_t>({1})}), "");
  EXPECT_NE(error_of("Neg", {list<uint8_t>({1})}), "");
  EXPECT_NE(error_of("Not", {list<uint8_t>({1})}), "");
}

TEST(Clip, Bounds) {
  Tensor x = list<float>({-3, -1, 0, 1, 3}), none;
  EXPECT_EQ(values<float>(must("Clip", {x, Tensor::scalar(-1.0F), Tensor::scalar(1.0F)})),
            (std::vector<float>{-1, -1, 0, 1, 1}));
  EXPECT_EQ(values<float>(must("Clip", {x, none, Tensor::scalar(1.0F)})), (std::vector<float>{-3, -1, 0, 1, 1}));
  EXPECT_EQ(values<float>(must("Clip", {x, Tensor::scalar(-1.0F)})), (std::vector<float>{-1, -1, 0, 1, 3}));
  EXPECT_EQ(values<float>(must("Clip", {x, Tensor::scalar(2.0F), Tensor::scalar(1.0F)})), std::vector<float>(5, 1));
  EXPECT_EQ(values<float>(must("Clip", {list<float>({-kInf, kInf})})), (std::vector<float>{-kInf, kInf}));
  EXPECT_EQ(values<int8_t>(must("Clip", {list<int8_t>({-128, 5, 127}), Tensor::scalar<int8_t>(-4)})),
            (std::vector<int8_t>{-4, 5, 127}));
  EXPECT_EQ(error_of("Clip", {x, list<float>({1, 2})}), "node 'n' (Clip): bound 1 has shape [2], expected a scalar");
  EXPECT_NE(error_of("Clip", {x, Tensor::scalar<int64_t>(1)}), "");
}

TEST(PRelu, SlopeBroadcastsToTheInput) {
  Tensor x = floats({2, 2}, {-1, 2, -3, -4});
  EXPECT_EQ(values<float>(must("PRelu", {x, floats({2}, {10, 100})})), (std::vector<float>{-10, 2, -30, -400}));
  EXPECT_EQ(values<float>(must("PRelu", {x, floats({2, 1}, {10, 100})})), (std::vector<float>{-10, 2, -300, -400}));
  EXPECT_EQ(error_of("PRelu", {x, floats({1, 2, 2}, {1, 1, 1, 1})}),
            "node 'n' (PRelu): slope has shape [1,2,2], which does not broadcast to the input's [2,2]");
}

// Element of a broadcast operand at flat output index i, by coordinates.
double operand(const Tensor& t, const Shape& out, int64_t i) {
  int64_t at = 0, stride = 1;
  for (size_t back = 1; back <= out.size(); ++back, i /= out[out.size() - back + 1]) {
    if (back > t.shape().size()) break;
    int64_t extent = t.shape()[t.shape().size() - back];
    if (extent > 1) at += i % out[out.size() - back] * stride;
    stride *= extent;
    if (back == out.size()) break;
  }
  return element_as_double(t.view(), at);
}

TEST(Broadcast, EveryPatternMatchesTheFormula) {
  Random random(1);
  for (int trial = 0; trial < 400; ++trial) {
    auto rank = static_cast<size_t>(random.between(0, 5));
    Shape out(rank);
    for (int64_t& extent : out) extent = random.between(0, 9) == 0 ? 0 : random.between(1, 4);
    Tensor in[3];
    Shape expected;
    for (Tensor& t : in) {
      Shape shape(out.begin() + random.between(0, static_cast<int64_t>(rank)), out.end());
      for (int64_t& extent : shape)
        if (random.between(0, 2) == 0) extent = 1;
      t = random.tensor<float>(shape, -9, 9);
      Shape merged(std::max(expected.size(), shape.size()), 1);
      for (size_t back = 1; back <= merged.size(); ++back) {
        int64_t a = back <= expected.size() ? expected[expected.size() - back] : 1;
        int64_t b = back <= shape.size() ? shape[shape.size() - back] : 1;
        merged[merged.size() - back] = a == 1 ? b : a;
      }
      expected = merged;
    }
    Tensor sum = must("Sum", {in[0], in[1], in[2]}), least = must("Min", {in[0], in[1], in[2]});
    Tensor positive = must("Greater", {in[0], Tensor::scalar(0.0F)});
    Tensor chosen = must("Where", {positive, in[1], in[2]});
    ASSERT_EQ(sum.shape(), expected);
    ASSERT_EQ(chosen.shape(), expected);
    for (int64_t i = 0; i < sum.count(); ++i) {
      auto a = static_cast<float>(operand(in[0], expected, i)), b = static_cast<float>(operand(in[1], expected, i));
      auto c = static_cast<float>(operand(in[2], expected, i));
      ASSERT_EQ(sum.as<float>()[i], a + b + c);
      ASSERT_EQ(least.as<float>()[i], std::min(a, std::min(b, c)));
      ASSERT_EQ(chosen.as<float>()[i], a > 0 ? b : c);
    }
  }
}

TEST(Broadcast, RefusesWhatDoesNotFit) {
  EXPECT_EQ(error_of("Add", {iota({2, 3}), iota({2})}), "node 'n' (Add): shapes [2,3] and [2] do not broadcast");
  EXPECT_EQ(error_of("Add", {iota({0}), iota({2})}), "node 'n' (Add): shapes [0] and [2] do not broadcast");
  EXPECT_EQ(error_of("Add", {iota({2}), list<int32_t>({1, 2})}),
            "node 'n' (Add): input 1 is s32[2], input 0 is f32[2]: element types differ");
  EXPECT_NE(error_of("Add", {bools({1}, {true}), bools({1}, {true})}), "");
  EXPECT_NE(error_of("Mul", {Tensor::from<uint8_t>({1 << 16, 1, 1}, std::vector<uint8_t>(1 << 16)),
                             Tensor::from<uint8_t>({1, 1 << 16}, std::vector<uint8_t>(1 << 16))}),
            "");  // 2^32 elements
}

TEST(Arithmetic, IntegersWrap) {
  EXPECT_EQ(values<uint8_t>(must("Add", {list<uint8_t>({250}), list<uint8_t>({10})})), (std::vector<uint8_t>{4}));
  EXPECT_EQ(values<int8_t>(must("Sub", {list<int8_t>({-128}), list<int8_t>({1})})), (std::vector<int8_t>{127}));
  EXPECT_EQ(values<uint16_t>(must("Mul", {list<uint16_t>({65535}), list<uint16_t>({65535})})),
            (std::vector<uint16_t>{1}));
  EXPECT_EQ(values<int64_t>(must("Mul", {list<int64_t>({INT64_MAX}), list<int64_t>({2})})), (std::vector<int64_t>{-2}));
}

TEST(Arithmetic, DivisionTruncatesAndRefusesZero) {
  EXPECT_EQ(values<int32_t>(must("Div", {list<int32_t>({7, -7, 7, INT32_MIN}), list<int32_t>({2, 2, -2, -1})})),
            (std::vector<int32_t>{3, -3, -3, INT32_MIN}));
  EXPECT_EQ(values<int64_t>(must("Div", {list<int64_t>({INT64_MIN}), list<int64_t>({-1})}))[0], INT64_MIN);
  EXPECT_EQ(values<float>(must("Div", {list<float>({1, -1}), list<float>({0, 0})})), (std::vector<float>{kInf, -kInf}));
  for (const char* op : {"Div", "Mod"})
    EXPECT_EQ(error_of(op, {list<int32_t>({1, 2}), list<int32_t>({1, 0})}),
              cat("node 'n' (", op, "): division by zero: element 1 of the divisor is 0"));
  EXPECT_EQ(error_of("Div", {list<int32_t>({}), list<int32_t>({0})}), "");  // nothing is divided
}

TEST(Arithmetic, ModTakesTheSignOfTheDivisorOrTheDividend) {
  Tensor a = list<int32_t>({-4, 7, 5, 4, -7, INT32_MIN}), b = list<int32_t>({2, -3, 8, -2, 3, -1});
  EXPECT_EQ(values<int32_t>(must("Mod", {a, b})), (std::vector<int32_t>{0, -2, 5, 0, 2, 0}));
  EXPECT_EQ(values<int32_t>(must("Mod", {a, b}, {{"fmod", int64_t{1}}})), (std::vector<int32_t>{0, 1, 5, 0, -1, 0}));
  expect_near(must("Mod", {list<float>({-4.3F, 7.2F}), list<float>({2.1F, -3.4F})}, {{"fmod", int64_t{1}}}),
              {-0.1, 0.4}, 1e-5);
  EXPECT_NE(error_of("Mod", {list<float>({1}), list<float>({1})}), "");
}

TEST(Arithmetic, PowOfMixedTypes) {
  EXPECT_EQ(values<float>(must("Pow", {list<float>({-2, 3, 2, 0}), list<float>({3, 2, -1, 0})})),
            (std::vector<float>{-8, 9, 0.5F, 1}));
  EXPECT_EQ(values<float>(must("Pow", {list<float>({2, 9}), list<int64_t>({10, -1})})),
            (std::vector<float>{1024, 1 / 9.0F}));
  EXPECT_EQ(values<int64_t>(must("Pow", {list<int64_t>({3, -3, 2, 1, -1, 2}), list<int64_t>({39, 3, 64, -5, -3, -1})})),
            (std::vector<int64_t>{4052555153018976267, -27, 0, 1, -1, 0}));
  EXPECT_EQ(values<int32_t>(must("Pow", {list<int32_t>({9, 2}), list<float>({0.5F, 0.5F})})),
            (std::vector<int32_t>{3, 1}));
  EXPECT_EQ(values<float>(must("Pow", {floats({2, 1}, {2, 3}), floats({2}, {1, 2})})),
            (std::vector<float>{2, 4, 3, 9}));
}

TEST(Arithmetic, HalvesRoundOnce) {
  Tensor a = list<Half>({float_to_half(1), float_to_half(2048)}),
         b = list<Half>({float_to_half(0x1p-11F), float_to_half(1)});
  EXPECT_EQ(from_halves(must("Add", {a, b})), (std::vector<float>{1, 2048}));  // ties to even
  EXPECT_EQ(from_halves(must("Mul", {a, a})), (std::vector<float>{1, kInf}));
}

TEST(Variadic, ExtremesMeanAndOneInput) {
  EXPECT_EQ(values<float>(must("Max", {iota({3})})), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(values<float>(must("Mean", {iota({3}), Tensor::scalar(2.0F)})), (std::vector<float>{1, 1.5F, 2}));
  EXPECT_EQ(values<int64_t>(must("Max", {list<int64_t>({1, 9}), list<int64_t>({5}), list<int64_t>({2, 2})})),
            (std::vector<int64_t>{5, 9}));
  for (const char* op : {"Min", "Max"}) {
    EXPECT_TRUE(std::isnan(values<float>(must(op, {list<float>({1}), list<float>({kNan})}))[0]));
    EXPECT_TRUE(std::isnan(values<float>(must(op, {list<float>({kNan}), list<float>({1})}))[0]));
  }
  EXPECT_NE(error_of("Sum", {list<int64_t>({1})}), "");
}

TEST(Compare, Predicates) {
  Tensor a = list<float>({1, 2, 3, kNan}), b = list<float>({2, 2, 2, kNan});
  EXPECT_EQ(truths(must("Equal", {a, b})), (std::vector<int>{0, 1, 0, 0}));
  EXPECT_EQ(truths(must("Less", {a, b})), (std::vector<int>{1, 0, 0, 0}));
  EXPECT_EQ(truths(must("LessOrEqual", {a, b})), (std::vector<int>{1, 1, 0, 0}));
  EXPECT_EQ(truths(must("Greater", {a, b})), (std::vector<int>{0, 0, 1, 0}));
  EXPECT_EQ(truths(must("GreaterOrEqual", {a, b})), (std::vector<int>{0, 1, 1, 0}));
  EXPECT_EQ(truths(must("Less", {list<uint8_t>({200}), list<uint8_t>({100})})), (std::vector<int>{0}));
  EXPECT_EQ(truths(must("Less", {list<int8_t>({-56}), list<int8_t>({100})})), (std::vector<int>{1}));
  EXPECT_EQ(truths(must("Equal", {list<float>({0.0F}), list<float>({-0.0F})})), (std::vector<int>{1}));
  Tensor p = bools({2, 1}, {true, false}), q = bools({2}, {true, false});
  EXPECT_EQ(truths(must("And", {p, q})), (std::vector<int>{1, 0, 0, 0}));
  EXPECT_EQ(truths(must("Or", {p, q})), (std::vector<int>{1, 1, 1, 0}));
  EXPECT_EQ(truths(must("Xor", {p, q})), (std::vector<int>{0, 1, 1, 0}));
  EXPECT_EQ(truths(must("Equal", {p, q})), (std::vector<int>{1, 0, 0, 1}));
  EXPECT_NE(error_of("Less", {p, q}), "");
  EXPECT_NE(error_of("Where", {p, list<float>({1}), list<int32_t>({1})}), "");
}

// Callers and files bring any byte: all but 0 are true.
TEST(Logic, EveryByteButZeroIsTrue) {
  auto bytes = [](std::vector<uint8_t> values) {
    Tensor t = *Tensor::allocate({DType::boolean, {static_cast<int64_t>(values.size())}});
    std::copy(values.begin(), values.end(), t.mutate<uint8_t>());
    return t;
  };
  const Tensor p = bytes({28, 255, 0, 0}), q = bytes({1, 0, 2, 0});
  EXPECT_EQ(truths(must("And", {p, q})), (std::vector<int>{1, 0, 0, 0}));
  EXPECT_EQ(truths(must("Or", {p, q})), (std::vector<int>{1, 1, 1, 0}));
  EXPECT_EQ(truths(must("Xor", {p, q})), (std::vector<int>{0, 1, 1, 0}));
  EXPECT_EQ(truths(must("Equal", {p, q})), (std::vector<int>{1, 0, 0, 1}));
  EXPECT_EQ(truths(must("Not", {p})), (std::vector<int>{0, 0, 1, 1}));
  EXPECT_EQ(values<float>(must("Cast", {p}, {{"to", int64_t{1}}})), (std::vector<float>{1, 1, 0, 0}));
  EXPECT_EQ(truths(must("Cast", {p}, {{"to", int64_t{9}}})), (std::vector<int>{1, 1, 0, 0}));
  EXPECT_EQ(values<float>(must("Where", {p, list<float>({1, 2, 3, 4}), list<float>({5, 6, 7, 8})})),
            (std::vector<float>{1, 2, 7, 8}));
  EXPECT_EQ(values<float>(must("Compress", {list<float>({1, 2, 3, 4}), q}, {{"axis", int64_t{0}}})),
            (std::vector<float>{1, 3}));
  EXPECT_EQ(element_as_int(p.view(), 0), 1);
}

TEST(Cast, FloatsTruncateAndSaturate) {
  Tensor x = list<float>({-1.9F, 1.9F, 300, -300, 1e30F, -1e30F, kNan, kInf});
  auto cast = [&](const char* to) { return must("Cast", {x}, {{"to", std::string(to)}}); };
  EXPECT_EQ(values<uint8_t>(cast("u8")), (std::vector<uint8_t>{0, 1, 255, 0, 255, 0, 0, 255}));
  EXPECT_EQ(values<int8_t>(cast("s8")), (std::vector<int8_t>{-1, 1, 127, -128, 127, -128, 0, 127}));
  EXPECT_EQ(values<int64_t>(cast("s64")), (std::vector<int64_t>{-1, 1, 300, -300, INT64_MAX, INT64_MIN, 0, INT64_MAX}));
  EXPECT_EQ(values<uint64_t>(cast("u64")), (std::vector<uint64_t>{0, 1, 300, 0, UINT64_MAX, 0, 0, UINT64_MAX}));
  EXPECT_EQ(truths(must("Cast", {list<float>({0, -0.0F, 0.1F, kNan})}, {{"to", int64_t{9}}})),
            (std::vector<int>{0, 0, 1, 1}));
  EXPECT_EQ(values<int32_t>(must("Cast", {list<double>({2147483647.5, -2147483648.5})}, {{"to", int64_t{6}}})),
            (std::vector<int32_t>{INT32_MAX, INT32_MIN}));
}

TEST(Cast, EveryPairKeepsSmallNumbers) {
  for (int from = 0; from <= static_cast<int>(DType::boolean); ++from)
    for (int to = 0; to <= static_cast<int>(DType::boolean); ++to) {
      AttrList first{{"to", std::string(to_string(static_cast<DType>(from)))}};
      AttrList second{{"to", std::string(to_string(static_cast<DType>(to)))}};
      Tensor y = must("Cast", {must("Cast", {list<float>({0, 1})}, first)}, second);
      EXPECT_EQ(y.dtype(), static_cast<DType>(to));
      EXPECT_EQ(element_as_double(y.view(), 0), 0);
      EXPECT_EQ(element_as_double(y.view(), 1), 1);
    }
}

TEST(Cast, IntegersWrapAndErrors) {
  EXPECT_EQ(values<uint8_t>(must("Cast", {list<int32_t>({-1, 256, 300})}, {{"to", int64_t{2}}})),
            (std::vector<uint8_t>{255, 0, 44}));
  EXPECT_EQ(from_halves(must("Cast", {list<double>({1e9, -2049})}, {{"to", int64_t{10}}})),
            (std::vector<float>{kInf, -2048}));
  EXPECT_EQ(must("CastLike", {list<float>({1}), list<int8_t>({})}).dtype(), DType::s8);
  EXPECT_EQ(error_of("Cast", {iota({1})}), "node 'n' (Cast): attribute 'to' is absent");
  EXPECT_EQ(error_of("Cast", {iota({1})}, {{"to", int64_t{8}}}),
            "node 'n' (Cast): attribute 'to' is element type 8, which is not supported");
}

TEST(Elementwise, ZeroSizedTensors) {
  for (const char* op : {"Relu", "Exp", "Clip", "Abs"})
    EXPECT_EQ(must(op, {iota({2, 0})}).shape(), (Shape{2, 0})) << op;
  EXPECT_EQ(must("Add", {iota({2, 0}), iota({1})}).shape(), (Shape{2, 0}));
  EXPECT_EQ(must("Max", {iota({0}), iota({3, 1})}).shape(), (Shape{3, 0}));
}

TEST(Elementwise, AttributesOfTheWrongKind) {
  EXPECT_EQ(error_of("LeakyRelu", {iota({1})}, {{"alpha", int64_t{1}}}),
            "node 'n' (LeakyRelu): attribute 'alpha' is not a float");
  EXPECT_EQ(error_of("Gelu", {iota({1})}, {{"approximate", std::string("quick")}}),
            "node 'n' (Gelu): attribute 'approximate' is 'quick', expected 'none' or 'tanh'");
}

}  // namespace
}  // namespace quadlane::test
