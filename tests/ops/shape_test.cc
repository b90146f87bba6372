// Operators that change shapes or make tensors from them, by hand-made corners.
#include <cmath>

#include "tests/ops/index.h"

namespace quadlane::test {
namespace {

TEST(Reshape, ZeroAndMinusOne) {
  Tensor x = iota({2, 3, 4});
  EXPECT_EQ(must("Reshape", {x, ints({0, -1})}).shape(), (Shape{2, 12}));
  EXPECT_EQ(must("Reshape", {x, ints({4, 0, 2})}).shape(), (Shape{4, 3, 2}));
  EXPECT_EQ(must("Reshape", {x, ints({-1})}).shape(), (Shape{24}));
  EXPECT_EQ(values<float>(must("Reshape", {x, ints({24})})), values<float>(x));
  EXPECT_EQ(must("Reshape", {Tensor::scalar(1.0F), ints({})}).shape(), Shape{});
  Tensor none = iota({0, 3});
  EXPECT_EQ(must("Reshape", {none, ints({3, 0})}, {{"allowzero", int64_t{1}}}).shape(), (Shape{3, 0}));
  EXPECT_NE(error_of("Reshape", {none, ints({0, 5, -1})}), "");  // any extent would do for -1
}

TEST(Reshape, Errors) {
  Tensor x = iota({2, 3});
  EXPECT_EQ(error_of("Reshape", {x, ints({4})}), "node 'n' (Reshape): input [2,3] has 6 elements, shape [4] has 4");
  EXPECT_EQ(error_of("Reshape", {x, ints({4, -1})}),
            "node 'n' (Reshape): input [2,3] has 6 elements, which shape [4,-1] does not divide");
  EXPECT_EQ(error_of("Reshape", {x, ints({-1, -1})}), "node 'n' (Reshape): shape [-1,-1] has more than one -1");
  EXPECT_EQ(error_of("Reshape", {x, ints({-2, 3})}), "node 'n' (Reshape): shape [-2,3] has a negative extent");
  EXPECT_EQ(error_of("Reshape", {x, ints({3, 2, 0})}),
            "node 'n' (Reshape): extent 0 at position 2 has no counterpart in [2,3]");
  EXPECT_EQ(error_of("Reshape", {x, ints({INT64_MAX, 2})}),
            "node 'n' (Reshape): extent 9223372036854775807 * 2 overflows");
  EXPECT_EQ(error_of("Reshape", {x, ints(std::vector<int64_t>(9, 1))}),
            "node 'n' (Reshape): shape has 9 extents, the limit is 8");
  EXPECT_EQ(error_of("Reshape", {x, iota({1})}), "node 'n' (Reshape): shape input is f32[1], expected integers");
  Graph g;
  Node node{"n", "Reshape", {}, {g.add_input("x", x.type()), g.add_input("s", {DType::s64, {1}})}, {}};
  auto y = add_op(g, op_table(), std::move(node));
  ASSERT_FALSE(y.ok());
  EXPECT_EQ(y.error().text(), "node 'n' (Reshape): shape input is not a constant");
}

TEST(Flatten, Axes) {
  Tensor x = iota({2, 3, 4});
  EXPECT_EQ(must("Flatten", {x}).shape(), (Shape{2, 12}));
  EXPECT_EQ(must("Flatten", {x}, axis(0)).shape(), (Shape{1, 24}));
  EXPECT_EQ(must("Flatten", {x}, axis(3)).shape(), (Shape{24, 1}));
  EXPECT_EQ(must("Flatten", {x}, axis(-1)).shape(), (Shape{6, 4}));
  EXPECT_NE(error_of("Flatten", {x}, axis(4)), "");
}

TEST(Squeeze, AndUnsqueeze) {
  Tensor x = iota({1, 3, 1});
  EXPECT_EQ(must("Squeeze", {x}).shape(), (Shape{3}));
  EXPECT_EQ(must("Squeeze", {x, ints({-1})}).shape(), (Shape{1, 3}));
  EXPECT_EQ(error_of("Squeeze", {x, ints({1})}), "node 'n' (Squeeze): axis 1 of [1,3,1] has extent 3, expected 1");
  EXPECT_EQ(must("Unsqueeze", {iota({3, 4}), ints({2, 0})}).shape(), (Shape{1, 3, 1, 4}));
  EXPECT_EQ(must("Unsqueeze", {iota({3}), ints({-1})}).shape(), (Shape{3, 1}));
  EXPECT_EQ(error_of("Unsqueeze", {iota({3}), ints({0, -3})}), "node 'n' (Unsqueeze): axis -3 occurs twice in [0,-3]");
  EXPECT_NE(error_of("Unsqueeze", {x, ints({0, 1, 2, 3, 4, 5})}), "");
}

TEST(Dropout, KeepsEverything) {
  Tensor x = iota({3});
  EXPECT_EQ(values<float>(must("Dropout", {x, Tensor::scalar(0.5F)})), values<float>(x));
  EXPECT_NE(error_of("Dropout", {x, Tensor(), Tensor::scalar(true)}), "");
}

TEST(Shape, StartAndEndClamp) {
  Tensor x = iota({2, 3, 4});
  auto shape = [&](const AttrList& attrs) { return values<int64_t>(must("Shape", {x}, attrs)); };
  EXPECT_EQ(shape({}), (Ints{2, 3, 4}));
  EXPECT_EQ(shape({{"start", int64_t{-1}}}), (Ints{4}));
  EXPECT_EQ(shape({{"start", int64_t{1}}, {"end", int64_t{-1}}}), (Ints{3}));
  EXPECT_EQ(shape({{"start", INT64_MIN}, {"end", INT64_MAX}}), (Ints{2, 3, 4}));
  EXPECT_EQ(shape({{"start", int64_t{2}}, {"end", int64_t{1}}}), Ints{});
  EXPECT_EQ(values<int64_t>(must("Size", {x})), (Ints{24}));
}

TEST(Fill, ConstantOfShape) {
  EXPECT_EQ(values<float>(must("ConstantOfShape", {ints({2})})), (std::vector<float>{0, 0}));
  Tensor seven = Tensor::from<int8_t>({1}, std::vector<int8_t>{7});
  EXPECT_EQ(values<int8_t>(must("ConstantOfShape", {ints({2, 1})}, {{"value", seven}})), (std::vector<int8_t>{7, 7}));
  EXPECT_EQ(must("ConstantOfShape", {ints({0})}).shape(), (Shape{0}));
  EXPECT_EQ(must("ConstantOfShape", {ints({})}).shape(), Shape{});
  EXPECT_NE(error_of("ConstantOfShape", {ints({-1})}), "");
  EXPECT_NE(error_of("ConstantOfShape", {ints({INT64_MAX, INT64_MAX})}), "");
}

TEST(Fill, Range) {
  auto range = [](int64_t a, int64_t b, int64_t c) {
    return must("Range", {Tensor::scalar(a), Tensor::scalar(b), Tensor::scalar(c)});
  };
  EXPECT_EQ(values<int64_t>(range(3, 10, 3)), (Ints{3, 6, 9}));
  EXPECT_EQ(values<int64_t>(range(3, 9, 3)), (Ints{3, 6}));
  EXPECT_EQ(values<int64_t>(range(10, 3, -3)), (Ints{10, 7, 4}));
  EXPECT_EQ(values<int64_t>(range(3, 10, -3)), Ints{});
  EXPECT_EQ(values<int64_t>(range(INT64_MIN, INT64_MAX, INT64_MAX)), (Ints{INT64_MIN, -1, INT64_MAX - 1}));
  auto floating = [](float a, float b, float c) {
    return values<float>(must("Range", {Tensor::scalar(a), Tensor::scalar(b), Tensor::scalar(c)}));
  };
  EXPECT_EQ(floating(0, 1, 0.25F), (std::vector<float>{0, 0.25F, 0.5F, 0.75F}));
  EXPECT_EQ(floating(1, 0, 0.5F), std::vector<float>{});
  auto fault = [](auto a, auto b, auto c) {
    return error_of("Range", {Tensor::scalar(a), Tensor::scalar(b), Tensor::scalar(c)});
  };
  EXPECT_EQ(fault(int64_t{0}, int64_t{1}, int64_t{0}), "node 'n' (Range): delta is 0");
  EXPECT_NE(fault(int64_t{0}, INT64_MAX, int64_t{1}), "");
  EXPECT_NE(fault(0.0F, INFINITY, 1.0F), "");
  EXPECT_NE(fault(0.0F, NAN, 1.0F), "");
}

TEST(Fill, EyeLikeAndTrilu) {
  EXPECT_EQ(values<float>(must("EyeLike", {iota({2, 3})}, {{"k", int64_t{1}}})),
            (std::vector<float>{0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(values<int32_t>(must("EyeLike", {iota({3, 2})}, {{"k", int64_t{-1}}, {"dtype", int64_t{6}}})),
            (std::vector<int32_t>{0, 0, 1, 0, 0, 1}));
  for (int64_t far : {INT64_MIN, INT64_MAX})
    EXPECT_EQ(values<float>(must("EyeLike", {iota({1, 2})}, {{"k", far}})), (std::vector<float>{0, 0}));
  Tensor x = iota({2, 3}, 1);
  EXPECT_EQ(values<float>(must("Trilu", {x})), (std::vector<float>{1, 2, 3, 0, 5, 6}));
  EXPECT_EQ(values<float>(must("Trilu", {x}, {{"upper", int64_t{0}}})), (std::vector<float>{1, 0, 0, 4, 5, 0}));
  EXPECT_EQ(values<float>(must("Trilu", {x, Tensor::scalar<int64_t>(1)})), (std::vector<float>{0, 2, 3, 0, 0, 6}));
  EXPECT_EQ(values<float>(must("Trilu", {x, Tensor::scalar(INT64_MIN)})), values<float>(x));
  EXPECT_EQ(values<float>(must("Trilu", {x, Tensor::scalar(INT64_MAX)})), std::vector<float>(6, 0));
}

TEST(Fill, OneHot) {
  Tensor off_on = floats({2}, {-1, 1}), depth = Tensor::scalar<int64_t>(3);
  EXPECT_EQ(values<float>(must("OneHot", {ints({0, 2, -1, 3}), depth, off_on})),
            (std::vector<float>{1, -1, -1, -1, -1, 1, -1, -1, 1, -1, -1, -1}));
  Tensor first = must("OneHot", {ints({0, 2}), depth, off_on}, axis(0));
  EXPECT_EQ(first.shape(), (Shape{3, 2}));
  EXPECT_EQ(values<float>(first), (std::vector<float>{1, -1, -1, -1, -1, 1}));
  EXPECT_NE(error_of("OneHot", {ints({0}), Tensor::scalar<int64_t>(-1), off_on}), "");
  EXPECT_NE(error_of("OneHot", {ints({0}), depth, floats({1}, {1})}), "");
}

TEST(Movement, ShapeGlueFolds) {
  Tensor x = iota({2, 3, 4});
  Tensor batch = must("Gather", {must("Shape", {x}), Tensor::scalar<int64_t>(0)});
  Tensor target = must("Concat", {must("Unsqueeze", {batch, ints({0})}), ints({-1})}, axis(0));
  EXPECT_EQ(must("Reshape", {x, target}).shape(), (Shape{2, 12}));
}

}  // namespace
}  // namespace quadlane::test
