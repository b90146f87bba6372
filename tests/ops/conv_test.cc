// Conv and ConvTranspose against hand-computed values, against their definitions written as plain loops over random
// problems, and against each other (they are adjoint).
#include "ops/conv_attrs.h"
#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

struct Problem {
  int64_t n, group, gc, go, h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right;
  AttrList attrs() const {
    return {{"group", group},
            {"strides", Ints{sh, sw}},
            {"dilations", Ints{dh, dw}},
            {"pads", Ints{top, left, bottom, right}}};
  }
};

Problem random_problem(Random& r) {
  Problem p{r.between(1, 2), r.between(1, 3), r.between(1, 9), r.between(1, 11), r.between(1, 20), r.between(1, 20),
            r.between(1, 4), r.between(1, 4), r.between(1, 3), r.between(1, 3),  r.between(1, 3),  r.between(1, 3),
            r.between(0, 3), r.between(0, 3), r.between(0, 3), r.between(0, 3)};
  p.h = std::max(p.h, p.dh * (p.kh - 1) + 1 - p.top - p.bottom);
  p.w = std::max(p.w, p.dw * (p.kw - 1) + 1 - p.left - p.right);
  p.h = std::max<int64_t>(p.h, 1), p.w = std::max<int64_t>(p.w, 1);
  return p;
}

// y[n,o,oy,ox] += w[o,c,ky,kx] * x[n,c,iy,ix] for every pair of pixels a tap connects; `visit` gets flat indices.
template <class Visit>
void for_taps(const Problem& p, int64_t oh, int64_t ow, const Visit& visit) {
  for (int64_t n = 0; n < p.n; ++n)
    for (int64_t o = 0; o < p.group * p.go; ++o)
      for (int64_t c = 0; c < p.gc; ++c)
        for (int64_t ky = 0; ky < p.kh; ++ky)
          for (int64_t kx = 0; kx < p.kw; ++kx)
            for (int64_t oy = 0; oy < oh; ++oy)
              for (int64_t ox = 0; ox < ow; ++ox) {
                int64_t iy = oy * p.sh + ky * p.dh - p.top, ix = ox * p.sw + kx * p.dw - p.left;
                if (iy < 0 || iy >= p.h || ix < 0 || ix >= p.w) continue;
                int64_t channel = o / p.go * p.gc + c;
                visit(((n * p.group * p.go + o) * oh + oy) * ow + ox, ((o * p.gc + c) * p.kh + ky) * p.kw + kx,
                      ((n * p.group * p.gc + channel) * p.h + iy) * p.w + ix);
              }
}

TEST(Conv, HandComputed) {
  Tensor y = must("Conv", {iota({1, 1, 3, 3}, 1), floats({1, 1, 2, 2}, {1, 0, 0, -1}), floats({1}, {0.5f})});
  EXPECT_EQ(values<float>(y), (std::vector<float>{-3.5f, -3.5f, -3.5f, -3.5f}));
  y = must("Conv", {iota({1, 1, 2, 2}, 1), floats({1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1})},
           {{"pads", Ints{1, 1, 1, 1}}});
  EXPECT_EQ(values<float>(y), (std::vector<float>{10, 10, 10, 10}));
}

TEST(Conv, EqualsItsDefinition) {
  Random r(1);
  for (int round = 0; round < 60; ++round) {
    Problem p = random_problem(r);
    Tensor x = r.tensor<float>({p.n, p.group * p.gc, p.h, p.w}, -1, 1);
    Tensor w = r.tensor<float>({p.group * p.go, p.gc, p.kh, p.kw}, -1, 1);
    Tensor b = r.tensor<float>({p.group * p.go}, -1, 1);
    Tensor y = must("Conv", {x, w, b}, p.attrs());
    int64_t oh = (p.h + p.top + p.bottom - p.dh * (p.kh - 1) - 1) / p.sh + 1;
    int64_t ow = (p.w + p.left + p.right - p.dw * (p.kw - 1) - 1) / p.sw + 1;
    ASSERT_EQ(y.shape(), (Shape{p.n, p.group * p.go, oh, ow}));
    std::vector<double> want(static_cast<size_t>(y.count()));
    for_taps(p, oh, ow, [&](int64_t yi, int64_t wi, int64_t xi) {
      want[static_cast<size_t>(yi)] += double{w.as<float>()[wi]} * double{x.as<float>()[xi]};
    });
    for (int64_t i = 0; i < y.count(); ++i) {
      double bias = b.as<float>()[i / (oh * ow) % b.count()];
      ASSERT_FLOAT_EQ(y.as<float>()[i], static_cast<float>(want[static_cast<size_t>(i)] + bias)) << "round " << round;
    }
  }
}

