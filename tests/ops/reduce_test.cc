// Reductions against plain loops over coordinates; ArgMax, CumSum, TopK and NonZero by hand and by property.
#include <cmath>
#include <functional>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

Tensor ints(std::vector<int64_t> data) { return Tensor::from<int64_t>({static_cast<int64_t>(data.size())}, data); }

// The elements of x that belong to each output of a reduction over `axes`, gathered coordinate by coordinate.
std::vector<std::vector<double>> groups(const Tensor& x, const std::vector<int64_t>& axes) {
  const Shape& shape = x.shape();
  std::vector<bool> reduced(shape.size(), axes.empty());
  for (int64_t a : axes) reduced[static_cast<size_t>(a < 0 ? a + static_cast<int64_t>(shape.size()) : a)] = true;
  int64_t outputs = 1;
  for (size_t a = 0; a < shape.size(); ++a) outputs *= reduced[a] ? 1 : shape[a];
  std::vector<std::vector<double>> result(static_cast<size_t>(outputs));
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t rest = i, at = 0, stride = 1;
    for (size_t a = shape.size(); a-- > 0; rest /= shape[a]) {
      if (reduced[a]) continue;
      at += rest % shape[a] * stride;
      stride *= shape[a];
    }
    result[static_cast<size_t>(at)].push_back(element_as_double(x.view(), i));
  }
  return result;
}

double fold(const std::vector<double>& group, double start, const std::function<double(double, double)>& f) {
  for (double v : group) start = f(start, v);
  return start;
}
double sum_of(const std::vector<double>& g, const std::function<double(double)>& f) {
  return fold(g, 0, [&](double a, double v) { return a + f(v); });
}

struct Reduction {
  const char* op;
  double (*f)(const std::vector<double>&);
};
const Reduction kReductions[] = {
    {"ReduceSum", [](const std::vector<double>& g) { return sum_of(g, [](double v) { return v; }); }},
    {"ReduceMean",
     [](const std::vector<double>& g) {
       return sum_of(g, [](double v) { return v; }) / static_cast<double>(g.size());
     }},
    {"ReduceProd", [](const std::vector<double>& g) { return fold(g, 1, [](double a, double v) { return a * v; }); }},
    {"ReduceMax", [](const std::vector<double>& g) { return *std::max_element(g.begin(), g.end()); }},
    {"ReduceMin", [](const std::vector<double>& g) { return *std::min_element(g.begin(), g.end()); }},
    {"ReduceL1", [](const std::vector<double>& g) { return sum_of(g, [](double v) { return std::abs(v); }); }},
    {"ReduceL2", [](const std::vector<double>& g) { return std::sqrt(sum_of(g, [](double v) { return v * v; })); }},
    {"ReduceSumSquare", [](const std::vector<double>& g) { return sum_of(g, [](double v) { return v * v; }); }},
    {"ReduceLogSum", [](const std::vector<double>& g) { return std::log(sum_of(g, [](double v) { return v; })); }},
    {"ReduceLogSumExp",
     [](const std::vector<double>& g) { return std::log(sum_of(g, [](double v) { return std::exp(v); })); }},
};

TEST(Reduce, MatchesPlainLoops) {
  Random random(3);
  for (int trial = 0; trial < 60; ++trial) {
    Shape shape(static_cast<size_t>(random.between(0, 5)));
    for (int64_t& extent : shape) extent = random.between(1, 4);
    std::vector<int64_t> axes;
    for (size_t a = 0; a < shape.size(); ++a)
      if (random.between(0, 1))
        axes.push_back(static_cast<int64_t>(a) - (random.between(0, 1) ? 0 : static_cast<int64_t>(shape.size())));
    int64_t keep = random.between(0, 1);
    Tensor x = random.tensor<double>(shape, 0.5, 2);
    auto expected = groups(x, axes);
    for (const Reduction& reduction : kReductions) {
      Tensor y = must(reduction.op, {x, ints(axes)}, {{"keepdims", keep}});
      ASSERT_EQ(static_cast<size_t>(y.count()), expected.size());
      size_t rank = keep ? shape.size() : axes.empty() ? 0 : shape.size() - axes.size();
      ASSERT_EQ(y.shape().size(), rank);
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(y.as<double>()[i], reduction.f(expected[i]), 1e-9) << reduction.op << to_string(shape);
    }
  }
}

