// Cross-layer equalization: the network computes the same, and one scale suits all channels of a value.
#include "graph/quant/equalize.h"

#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

const QuantPolicy kAny{.form = QuantForm::for_any, .headroom = {.lean = 0}};

Graph equalized(const Graph& fp32, int samples = 4) {
  Graph g = fp32;
  equalize(g, equalizing_factors(g, profile_of(g, samples), kAny));
  return g;
}

TEST(Equalize, RandomNetworksComputeTheSame) {
  for (uint32_t seed = 0; seed < 16; ++seed) {
    RandomGraphOptions options{.pre_activation = seed % 2 == 1};
    const Graph fp32 = simplified(seed % 4 < 2 ? random_dense_unet(op_table(), seed, options)
                                               : random_resnet(op_table(), seed, options));
    const Graph g = equalized(fp32);
    EXPECT_EQ(ops_of(g), ops_of(fp32));
    EXPECT_LT(f32_difference(g, fp32, seed), 1e-5) << seed;
  }
}

// Channels of six convolutions that differ ten thousandfold, through everything a factor passes: depthwise, grouped and
// transposed weights, slopes, pools, a resize, a batch norm that is not folded, additions and a concatenation with the
// network's input, whose channels stay.
constexpr const char* kEverything = R"(graph "g"
input %x: f32[1,2,8,8]
const %w1: f32[4,2,3,3] = random(1)
const %w2: f32[4,1,3,3] = random(2)
const %w3: f32[4,2,1,1] = random(3)
const %w4: f32[4,4,2,2] = random(4)
const %w5: f32[4,6,1,1] = random(5)
const %w6: f32[3,4,3,3] = random(6)
const %b: f32[4] = random(7)
const %wild: f32[4] = {0.01,1,10,100}
const %shift: f32[4] = {0.01,-1,5,50}
const %zeros: f32[4] = zeros
const %ones: f32[4] = {1,1,1,1}
const %slope: f32[4,1,1] = {0.1,0.2,0.3,0.4}
const %sizes: s64[4] = {1,4,8,8}
%a0 = Conv(%x, %w1, %b) pads=[1,1,1,1]
%a = BatchNormalization(%a0, %wild, %shift, %zeros, %ones)
%p = PRelu(%a, %slope)
%d = Conv(%p, %w2) group=4 pads=[1,1,1,1]
%g = Conv(%d, %w3) group=2
%s = Add(%g, %p)
%r = Relu(%s)
%m = MaxPool(%r) kernel_shape=[2,2] strides=[2,2]
%t = ConvTranspose(%m, %w4, %b) strides=[2,2]
%u = Resize(%m, _, _, %sizes) mode="linear"
%v = Add(%t, %u)
%n = BatchNormalization(%v, %wild, %shift, %zeros, %ones)
%l = LeakyRelu(%n) alpha=0.1
%c = Concat(%l, %x) axis=1
%e = Conv(%c, %w5, %b)
%f = Relu(%e)
%y = Conv(%f, %w6) pads=[1,1,1,1]
output %y
)";

// How many times the largest number of one channel is that of another.
double spread(const ValueProfile& seen) {
  double least = HUGE_VAL, most = 0;
  for (size_t c = 0; c < seen.channels(); ++c) {
    const double largest = std::max(std::abs(seen.min[c]), std::abs(seen.max[c]));
    least = std::min(least, largest), most = std::max(most, largest);
  }
  return most / least;
}

TEST(Equalize, PassesEveryOperatorItKnows) {
  const Graph fp32 = parsed(kEverything), g = equalized(fp32);
  EXPECT_EQ(ops_of(g), ops_of(fp32));
  EXPECT_LT(f32_difference(g, fp32), 1e-5);
  const Profile before = profile_of(fp32, 4), after = profile_of(g, 4);
  // Behind the last convolution but one, and where the network's input stands beside channels that can be scaled.
  for (const char* name : {"f", "c"}) {
    EXPECT_GT(spread(*before.find(name)), 50) << name;
    EXPECT_LT(spread(*after.find(cat(name, "_equalized"))), 2) << name;
  }
  EXPECT_EQ(after.find("x")->max, before.find("x")->max);
  EXPECT_EQ(after.find("y")->channels(), 3u);
}

