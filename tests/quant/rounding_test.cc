#include <gtest/gtest.h>

#include <cmath>

#include "graph/quant/adaptive_rounding.h"
#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

Status gram(std::span<const float> rows, size_t n, std::span<float> product) {
  std::fill(product.begin(), product.end(), 0.0f);
  for (size_t r = 0; r < rows.size(); r += n)
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) product[i * n + j] += rows[r + i] * rows[r + j];
  return {};
}

std::shared_ptr<const InputMoments> moments_of(const Graph& g, int samples) {
  auto moments = std::make_shared<InputMoments>(g, static_cast<size_t>(samples), gram);
  for (int i = 0; i < samples; ++i) {
    auto ran = interpret(g, op_table(), random_inputs(g, 100 + static_cast<uint32_t>(i)),
                         [&](ValueId v, const Tensor& t) { EXPECT_TRUE(moments->observe(v, t).ok()); });
    EXPECT_TRUE(ran.ok());
    moments->next_sample();
  }
  return moments;
}

// Two inputs that are always equal: what one weight is rounded up, the other has to be rounded down.
TEST(AdaptiveRounding, EqualInputsShareTheirError) {
  LayerMoments m{1, 2, 4, {4, 4, 4, 4}, {0, 0}};
  std::vector<int8_t> rounded{3, 3};
  round_adaptively({3.4, 3.4}, {1, 1}, m, rounded);
  EXPECT_EQ(rounded[0] + rounded[1], 7);
  rounded = {3, 3};
  round_adaptively({3.4, 3.4}, {1, 0}, m, rounded);  // a dead channel stays
  EXPECT_EQ(rounded, (std::vector<int8_t>{3, 3}));
}

TEST(AdaptiveRounding, MomentsCountPaddingStridesAndGroups) {
  Graph g = *parse_graph(R"(graph "net"
input %x: f32[1,4,5,5]
const %w: f32[2,2,3,3] = random(1)
%y: f32[1,2,3,3] = Conv(%x, %w) name="conv" pads=[1,1,1,1] strides=[2,2] group=2
output %y
)",
                         op_table());
  InputMoments moments(g, 1, gram);
  std::vector<float> values(100);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 25);
  ASSERT_TRUE(moments.observe(g.inputs()[0], Tensor::from<float>({1, 4, 5, 5}, values)).ok());
  const LayerMoments& m = *moments.find("conv");
  EXPECT_EQ(m.groups, 2u);
  EXPECT_EQ(m.length, 18u);
  EXPECT_EQ(m.patches, 9);
  // The centre tap sees the pixels of even rows and columns, the first tap those of odd ones and padding.
  EXPECT_EQ(m.sums[4], 0 + 2 + 4 + 10 + 12 + 14 + 20 + 22 + 24);
  EXPECT_EQ(m.sums[0], 6 + 8 + 16 + 18);
  EXPECT_EQ(m.products[0], 36 + 64 + 256 + 324);
}

TEST(AdaptiveRounding, LowersTheErrorOfANetworkOnOtherInputs) {
  Graph g = simplified(*parse_graph(R"(graph "net"
input %x: f32[1,8,24,24]
const %m: f32[8,8,1,1] = random(5)
const %w1: f32[16,8,3,3] = random(1)
const %w2: f32[8,16,3,3] = random(2)
%mixed: f32[1,8,24,24] = Conv(%x, %m) name="mix"
%a: f32[1,16,24,24] = Conv(%mixed, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,16,24,24] = Relu(%a) name="relu"
%y: f32[1,8,24,24] = Conv(%b, %w2) name="second" pads=[1,1,1,1]
output %y
)",
                                    op_table()));
  Profile profile = profile_of(g, 8);
  for (QuantForm form : {QuantForm::for_quadlane, QuantForm::for_any}) {
    QuantPolicy policy{.form = form};
    const double nearest = sqnr(quantized(g, profile, policy), g, 900);
    policy.moments = moments_of(g, 8);
    EXPECT_EQ(policy.moments->layers(), 3u);
    EXPECT_GT(sqnr(quantized(g, profile, policy), g, 900), nearest + 0.1)
        << "for any: " << (form == QuantForm::for_any);
  }
}