TEST(Reduce, IntegersAreExact) {
  Tensor x = Tensor::from<int64_t>({2, 2}, std::vector<int64_t>{INT64_MAX, -1, 3, -4});
  EXPECT_EQ(values<int64_t>(must("ReduceSum", {x, ints({1})}, {{"keepdims", int64_t{0}}})),
            (std::vector<int64_t>{INT64_MAX - 1, -1}));
  EXPECT_EQ(values<int64_t>(must("ReduceL1", {x, ints({1})}))[1], 7);
  EXPECT_EQ(values<int64_t>(must("ReduceMax", {x}))[0], INT64_MAX);
  Tensor small = Tensor::from<int32_t>({3}, std::vector<int32_t>{-1, -2, -4});
  EXPECT_EQ(values<int32_t>(must("ReduceMean", {small}))[0], -2);  // -7/3 truncated
  EXPECT_EQ(values<int32_t>(must("ReduceProd", {small}))[0], -8);
  EXPECT_EQ(values<int32_t>(must("ReduceSumSquare", {small}))[0], 21);
}

TEST(Reduce, LogSumExpDoesNotOverflow) {
  EXPECT_FLOAT_EQ(values<float>(must("ReduceLogSumExp", {floats({3}, {1000, 1000, -1000})}))[0], 1000.6931F);
  EXPECT_EQ(values<float>(must("ReduceLogSumExp", {floats({2}, {-INFINITY, -INFINITY})}))[0], -INFINITY);
  EXPECT_EQ(values<float>(must("ReduceLogSumExp", {floats({2}, {INFINITY, 1})}))[0], INFINITY);
}

TEST(Reduce, EmptySets) {
  Tensor x = floats({2, 0}, {});
  auto reduced = [&](const char* op) { return values<float>(must(op, {x, ints({1})}))[0]; };
  EXPECT_EQ(reduced("ReduceSum"), 0);
  EXPECT_EQ(reduced("ReduceProd"), 1);
  EXPECT_EQ(reduced("ReduceMax"), -INFINITY);
  EXPECT_EQ(reduced("ReduceMin"), INFINITY);
  EXPECT_EQ(reduced("ReduceLogSum"), -INFINITY);
  EXPECT_TRUE(std::isnan(reduced("ReduceMean")));
  EXPECT_EQ(must("ReduceSum", {x, ints({0})}).shape(), (Shape{1, 0}));
  Tensor none = Tensor::from<int32_t>({0}, std::vector<int32_t>{});
  EXPECT_EQ(values<int32_t>(must("ReduceMean", {none}))[0], 0);
  EXPECT_EQ(values<int32_t>(must("ReduceMax", {none}))[0], INT32_MIN);
}

TEST(Reduce, NoAxes) {
  Tensor x = iota({2, 3}, 1);
  EXPECT_EQ(values<float>(must("ReduceSum", {x})), (std::vector<float>{21}));
  EXPECT_EQ(values<float>(must("ReduceSum", {x, ints({})})), (std::vector<float>{21}));
  EXPECT_EQ(values<float>(must("ReduceSum", {x, ints({})}, {{"noop_with_empty_axes", int64_t{1}}})), values<float>(x));
  const Tensor few = floats({3}, {-2, 0.5f, 3});
  auto each = [&](const char* op) { return values<float>(must(op, {few}, {{"noop_with_empty_axes", int64_t{1}}})); };
  EXPECT_EQ(each("ReduceSumSquare"), (std::vector<float>{4, 0.25f, 9}));
  EXPECT_EQ(each("ReduceL2"), (std::vector<float>{2, 0.5f, 3}));
  EXPECT_EQ(each("ReduceMax"), values<float>(few));
  EXPECT_EQ(must("ReduceSum", {x}, {{"keepdims", int64_t{0}}}).shape(), Shape{});
}

