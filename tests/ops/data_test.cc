// Operators that move, choose and contract elements: Scatter, Einsum, Compress, Unique, bits, CenterCropPad, ...
#include <cmath>
#include <limits>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

Tensor ints(std::vector<int64_t> data) { return Tensor::from<int64_t>({static_cast<int64_t>(data.size())}, data); }
Tensor bools(std::vector<uint8_t> data) {
  Tensor t = *Tensor::allocate({DType::boolean, {static_cast<int64_t>(data.size())}});
  for (size_t i = 0; i < data.size(); ++i) t.mutate<bool>()[i] = data[i] != 0;
  return t;
}
double at(const Tensor& t, int64_t i) { return element_as_double(t.view(), i); }
Tensor einsum(const std::string& equation, const std::vector<Tensor>& x) {
  return must("Einsum", x, {{"equation", equation}});
}
std::string einsum_error(const std::string& equation, const std::vector<Tensor>& x) {
  return error_of("Einsum", x, {{"equation", equation}});
}

TEST(Scatter, ElementsReplaceAndCombine) {
  Tensor data = floats({2, 3}, {1, 2, 3, 4, 5, 6}), updates = floats({1, 2}, {10, 20});
  Tensor indices = Tensor::from<int64_t>({1, 2}, Ints{-1, 0});
  EXPECT_EQ(values<float>(must("ScatterElements", {data, indices, updates})), (std::vector<float>{1, 20, 3, 10, 5, 6}));
  EXPECT_EQ(values<float>(must("ScatterElements", {data, indices, updates},
                               {{"axis", int64_t{1}}, {"reduction", std::string("max")}})),
            (std::vector<float>{20, 2, 10, 4, 5, 6}));
  Tensor twice = Tensor::from<int64_t>({1, 2}, Ints{1, 1});
  EXPECT_EQ(
      at(must("ScatterElements", {data, twice, updates}, {{"axis", int64_t{1}}, {"reduction", std::string("add")}}), 1),
      32);
  EXPECT_EQ(error_of("ScatterElements", {data, Tensor::from<int64_t>({1, 2}, Ints{0, 2}), updates}),
            "node 'n' (ScatterElements): element 1 of the indices is 2, expected -2 to 1");
  EXPECT_NE(error_of("ScatterElements", {data, indices, floats({1, 1}, {1})}), "");
  EXPECT_NE(error_of("ScatterElements", {data, indices, updates}, {{"reduction", std::string("avg")}}), "");
}

TEST(Scatter, NdReplacesSlabs) {
  Tensor data = floats({3, 2}, {1, 2, 3, 4, 5, 6}), slabs = floats({2, 2}, {7, 8, 9, 10});
  Tensor rows = Tensor::from<int64_t>({2, 1}, Ints{2, 0});
  EXPECT_EQ(values<float>(must("ScatterND", {data, rows, slabs})), (std::vector<float>{9, 10, 3, 4, 7, 8}));
  EXPECT_NE(error_of("ScatterND", {data, Tensor::from<int64_t>({2, 3}, Ints(6, 0)), slabs}), "");
  EXPECT_EQ(error_of("ScatterND", {data, Tensor::from<int64_t>({2, 1}, Ints{3, 0}), slabs}),
            "node 'n' (ScatterND): element 0 of the indices is 3, expected -3 to 2");
}

TEST(Einsum, Contracts) {
  Random random(5);
  Tensor a = random.tensor<double>({3, 4}, -1, 1), b = random.tensor<double>({4, 5}, -1, 1);
  Tensor product = must(
      "MatMul", {Tensor::from<float>({3, 4}, std::vector<float>(a.span<double>().begin(), a.span<double>().end())),
                 Tensor::from<float>({4, 5}, std::vector<float>(b.span<double>().begin(), b.span<double>().end()))});
  for (const char* equation : {"ij,jk->ik", "ij,jk", " ij , jk -> ik "}) {
    Tensor y = einsum(equation, {a, b});
    ASSERT_EQ(y.shape(), (Shape{3, 5}));
    for (int64_t i = 0; i < 15; ++i) ASSERT_NEAR(at(y, i), at(product, i), 1e-5) << equation;
  }
  Tensor square = iota({3, 3});
  EXPECT_EQ(values<float>(einsum("ii->i", {square})), (std::vector<float>{0, 4, 8}));
  EXPECT_EQ(values<float>(einsum("ii", {square})), (std::vector<float>{12}));
  EXPECT_EQ(values<float>(einsum("ij->ji", {iota({2, 3})})), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values<float>(einsum("ba", {iota({2, 3})})), (std::vector<float>{0, 3, 1, 4, 2, 5}));  // alphabetical
  EXPECT_EQ(values<float>(einsum("i,j->ij", {iota({2}, 1), iota({2}, 3)})), (std::vector<float>{3, 4, 6, 8}));
  EXPECT_EQ(einsum("...ij,...jk->...ik", {iota({2, 1, 3, 4}), iota({5, 4, 2})}).shape(), (Shape{2, 5, 3, 2}));
  EXPECT_EQ(einsum("b...,b...->...b", {iota({2, 3, 4}), iota({2, 3, 4})}).shape(), (Shape{3, 4, 2}));
  EXPECT_EQ(einsum("...,...", {iota({2, 3}), iota({3})}).shape(), (Shape{2, 3}));
  EXPECT_EQ(einsum("...->", {iota({2, 3})}).shape(), Shape{});
  EXPECT_EQ(values<int64_t>(einsum("i,i->", {ints({1, 2, 3}), ints({4, 5, 6})})), (Ints{32}));
  EXPECT_EQ(values<float>(einsum("ij,ij->i", {iota({2, 3}), floats({2, 1}, {1, 2})})), (std::vector<float>{3, 24}));
  EXPECT_EQ(values<float>(einsum("i->", {iota({0})})), (std::vector<float>{0}));
}