TEST(Conv, LargeRowsCrossChunks) {  // more pixels than one chunk of the reference, and not a multiple of it
  Random r(2);
  Problem p{1, 1, 2, 3, 7, 333, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  Tensor x = r.tensor<float>({1, 2, p.h, p.w}, -8, 8), w = r.tensor<float>({3, 2, 3, 3}, -8, 8);
  Tensor y = must("Conv", {x, w}, p.attrs());
  std::vector<double> want(static_cast<size_t>(y.count()));
  for_taps(p, p.h, p.w, [&](int64_t yi, int64_t wi, int64_t xi) {
    want[static_cast<size_t>(yi)] += double{w.as<float>()[wi]} * double{x.as<float>()[xi]};
  });
  for (int64_t i = 0; i < y.count(); ++i) ASSERT_FLOAT_EQ(y.as<float>()[i], static_cast<float>(want[size_t(i)]));
}

TEST(Conv, OneAndThreeDimensions) {
  Tensor y = must("Conv", {floats({1, 1, 4}, {1, 2, 3, 4}), floats({1, 1, 2}, {1, 10})}, {{"strides", Ints{2}}});
  EXPECT_EQ(values<float>(y), (std::vector<float>{21, 43}));
  y = must("Conv", {iota({1, 1, 2, 2, 2}), floats({1, 1, 2, 1, 2}, {1, 2, 3, 4})});
  EXPECT_EQ(y.shape(), (Shape{1, 1, 1, 2, 1}));
  EXPECT_EQ(values<float>(y), (std::vector<float>{0 + 2 + 12 + 20, 2 + 6 + 18 + 28}));
}

TEST(Conv, AutoPad) {
  Tensor x = floats({1, 1, 1, 4}, {1, 2, 3, 4}), w = floats({1, 1, 1, 2}, {1, 10});
  auto with = [&](const char* mode) { return values<float>(must("Conv", {x, w}, {{"auto_pad", std::string(mode)}})); };
  EXPECT_EQ(with("SAME_UPPER"), (std::vector<float>{21, 32, 43, 4}));
  EXPECT_EQ(with("SAME_LOWER"), (std::vector<float>{10, 21, 32, 43}));
  EXPECT_EQ(with("VALID"), (std::vector<float>{21, 32, 43}));
}

TEST(ConvTranspose, IsTheAdjointOfConv) {  // <conv(x), y> = <x, transpose(y)>
  Random r(3);
  for (int round = 0; round < 40; ++round) {
    Problem p = random_problem(r);
    int64_t oh = (p.h + p.top + p.bottom - p.dh * (p.kh - 1) - 1) / p.sh + 1;
    int64_t ow = (p.w + p.left + p.right - p.dw * (p.kw - 1) - 1) / p.sw + 1;
    Tensor w = r.tensor<float>({p.group * p.go, p.gc, p.kh, p.kw}, -1, 1);
    Tensor y = r.tensor<float>({p.n, p.group * p.go, oh, ow}, -1, 1);
    AttrList attrs = p.attrs();
    attrs.push_back({"output_padding", Ints{(p.h + p.top + p.bottom - p.dh * (p.kh - 1) - 1) % p.sh,
                                            (p.w + p.left + p.right - p.dw * (p.kw - 1) - 1) % p.sw}});
    Tensor x = must("ConvTranspose", {y, w}, attrs);
    ASSERT_EQ(x.shape(), (Shape{p.n, p.group * p.gc, p.h, p.w}));
    std::vector<double> want(static_cast<size_t>(x.count()));
    for_taps(p, oh, ow, [&](int64_t yi, int64_t wi, int64_t xi) {
      want[static_cast<size_t>(xi)] += double{w.as<float>()[wi]} * double{y.as<float>()[yi]};
    });
    for (int64_t i = 0; i < x.count(); ++i)
      ASSERT_FLOAT_EQ(x.as<float>()[i], static_cast<float>(want[size_t(i)])) << "round " << round;
  }
}

TEST(ConvTranspose, OutputShapeAndAutoPad) {
  Tensor x = floats({1, 1, 1, 2}, {1, 2}), w = floats({1, 1, 1, 3}, {1, 10, 100});
  auto with = [&](AttrList attrs) {
    attrs.push_back({"strides", Ints{1, 2}});
    return values<float>(must("ConvTranspose", {x, w}, attrs));
  };
  EXPECT_EQ(with({}), (std::vector<float>{1, 10, 102, 20, 200}));
  EXPECT_EQ(with({{"output_padding", Ints{0, 1}}}), (std::vector<float>{1, 10, 102, 20, 200, 0}));
  EXPECT_EQ(with({{"output_shape", Ints{1, 7}}}), (std::vector<float>{1, 10, 102, 20, 200, 0, 0}));
  EXPECT_EQ(with({{"output_shape", Ints{1, 4}}}), (std::vector<float>{10, 102, 20, 200}));
  EXPECT_EQ(with({{"output_shape", Ints{1, 4}}, {"auto_pad", std::string("SAME_UPPER")}}),
            (std::vector<float>{1, 10, 102, 20}));
  EXPECT_EQ(with({{"auto_pad", std::string("SAME_UPPER")}}), (std::vector<float>{1, 10, 102, 20}));
  EXPECT_EQ(with({{"auto_pad", std::string("SAME_LOWER")}}), (std::vector<float>{10, 102, 20, 200}));
}

TEST(Conv, RefusesWhatDoesNotFit) {
  Tensor x = iota({1, 4, 5, 5}), w = iota({6, 2, 3, 3});
  auto error = [&](const AttrList& attrs, const Tensor& weights) { return error_of("Conv", {x, weights}, attrs); };
  EXPECT_EQ(error({{"group", int64_t{2}}}, w), "");
  struct Case {
    AttrList attrs;
    const char* message;
  };
  const Case cases[] = {
      {{}, "weights have 2 input channels a group, the input has 4 in 1 groups"},
      {{{"group", int64_t{0}}}, "attribute 'group' is 0, expected 1 to"},
      {{{"group", int64_t{3}}}, "weights have 2 input channels a group, the input has 4 in 3 groups"},
      {{{"group", int64_t{2}}, {"strides", Ints{0, 1}}}, "strides has an entry 0"},
      {{{"group", int64_t{2}}, {"strides", Ints{1}}}, "strides has 1 entries, expected 2"},
      {{{"group", int64_t{2}}, {"pads", Ints{0, -1, 0, 0}}}, "pads has an entry -1"},
      {{{"group", int64_t{2}}, {"pads", Ints{0, 0}}}, "pads has 2 entries, expected 4"},
      {{{"group", int64_t{2}}, {"dilations", Ints{3, 1}}}, "kernel 3 with dilation 3 reaches over 7 pixels"},
      {{{"group", int64_t{2}}, {"dilations", Ints{INT64_MAX, 1}}}, "dilations has an entry 9223372036854775807"},
      {{{"group", int64_t{2}}, {"pads", Ints{INT64_MAX, 0, 0, 0}}}, "pads has an entry"},
      {{{"group", int64_t{2}}, {"kernel_shape", Ints{3, 2}}}, "kernel_shape is [3,2], the weights have [3,3]"},
      {{{"group", int64_t{2}}, {"auto_pad", std::string("SAME")}}, "auto_pad is 'SAME'"},
      {{{"group", int64_t{2}}, {"pads", int64_t{1}}}, "attribute 'pads' is not a list of integers"},
      {{{"group", int64_t{2}}, {"pads", Ints{1 << 29, 1 << 29, 0, 0}}}, "exceeds"},
  };
  for (const Case& c : cases) EXPECT_NE(error(c.attrs, w).find(c.message), std::string::npos) << error(c.attrs, w);
  EXPECT_NE(error({}, iota({6, 4, 3})).find("weights have rank 3, the input has 4"), std::string::npos);
  EXPECT_NE(error_of("Conv", {x, iota({6, 4, 1, 1}), iota({5})}).find("shape [5], expected [6]"), std::string::npos);
  EXPECT_NE(error_of("ConvTranspose", {x, iota({3, 2, 3, 3})}).find("weights have 3 input channels, the input has 4"),
            std::string::npos);
  EXPECT_NE(error_of("ConvTranspose", {x, iota({4, 2, 3, 3})}, {{"pads", Ints{4, 4, 4, 4}}}).find("leave nothing"),
            std::string::npos);
}

TEST(OutputExtent, CeilModeDropsWindowsBehindTheInput) {
  EXPECT_EQ(*output_extent(5, 2, 2, 1, 0, 0, false), 2);
  EXPECT_EQ(*output_extent(5, 2, 2, 1, 0, 0, true), 3);
  EXPECT_EQ(*output_extent(4, 1, 3, 1, 0, 0, true), 2);
  EXPECT_EQ(*output_extent(3, 1, 2, 1, 0, 2, true), 2);  // a third would start at pixel 4, behind the input
  EXPECT_FALSE(output_extent(3, 4, 1, 1, 0, 0).ok());
  EXPECT_FALSE(output_extent(3, INT64_MAX, 1, 3, 0, 0).ok());
}

}  // namespace
}  // namespace quadlane::test