TEST(Reduce, NanAndBool) {
  EXPECT_TRUE(std::isnan(values<float>(must("ReduceMax", {floats({3}, {NAN, 1, 2})}))[0]));
  EXPECT_TRUE(std::isnan(values<float>(must("ReduceMin", {floats({3}, {1, NAN, 2})}))[0]));
  const bool data[] = {true, false, true, true};
  Tensor b = Tensor::from<bool>({2, 2}, std::span<const bool>(data));
  Tensor any = must("ReduceMax", {b, ints({1})}), all = must("ReduceMin", {b, ints({1})});
  EXPECT_TRUE(any.as<bool>()[0] && any.as<bool>()[1]);
  EXPECT_TRUE(!all.as<bool>()[0] && all.as<bool>()[1]);
}

TEST(Reduce, Errors) {
  Tensor x = iota({2, 3});
  EXPECT_EQ(error_of("ReduceMean", {x, ints({2})}), "node 'n' (ReduceMean): axis 2 does not exist in rank 2");
  EXPECT_EQ(error_of("ReduceMean", {x, ints({1, -1})}), "node 'n' (ReduceMean): axis -1 occurs twice in [1,-1]");
  EXPECT_EQ(error_of("ReduceMean", {x}, {{"keepdims", int64_t{2}}}),
            "node 'n' (ReduceMean): attribute 'keepdims' is 2, expected 0 to 1");
  EXPECT_EQ(error_of("ReduceMean", {x, iota({1})}), "node 'n' (ReduceMean): axes input is f32[1], expected integers");
}