TEST(Einsum, RefusesWhatDoesNotFit) {
  Tensor x = iota({2, 3});
  EXPECT_NE(einsum_error("ij,jk->ik", {x}), "");
  EXPECT_NE(einsum_error("ijk->i", {x}), "");
  EXPECT_NE(einsum_error("ij->k", {x}).find("axis 'k'"), std::string::npos);
  EXPECT_NE(einsum_error("ij->ii", {x}).find("twice"), std::string::npos);
  EXPECT_NE(einsum_error("ii->i", {x}), "");
  EXPECT_NE(einsum_error("i..->i", {x}).find("stray dots"), std::string::npos);
  EXPECT_NE(einsum_error("......->", {x}), "");
  EXPECT_NE(einsum_error("i1->i", {x}), "");
  EXPECT_NE(einsum_error("", {x}), "");
}

TEST(Compress, KeepsWhereTheConditionHolds) {
  Tensor x = iota({3, 2});
  EXPECT_EQ(values<float>(must("Compress", {x, bools({0, 1, 1})}, {{"axis", int64_t{0}}})),
            (std::vector<float>{2, 3, 4, 5}));
  EXPECT_EQ(values<float>(must("Compress", {x, bools({0, 1})}, {{"axis", int64_t{-1}}})),
            (std::vector<float>{1, 3, 5}));
  EXPECT_EQ(values<float>(must("Compress", {x, bools({0, 1, 0, 0, 1})})), (std::vector<float>{1, 4}));
  EXPECT_EQ(must("Compress", {x, bools({})}).count(), 0);
}

TEST(Unique, SortedOrAsTheyCome) {
  Tensor x = floats({6}, {2, 1, 1, 3, 4, 3});
  EXPECT_EQ(values<float>(must("Unique", {x})), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(values<float>(must("Unique", {x}, {{"sorted", int64_t{0}}})), (std::vector<float>{2, 1, 3, 4}));
  Tensor rows = floats({3, 2}, {1, 0, 1, 0, 0, 5});
  EXPECT_EQ(values<float>(must("Unique", {rows}, {{"axis", int64_t{0}}})), (std::vector<float>{0, 5, 1, 0}));
  float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(must("Unique", {floats({3}, {nan, 1, nan})}).count(), 2);
  EXPECT_EQ(must("Unique", {iota({0})}).count(), 0);
}

TEST(Bits, ShiftAndCombine) {
  EXPECT_EQ(values<uint8_t>(must("BitShift", {bytes({3}, {16, 4, 255}), bytes({3}, {1, 2, 8})},
                                 {{"direction", std::string("RIGHT")}})),
            (std::vector<uint8_t>{8, 1, 0}));
  EXPECT_EQ(values<uint8_t>(must("BitwiseXor", {bytes({2}, {12, 10}), bytes({1}, {6})})),
            (std::vector<uint8_t>{10, 12}));
  EXPECT_EQ(values<int64_t>(must("BitwiseNot", {ints({0, -1})})), (Ints{-1, 0}));
  EXPECT_NE(error_of("BitShift", {bytes({1}, {1}), bytes({1}, {1})}), "");
  EXPECT_NE(error_of("BitShift", {ints({1}), ints({1})}, {{"direction", std::string("LEFT")}}), "");
}

TEST(Rearrange, CenterCropPadAndReverseSequence) {
  Tensor y = must("CenterCropPad", {iota({3, 4}, 1), ints({4, 1})});
  EXPECT_EQ(values<float>(y), (std::vector<float>{2, 6, 10, 0}));
  EXPECT_EQ(must("CenterCropPad", {iota({3, 4}), ints({0})}, {{"axes", Ints{-1}}}).shape(), (Shape{3, 0}));
  EXPECT_NE(error_of("CenterCropPad", {iota({3, 4}), ints({1})}), "");
  EXPECT_NE(error_of("CenterCropPad", {iota({3, 4}), ints({1, -1})}), "");
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  AttrList batch_first = {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}};
  EXPECT_EQ(values<float>(must("ReverseSequence", {x, ints({2, 3})}, batch_first)),
            (std::vector<float>{2, 1, 3, 6, 5, 4}));
  EXPECT_EQ(values<float>(must("ReverseSequence", {x, ints({1, 2, 0})})), (std::vector<float>{1, 5, 3, 4, 2, 6}));
  EXPECT_NE(error_of("ReverseSequence", {x, ints({4, 0})}, batch_first).find("length 4"), std::string::npos);
  EXPECT_NE(error_of("ReverseSequence", {x, ints({1, 1})}, {{"batch_axis", int64_t{0}}}), "");
}