// No covariance, but a mean of 10: the bias correction takes its error away, on the calibration inputs.
TEST(AdaptiveRounding, CountsTheErrorOfTheMean) {
  LayerMoments constant{1, 4, 4, std::vector<float>(16, 400), std::vector<double>(4, 40)};
  std::vector<int8_t> rounded{3, 3, 3, 3};
  round_adaptively({3.4, 3.4, 3.4, 3.4}, {1, 1, 1, 1}, constant, rounded);
  EXPECT_EQ(rounded[0] + rounded[1] + rounded[2] + rounded[3], 14);
}

// Grouped, transposed and a product, each with a bias that takes back what rounding adds on average, or none at first.
TEST(AnyForm, BiasesTakeBackWhatRoundingAdds) {
  Graph g = simplified(*parse_graph(R"(graph "net"
input %x: f32[1,8,12,12]
const %w1: f32[16,4,3,3] = random(1)
const %w2: f32[16,3,2,2] = random(2)
const %w3: f32[10,6] = random(3)
const %four: f32[] = {4}
const %b3: f32[10] = random(4)
%r: f32[1,8,12,12] = Add(%x, %four)
%a: f32[1,16,12,12] = Conv(%r, %w1) name="grouped" group=2 pads=[1,1,1,1]
%b: f32[1,16,12,12] = Relu(%a)
%c: f32[1,6,24,24] = ConvTranspose(%b, %w2) name="transposed" group=2 strides=[2,2]
%m: f32[1,6,1,1] = GlobalAveragePool(%c)
%f: f32[1,6] = Flatten(%m)
%y: f32[1,10] = Gemm(%f, %w3, %b3) name="product" transB=1
output %c
output %y
)",
                                    op_table()));
  const Profile profile = profile_of(g, 8);
  QuantPolicy policy{.form = QuantForm::for_any};
  const double corrected = sqnr(quantized(g, profile, policy), g, 900);
  policy.bias_correction = false;
  EXPECT_GT(corrected, sqnr(quantized(g, profile, policy), g, 900) + 0.3);
  EXPECT_GT(corrected, 30);
}

// A picture's bytes as numbers from -1 to 1: 0 is a whole level, so that none lies on a tie.
TEST(AnyForm, TheZeroPointIsWhole) {
  Graph g = simplified(*parse_graph(R"(graph "net"
input %x: f32[1,1,16,16]
const %w: f32[4,1,3,3] = random(1)
%y: f32[1,4,16,16] = Conv(%x, %w) name="conv" pads=[1,1,1,1]
output %y
)",
                                    op_table()));
  std::vector<float> picture;
  for (int i = 0; i < 256; ++i) picture.push_back((static_cast<float>(i) - 127.5f) / 127.5f);
  Calibrator calibrator(g, reference_evaluator(g, op_table()));
  ASSERT_TRUE(calibrator.add({{Tensor::from<float>({1, 1, 16, 16}, picture)}}).ok());
  QuantReport report;
  auto q = quantize(g, op_table(), calibrator.profile(), {.form = QuantForm::for_any}, &report);
  ASSERT_TRUE(q.ok());
  const QuantValue& x = report.values[0];
  EXPECT_FLOAT_EQ(static_cast<float>(x.scale[0]), 1.0f / 127);
  for (float v : picture) EXPECT_GT(std::abs(std::fmod(std::abs(v) / x.scale[0], 1.0) - 0.5), 1e-3) << v;
}

// Scales follow the numbers, however small.
TEST(AnyForm, SmallNumbersAreQuantizedLikeOthers) {
  auto graph = [](const char* factor) {
    return simplified(*parse_graph(cat(R"(graph "net"
input %x: f32[1,4,8,8]
const %k: f32[] = {)",
                                       factor, R"(}
const %w: f32[4,4,3,3] = random(1)
%s: f32[1,4,8,8] = Mul(%x, %k)
%r: f32[1,4,8,8] = Relu(%s)
%y: f32[1,4,8,8] = Conv(%r, %w) name="conv" pads=[1,1,1,1]
output %y
)"),
                                   op_table()));
  };
  const QuantPolicy policy{.form = QuantForm::for_any};
  const Graph plain = graph("3"), small = graph("1e-9");
  EXPECT_NEAR(sqnr(quantized(small, profile_of(small, 4), policy), small, 900),
              sqnr(quantized(plain, profile_of(plain, 4), policy), plain, 900), 0.5);
}