TEST(ArgMax, TiesNanAndLayout) {
  Tensor x = floats({2, 3}, {1, 5, 5, 7, 2, 7});
  EXPECT_EQ(values<int64_t>(must("ArgMax", {x}, {{"axis", int64_t{1}}})), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(values<int64_t>(must("ArgMax", {x}, {{"axis", int64_t{-1}}, {"select_last_index", int64_t{1}}})),
            (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(values<int64_t>(must("ArgMin", {x}, {{"axis", int64_t{0}}})), (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(must("ArgMax", {x}, {{"axis", int64_t{0}}, {"keepdims", int64_t{0}}}).shape(), (Shape{3}));
  EXPECT_EQ(must("ArgMax", {x}).shape(), (Shape{1, 3}));
  Tensor with_nan = floats({4}, {1, NAN, 9, NAN});
  EXPECT_EQ(values<int64_t>(must("ArgMax", {with_nan})), (std::vector<int64_t>{1}));
  EXPECT_EQ(values<int64_t>(must("ArgMin", {with_nan})), (std::vector<int64_t>{1}));
  EXPECT_NE(error_of("ArgMax", {floats({0, 2}, {})}), "");
}

TEST(CumProd, DirectionsAndTypes) {
  const Tensor x = iota({2, 3}, 1), axis = Tensor::scalar<int64_t>(-1);
  EXPECT_EQ(values<float>(must("CumProd", {x, axis})), (std::vector<float>{1, 2, 6, 4, 20, 120}));
  EXPECT_EQ(values<float>(must("CumProd", {x, axis}, {{"reverse", int64_t{1}}, {"exclusive", int64_t{1}}})),
            (std::vector<float>{6, 3, 1, 30, 6, 1}));
  const Tensor whole = Tensor::from<int32_t>({3}, std::vector<int32_t>{-2, 3, 5});
  EXPECT_EQ(values<int32_t>(must("CumProd", {whole, axis})), (std::vector<int32_t>{-2, -6, -30}));
}

TEST(BitCast, BetweenTypesOfOneSize) {
  const Tensor x = floats({2}, {1, -2});
  EXPECT_EQ(values<uint32_t>(must("BitCast", {x}, {{"to", int64_t{12}}})),
            (std::vector<uint32_t>{0x3f800000, 0xc0000000}));
  const Tensor bytes = Tensor::from<uint8_t>({2}, std::vector<uint8_t>{0, 200});
  EXPECT_EQ(values<int8_t>(must("BitCast", {bytes}, {{"to", int64_t{3}}})), (std::vector<int8_t>{0, -56}));
  EXPECT_EQ(values<bool>(must("BitCast", {bytes}, {{"to", int64_t{9}}})), (std::vector<bool>{false, true}));
  EXPECT_EQ(error_of("BitCast", {x}, {{"to", int64_t{7}}}),
            "node 'n' (BitCast): the bits of f32[2] are no s64: 4 and 8 bytes an element");
}

TEST(CumSum, DirectionsAndAxes) {
  Tensor x = iota({2, 3}, 1), axis = Tensor::scalar<int32_t>(1);
  EXPECT_EQ(values<float>(must("CumSum", {x, axis})), (std::vector<float>{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(values<float>(must("CumSum", {x, axis}, {{"exclusive", int64_t{1}}})),
            (std::vector<float>{0, 1, 3, 0, 4, 9}));
  EXPECT_EQ(values<float>(must("CumSum", {x, axis}, {{"reverse", int64_t{1}}})),
            (std::vector<float>{6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(values<float>(must("CumSum", {x, axis}, {{"reverse", int64_t{1}}, {"exclusive", int64_t{1}}})),
            (std::vector<float>{5, 3, 0, 11, 6, 0}));
  EXPECT_EQ(values<float>(must("CumSum", {x, Tensor::scalar<int64_t>(-2)})), (std::vector<float>{1, 2, 3, 5, 7, 9}));
  EXPECT_EQ(error_of("CumSum", {x, Tensor::scalar<int64_t>(2)}), "node 'n' (CumSum): axis 2 does not exist in rank 2");
}

std::vector<Tensor> top_k(const Tensor& x, int64_t k, const AttrList& attrs = {}) {
  Graph g;
  Node node{"n", "TopK", {}, {g.add_constant("x", x), g.add_constant("k", ints({k}))}, {}};
  for (const auto& [name, value] : attrs) node.attrs.set(name, value);
  auto y = add_op(g, op_table(), std::move(node));
  EXPECT_TRUE(y.ok());
  Tensor count = ints({k});
  const Tensor* inputs[] = {&x, &count};
  auto out = eval_node(g, *g.producer(*y), op_table(), inputs);
  EXPECT_TRUE(out.ok());
  return *out;
}

TEST(TopK, OrderTiesAndNan) {
  Tensor x = floats({2, 4}, {1, 3, 3, 2, NAN, 0, 5, -1});
  auto largest = top_k(x, 3);
  EXPECT_EQ(values<int64_t>(largest[1]), (std::vector<int64_t>{1, 2, 3, 0, 2, 1}));
  EXPECT_EQ(largest[0].as<float>()[2], 2);
  auto smallest = top_k(x, 2, {{"largest", int64_t{0}}});
  EXPECT_EQ(values<int64_t>(smallest[1]), (std::vector<int64_t>{0, 3, 3, 1}));
  auto down = top_k(x, 1, {{"axis", int64_t{0}}});
  EXPECT_EQ(values<int64_t>(down[1]), (std::vector<int64_t>{1, 0, 1, 0}));
  EXPECT_EQ(top_k(x, 0)[0].shape(), (Shape{2, 0}));
  EXPECT_EQ(error_of("TopK", {x, ints({5})}), "node 'n' (TopK): k is 5, axis 1 has an extent of 4");
}

TEST(NonZero, CoordinatesOfAConstant) {
  Tensor y = must("NonZero", {floats({2, 3}, {0, 1, 0, 2, 0, -3})});
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_EQ(values<int64_t>(y), (std::vector<int64_t>{0, 1, 1, 1, 0, 2}));
}

}  // namespace
}  // namespace quadlane::test