TEST(Det, ByElimination) {
  EXPECT_EQ(values<float>(must("Det", {floats({2, 2, 2}, {0, 1, 1, 0, 1, 2, 2, 4})})), (std::vector<float>{-1, 0}));
  EXPECT_EQ(values<float>(must("Det", {iota({0, 0})})), (std::vector<float>{1}));
  EXPECT_NE(error_of("Det", {iota({2, 3})}), "");
}

TEST(Classify, NanAndInfinity) {
  float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  Tensor x = floats({4}, {inf, -inf, nan, 0});
  EXPECT_EQ(values<bool>(must("IsNaN", {x})), (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(values<bool>(must("IsInf", {x})), (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(values<bool>(must("IsInf", {x}, {{"detect_positive", int64_t{0}}})),
            (std::vector<bool>{false, true, false, false}));
}

TEST(Shrink, AndSwish) {
  EXPECT_EQ(values<float>(must("Shrink", {floats({3}, {-2, 0.1f, 2})}, {{"lambd", 1.5f}, {"bias", 0.5f}})),
            (std::vector<float>{-1.5f, 0, 1.5f}));
  EXPECT_NEAR(at(must("Swish", {floats({1}, {2})}, {{"alpha", 0.5f}}), 0), 2 / (1 + std::exp(-1.0)), 1e-6);
}

TEST(Quantize, BlocksHaveScalesOfTheirOwn) {
  Tensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6}), scale = floats({2, 2}, {1, 2, 0.5f, 3});
  AttrList attrs = {{"axis", int64_t{0}}, {"block_size", int64_t{2}}};
  Tensor q = must("QuantizeLinear", {x, scale}, attrs);
  EXPECT_EQ(values<uint8_t>(q), (std::vector<uint8_t>{1, 1, 3, 2, 10, 2}));
  EXPECT_EQ(values<float>(must("DequantizeLinear", {q, scale}, attrs)), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  attrs[1].second = int64_t{3};
  EXPECT_NE(error_of("QuantizeLinear", {x, scale}, attrs).find("blocks of 3"), std::string::npos);
  attrs[1].second = int64_t{-1};
  EXPECT_NE(error_of("QuantizeLinear", {x, scale}, attrs), "");
}

TEST(Resize, AntialiasingWidensTheKernel) {
  Tensor x = floats({1, 1, 1, 8}, {0, 0, 0, 0, 8, 0, 0, 0}), scales = floats({4}, {1, 1, 1, 0.25f});
  AttrList attrs = {{"mode", std::string("linear")}, {"antialias", int64_t{1}}};
  // Centres 1.5 and 5.5; triangles of 4 pixels to both sides with a sum of 1: 4 is 2.5 and 1.5 away.
  Tensor y = must("Resize", {x, Tensor(), scales}, attrs);
  double inside = 0;
  for (double d : {3.5, 2.5, 1.5, 0.5}) inside += 2 * (1 - d / 4);
  EXPECT_NEAR(at(y, 0), 8 * (1 - 2.5 / 4) / inside, 1e-5);
  EXPECT_NEAR(at(y, 1), 8 * (1 - 1.5 / 4) / inside, 1e-5);
  Tensor flat = floats({1, 1, 1, 8}, std::vector<float>(8, 3.0f));
  for (const char* mode : {"linear", "cubic"}) {
    attrs[0].second = std::string(mode);
    EXPECT_NEAR(at(must("Resize", {flat, Tensor(), scales}, attrs), 1), 3, 1e-5);
  }
}

TEST(LpPool, RootOfTheSumOfPowers) {
  Tensor x = floats({1, 1, 1, 3}, {3, -4, 1});
  EXPECT_EQ(values<float>(must("LpPool", {x}, {{"kernel_shape", Ints{1, 2}}}))[0], 5);
  EXPECT_EQ(values<float>(must("GlobalLpPool", {x}, {{"p", int64_t{1}}})), (std::vector<float>{8}));
  EXPECT_NE(error_of("LpPool", {x}, {{"kernel_shape", Ints{1, 2}}, {"p", int64_t{0}}}), "");
}

}  // namespace
}  // namespace quadlane::test