// Whether its results are levels or an output of the network, whether it reads numbers or bytes.
TEST(KeepF32, KeptLayersTakeBiasShiftsToo) {
  Graph g = simplified(*parse_graph(R"(graph "net"
input %x: f32[1,2,8,8]
const %w1: f32[4,2,3,3] = random(1)
const %w2: f32[2,4,1,1] = random(2)
%a: f32[1,4,8,8] = Conv(%x, %w1) name="first" pads=[1,1,1,1]
%y: f32[1,2,8,8] = Conv(%a, %w2) name="second"
output %y
)",
                                    op_table()));
  const Profile profile = profile_of(g, 4);
  const std::vector<Tensor> inputs = random_inputs(g, 900);
  for (const char* shifted : {"first", "second"})
    for (std::set<std::string> kept : {std::set<std::string>{}, {"first"}, {"second"}, {"first", "second"}}) {
      QuantPolicy policy{.keep_f32 = kept};
      const Tensor before = outputs_of(quantized(g, profile, policy), inputs)[0];
      policy.bias_shift[shifted] = std::vector<double>(4, 0.05);
      const Tensor after = outputs_of(quantized(g, profile, policy), inputs)[0];
      const float* w2 = g.constant(g.producer(g.outputs()[0])->input(1))->as<float>();
      double mean = 0, want = 0;
      for (int64_t i = 0; i < after.count(); ++i) mean += (after.as<float>()[i] - before.as<float>()[i]) / 128;
      for (int i = 0; i < 8; ++i) want += shifted == std::string("first") ? w2[i] * 0.05 / 2 : 0.05 / 8;
      EXPECT_NEAR(mean, want, 0.004) << shifted << ", kept: " << kept.size();
    }
}

void expect_each_kept_is_better(const Graph& g) {
  const Profile profile = profile_of(g, 6);
  const double all = sqnr(quantized(g, profile), g, 900);
  for (const char* name : {"first", "second", "third"})
    EXPECT_GT(sqnr(quantized(g, profile, {.keep_f32 = {name}}), g, 900), all) << name;
}

// What stays in fp32 must not coarsen its neighbours' levels.
TEST(KeepF32, EveryLayerKeptLowersTheError) {
  Graph g = simplified(*parse_graph(R"(graph "net"
input %x: f32[1,4,16,16]
const %w1: f32[16,4,3,3] = random(1)
const %w2: f32[16,16,3,3] = random(2)
const %w3: f32[4,32,3,3] = random(3)
%a: f32[1,16,16,16] = Conv(%x, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,16,16,16] = Conv(%a, %w2) name="second" pads=[1,1,1,1]
%c: f32[1,32,16,16] = Concat(%a, %b) name="concat" axis=1
%d: f32[1,32,16,16] = Relu(%c) name="relu"
%y: f32[1,4,16,16] = Conv(%d, %w3) name="third" pads=[1,1,1,1]
output %y
)",
                                    op_table()));
  expect_each_kept_is_better(g);
  QuantPolicy policy;
  policy.keep_f32 = {"first", "second", "third"};
  EXPECT_GT(sqnr(quantized(g, profile_of(g, 6), policy), g, 900), 120);  // nothing is left of int8
}

// The levels of the second's results are not those of the first's, which nothing stores.
TEST(KeepF32, AConvolutionBehindAnother) {
  Graph g = simplified(*parse_graph(R"(graph "net"
input %x: f32[1,4,16,16]
const %w1: f32[8,4,3,3] = random(1)
const %w2: f32[24,8,3,3] = random(2)
const %w3: f32[4,24,3,3] = random(3)
%a: f32[1,8,16,16] = Conv(%x, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,24,16,16] = Conv(%a, %w2) name="second" pads=[1,1,1,1]
%y: f32[1,4,16,16] = Conv(%b, %w3) name="third" pads=[1,1,1,1]
output %y
)",
                                    op_table()));
  expect_each_kept_is_better(g);
}

}  // namespace
}  // namespace quadlane