TEST(Equalize, OneScaleSuitsAllChannels) {
  const Graph fp32 = parsed(kEverything), g = equalized(fp32);
  const double plain = sqnr(quantized(fp32, profile_of(fp32, 4), kAny), fp32, 9);
  const double better = sqnr(quantized(g, profile_of(g, 4), kAny), fp32, 9);
  std::cout << "one scale for a tensor: " << plain << " dB, equalized " << better << " dB\n";
  EXPECT_GT(better, plain + 6);
}

// Statistics of the network as it was say what those of the other one are.
TEST(Equalize, StatisticsFollow) {
  const Graph fp32 = parsed(kEverything);
  auto observed = [&](const Graph& g) {
    Calibrator calibrator(g, reference_evaluator(g, op_table()), true);
    for (uint32_t seed = 0; seed < 4; ++seed) EXPECT_TRUE(calibrator.add(random_inputs(fp32, seed)).ok());
    return calibrator.profile();
  };
  const Profile before = observed(fp32);
  const ChannelFactors factors = equalizing_factors(fp32, before, kAny);
  Graph g = fp32;
  equalize(g, factors);
  const Profile want = observed(g), got = equalized(before, factors);
  EXPECT_EQ(factors.count("f"), 1u);
  for (const std::string name : {"x", "f_equalized", "c_equalized", "r_equalized", "n_equalized"}) {
    const ValueProfile *a = got.find(name), *b = want.find(name);
    ASSERT_TRUE(a && b) << name;
    for (size_t c = 0; c < b->channels(); ++c) {
      const double size = 1e-5 * (std::abs(b->min[c]) + std::abs(b->max[c]));
      EXPECT_NEAR(a->min[c], b->min[c], size) << name;
      EXPECT_NEAR(a->max[c], b->max[c], size) << name;
      EXPECT_NEAR(a->mean[c], b->mean[c], size) << name;
      EXPECT_NEAR(a->positive[c], b->positive[c], 1e-12) << name;
      EXPECT_EQ(a->histograms[c].total(), b->histograms[c].total()) << name;
      for (double share : {0.1, 0.5, 0.9}) {
        const double at = b->histograms[c].quantile(share);
        EXPECT_NEAR(a->histograms[c].quantile(share), at, 0.1 * std::abs(at) + size) << name << ' ' << share;
      }
    }
  }
}

// For Quadlane channels of convolutions have scales of their own; only what is added shares one.
TEST(Equalize, ForQuadlaneOnlySums) {
  const Graph fp32 = parsed(kEverything);
  EXPECT_TRUE(can_equalize(fp32, QuantForm::for_quadlane));
  const ChannelFactors factors = equalizing_factors(fp32, profile_of(fp32, 4), {});
  EXPECT_EQ(factors.count("s"), 1u);
  EXPECT_EQ(factors.count("v"), 1u);
  EXPECT_EQ(factors.count("f"), 0u);
  EXPECT_FALSE(can_equalize(parsed(R"(graph "g"
input %x: f32[1,2,4,4]
const %w1: f32[4,2,1,1] = random(1)
const %w2: f32[2,4,1,1] = random(2)
%a = Conv(%x, %w1)
%y = Conv(%a, %w2)
output %y
)"),
                            QuantForm::for_quadlane));
}

// A sigmoid, a clip at 6, an output or a reshape in a channel's way: nothing may change.
TEST(Equalize, LeavesWhatOthersRead) {
  for (const char* way : {"%f = Sigmoid(%a)", "%f = Clip(%a, %none, %six)", "%f = Mul(%a, %a)",
                          "%q = Reshape(%a, %shape)\n%f = Reshape(%q, %back)", "%f = Div(%ones, %a)"}) {
    const Graph g = parsed(cat(R"(graph "g"
input %x: f32[1,2,4,4]
const %w1: f32[4,2,1,1] = random(1)
const %w2: f32[2,4,1,1] = random(2)
const %none: f32[] = {0}
const %six: f32[] = {6}
const %ones: f32[1] = {1}
const %shape: s64[4] = {1,2,8,4}
const %back: s64[4] = {1,4,4,4}
%a = Conv(%x, %w1)
)",
                               way, "\n%y = Conv(%f, %w2)\noutput %y\n"));
    for (const auto& [name, factors] : equalizing_factors(g, profile_of(g, 2), kAny))
      ADD_FAILURE() << way << ' ' << name;
  }
}

}  // namespace
}  // namespace quadlane
