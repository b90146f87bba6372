// Quantization of random networks: near the fp32 result, and the same on bytes as in floats.
#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

Graph network(uint32_t seed) {
  RandomGraphOptions options{.pre_activation = seed % 2 == 1};
  return simplified(seed % 4 < 2 ? random_dense_unet(op_table(), seed, options)
                                 : random_resnet(op_table(), seed, options));
}

// Resize with weights that 11 bits do not hold exactly rounds a few pixels otherwise; their differences travel on.
bool resizes_inexactly(const Graph& g) {
  for (NodeId id : g.order())
    if (g[id].attrs.string_or("coordinate_transformation_mode", "") == "align_corners") return true;
  return false;
}

void expect_good(const QuantPolicy& policy, double least_db, double mean_db, double least_share = 0.999) {
  double sum = 0;
  constexpr uint32_t kSeeds = 16;
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    Graph fp32 = network(seed);
    Graph qdq = quantized(fp32, profile_of(fp32, 4), policy), int8 = fused_int8(qdq);
    double db = sqnr(int8, fp32, seed);
    EXPECT_GT(db, least_db) << seed;
    EXPECT_NEAR(sqnr(qdq, fp32, seed), db, 1) << seed;
    sum += db / kSeeds;
    LevelAgreement levels = compare_levels(int8, qdq, seed);
    EXPECT_GT(levels.compared, 1000) << seed;
    EXPECT_GE(levels.share(), resizes_inexactly(fp32) ? 0.99 : least_share) << seed << '\n' << print(int8);
  }
  EXPECT_GT(sum, mean_db);
}

TEST(Quantize, ForQuadlane) { expect_good({}, 19, 34); }
// A batch norm between two quantizations multiplies a difference of one level.
TEST(Quantize, ForAny) { expect_good({.form = QuantForm::for_any}, 18, 32, 0.99); }
TEST(Quantize, WithoutCorrections) {
  expect_good({.bias_correction = false, .threshold_on_grid = false, .channel_scales = false}, 15, 30);
}

// Plain colours: calibrated on four of the eight signs of three channels, measured on the other four. Every channel of
// the input was seen whole; what the layers make of new colours was not.
TEST(Quantize, HeadroomForInputsThatWereNotShown) {
  auto colour = [](uint32_t signs) {
    std::vector<float> x;
    for (uint32_t c = 0; c < 3; ++c) x.insert(x.end(), 64, signs >> c & 1 ? 1.0f : -1.0f);
    return std::vector<Tensor>{Tensor::from<float>({1, 3, 8, 8}, x)};
  };
  const Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,3,8,8]
const %w1: f32[16,3,3,3] = random(1)
const %w2: f32[16,16,3,3] = random(2)
const %w3: f32[4,16,1,1] = random(3)
%a = Conv(%x, %w1) pads=[1,1,1,1]
%b = Relu(%a)
%c = Conv(%b, %w2) pads=[1,1,1,1]
%d = Relu(%c)
%y = Conv(%d, %w3)
output %y
)"));
  Calibrator calibrator(fp32, reference_evaluator(fp32, op_table()));
  for (uint32_t signs : {0u, 3u, 5u, 6u}) ASSERT_TRUE(calibrator.add(colour(signs)).ok());
  auto noise = [&](double lean) {
    const Graph int8 = fused_int8(quantized(fp32, calibrator.profile(), {.headroom = {.lean = lean}}));
    double sum = 0;
    for (uint32_t signs : {1u, 2u, 4u, 7u}) {
      const Tensor got = outputs_of(int8, colour(signs))[0], want = outputs_of(fp32, colour(signs))[0];
      for (int64_t i = 0; i < want.count(); ++i) sum += std::pow(got.as<float>()[i] - want.as<float>()[i], 2);
    }
    return sum;
  };
  EXPECT_LT(noise(1), noise(0) / 2);
}

// An activation %f of %b between convolutions whose channels differ ten thousandfold, and a depthwise one that makes
// them alike again.
Graph activation_between(std::string_view activation, std::string_view shift) {
  return simplified(parsed(cat(R"(graph "g"
input %x: f32[1,3,16,16]
const %w1: f32[6,3,3,3] = random(1)
const %w2: f32[6,1,3,3] = random(2)
const %w3: f32[4,6,1,1] = random(3)
const %large: f32[6] = {0.002,0.05,1,20,0.1,0.01}
const %small: f32[6] = {500,20,1,0.05,10,100}
const %shift: f32[6] = )",
                               shift, R"(
const %zeros: f32[6] = zeros
const %ones: f32[6] = {1,1,1,1,1,1}
const %slope: f32[6,1,1] = {0.1,0.2,0.3,0.4,0.5,0.6}
const %none: f32[] = {0}
const %six: f32[] = {6}
%a = Conv(%x, %w1) pads=[1,1,1,1]
%b = BatchNormalization(%a, %large, %shift, %zeros, %ones)
)",
                               activation, R"(
%c = Conv(%f, %w2) group=6 pads=[1,1,1,1]
%d = BatchNormalization(%c, %small, %zeros, %zeros, %ones)
%y = Conv(%d, %w3)
output %y
)")));
}

void expect_scales_of_channels(std::string_view activation, std::string_view shift, std::string_view ops) {
  const Graph fp32 = activation_between(activation, shift);
  const Profile profile = profile_of(fp32, 4);
  const Graph int8 = fused_int8(quantized(fp32, profile, {.headroom = {.lean = 0}}));
  EXPECT_EQ(ops_of(int8), ops);
  for (NodeId id : int8.order())
    if (int8[id].op == "ql.Lut") {
      EXPECT_EQ(int8.constant(int8[id].input(1))->shape(), (Shape{6, 256}));
    }
  const double db = sqnr(int8, fp32, 7);
  EXPECT_GT(db, 30) << activation;
  EXPECT_GT(db, 10 + sqnr(fused_int8(quantized(fp32, profile, {.channel_scales = false})), fp32, 7)) << activation;
}

// Two channels are negative, or nearly, throughout.
TEST(Quantize, ChannelsAroundAFunctionHaveTablesOfTheirOwn) {
  expect_scales_of_channels("%s = Sigmoid(%b)\n%f = Mul(%b, %s)", "{0,0,0.5,1,-1.5,-0.03}",
                            "ql.Quantize ql.Conv ql.Lut ql.Conv ql.Conv");
}
TEST(Quantize, ChannelsBehindSlopesHaveScalesOfTheirOwn) {
  expect_scales_of_channels("%f = PRelu(%b, %slope)", "{0,0,0.5,1,-1.5,-0.03}", "ql.Quantize ql.Conv ql.Conv ql.Conv");
}
// The largest byte is the bound, or less where a channel never comes near it.
TEST(Quantize, ChannelsBehindAClipHaveScalesOfTheirOwn) {
  expect_scales_of_channels("%f = Clip(%b, %none, %six)", "{0,0,0.5,1,0.1,0.01}",
                            "ql.Quantize ql.Conv ql.Conv ql.Conv");
}

// A network for Quadlane has nothing left between its convolutions: no float, no requantization.
TEST(Quantize, DenseNetworksStayInBytes) {
  for (uint32_t seed : {0u, 1u, 4u, 5u, 8u, 9u}) {
    Graph fp32 = network(seed), int8 = fused_int8(quantized(fp32, profile_of(fp32, 2)));
    int quantizes = 0;
    for (NodeId id : int8.order()) {
      const Node& node = int8[id];
      quantizes += node.op == "ql.Quantize";
      EXPECT_TRUE(node.op.rfind("ql.Conv", 0) == 0 || node.op == "ql.Quantize" || node.op == "Concat" ||
                  node.op == "MaxPool" || node.op == "ql.Resize" || node.op == "ql.AveragePool")
          << node.op << ' ' << node.name;
    }
    EXPECT_EQ(quantizes, 1) << seed;
  }
}

// Squeeze and excite: bytes in and out, floats between. A fully connected layer behind a pool is no gate.
TEST(Quantize, GatesOfChannelsStayInFloats) {
  const Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,4,8,8]
const %w: f32[8,4,3,3] = random(1)
const %s: f32[4,8,1,1] = random(2)
const %e: f32[8,4,1,1] = random(3)
const %v: f32[8,8,3,3] = random(4)
const %k: f32[5,8,1,1] = random(5)
%a = Conv(%x, %w) pads=[1,1,1,1]
%b = Relu(%a)
%p = GlobalAveragePool(%b)
%c = Conv(%p, %s)
%d = Relu(%c)
%f = Conv(%d, %e)
%g = Sigmoid(%f)
%m = Mul(%b, %g)
%n = Conv(%m, %v) pads=[1,1,1,1]
%r = Relu(%n)
%q = GlobalAveragePool(%r)
%y = Conv(%q, %k)
output %y
)"));
  QuantReport report;
  auto qdq = quantize(fp32, op_table(), profile_of(fp32, 4), {}, &report);
  ASSERT_TRUE(qdq.ok());
  EXPECT_EQ(report.int8.size(), 3u);
  EXPECT_EQ(report.notes, std::vector<std::string>{"2 convolutions compute gates of channels and stay in fp32"});
  const Graph int8 = fused_int8(*qdq);
  EXPECT_EQ(ops_of(int8),
            "ql.Quantize ql.Conv ql.DequantizedMean ql.Conv ql.Conv ql.Quantize ql.Mul ql.Conv "
            "ql.GlobalAveragePool ql.Conv")
      << print(int8);
  EXPECT_GT(sqnr(int8, fp32, 3), 30);
  // With all convolutions in fp32 nothing is rounded for a gate's mean alone.
  const Graph kept = quantized(fp32, profile_of(fp32, 4), {.keep_f32 = {report.int8.begin(), report.int8.end()}});
  EXPECT_EQ(ops_of(kept), ops_of(fp32));
}

TEST(Quantize, KeepsNamedConvolutions) {
  Graph fp32 = network(1);
  QuantPolicy policy;
  for (NodeId id : fp32.order())
    if (fp32[id].op == "Conv") {
      policy.keep_f32.insert(fp32[id].name);
      break;
    }
  QuantReport report;
  auto qdq = quantize(fp32, op_table(), profile_of(fp32, 2), policy, &report);
  ASSERT_TRUE(qdq.ok());
  EXPECT_EQ(static_cast<int>(report.int8.size()), report.layers - 1);
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_EQ(report.notes[0], *policy.keep_f32.begin() + ": kept in fp32 as asked");
  policy.for_a_bound = policy.keep_f32;
  for (QuantForm form : {QuantForm::for_quadlane, QuantForm::for_any}) {
    policy.form = form;
    report = {};
    ASSERT_TRUE(quantize(fp32, op_table(), profile_of(fp32, 2), policy, &report).ok());
    EXPECT_EQ(report.notes, std::vector{*policy.keep_f32.begin() + ": kept in fp32 to meet the bound"});
  }
  policy.form = QuantForm::for_quadlane;
  EXPECT_GT(sqnr(fused_int8(*qdq), fp32, 1), 25);
}

TEST(Quantize, NamesWhatTheProfileLacks) {
  Graph fp32 = network(1);
  auto qdq = quantize(fp32, op_table(), Profile());
  ASSERT_FALSE(qdq.ok());
  EXPECT_EQ(qdq.error().message, "the calibration profile has no value 'image'");
}

// A threshold far below what a Clip from 0 leaves must not stretch the bytes beyond the Clip's bound.
TEST(Quantize, TheLargestByteStaysTheBoundOfAClip) {
  const Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,3,12,12]
const %w1: f32[6,3,3,3] = random(1)
const %w2: f32[4,6,3,3] = random(2)
const %none: f32[] = {0}
const %six: f32[] = {6}
const %large: f32[6] = {20,20,20,20,20,20}
const %scale: f32[6] = {1,1,1,-1,-1,1}
const %zeros: f32[6] = zeros
const %shift: f32[6] = {0.2,3,0,9,7,0.1}
const %ones: f32[6] = {1,1,1,1,1,1}
%a = Conv(%x, %w1) pads=[1,1,1,1]
%b = BatchNormalization(%a, %large, %zeros, %zeros, %ones)
%f = Clip(%b, %none, %six)
%n = BatchNormalization(%f, %scale, %shift, %zeros, %ones)
%r = Relu(%n)
%y = Conv(%r, %w2) pads=[1,1,1,1]
output %y
)"));
  QuantReport report;
  ASSERT_TRUE(quantize(fp32, op_table(), profile_of(fp32, 4), {}, &report).ok());
  for (const QuantValue& value : report.values)
    for (size_t c = 0; value.name == "f" && c < 6; ++c) {
      EXPECT_GE(value.low_of(c), 0);
      EXPECT_LE(value.low_of(c) + 255 * value.scale_of(c), 6 * 1.0001);
    }
  EXPECT_EQ(report.values.size(), 2u);
}

// A Clip's upper bound in front of a convolution is counted from the least byte, wherever the channel's range begins.
TEST(Quantize, UpperBoundsOfChannelsThatAreAlwaysLive) {
  const Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,2,8,8]
const %w1: f32[3,2,1,1] = random(1)
const %b1: f32[3] = {20,16,12}
const %w2: f32[4,5,1,1] = random(2)
const %half: f32[5] = {0.5,0.5,0.5,1,1}
const %zeros: f32[5] = zeros
const %ones: f32[5] = {1,1,1,1,1}
const %none: f32[] = {0}
const %six: f32[] = {6}
%a = Conv(%x, %w1, %b1)
%c = Concat(%a, %x) axis=1
%n = BatchNormalization(%c, %half, %zeros, %zeros, %ones)
%r = Clip(%n, %none, %six)
%y = Conv(%r, %w2)
output %y
)"));
  EXPECT_GT(sqnr(fused_int8(quantized(fp32, profile_of(fp32, 4))), fp32, 7), 30);
}

// Where a filter has next to no weights, its bias decides what their levels are worth.
TEST(Quantize, BiasesOfFiltersWithoutWeights) {
  const Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,2,6,6]
const %w: f32[3,2,1,1] = {0,0,1,-1,1e-10,1e-10}
const %b: f32[3] = {1,0.5,-2}
const %v: f32[2,3,3,3] = random(1)
%a = Conv(%x, %w, %b)
%y = Conv(%a, %v)
output %y
)"));
  for (QuantForm form : {QuantForm::for_quadlane, QuantForm::for_any}) {
    const Graph qdq = quantized(fp32, profile_of(fp32, 2), {.form = form});
    EXPECT_GT(sqnr(qdq, fp32, 5), 30);
    EXPECT_GT(sqnr(fused_int8(qdq), fp32, 5), 30);
  }
}

// ONNX Runtime would make an operator of one scale of it.
TEST(Quantize, AFunctionBetweenChannelScalesStaysApart) {
  const Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,3,8,8]
const %w: f32[4,3,3,3] = random(1)
const %v: f32[4,4,3,3] = random(2)
const %u: f32[2,4,1,1] = random(3)
%a = Conv(%x, %w) pads=[1,1,1,1]
%b = LeakyRelu(%a) alpha=0.1
%y = Conv(%b, %v) pads=[1,1,1,1]
%z = Conv(%a, %u)
output %y
output %z
)"));
  const Graph qdq = quantized(fp32, profile_of(fp32, 8));
  for (NodeId id : qdq.order())
    if (qdq[id].op == "QuantizeLinear") {
      EXPECT_FALSE(producer_of(qdq, qdq[id].input(0), "LeakyRelu"));
    }
  EXPECT_GT(sqnr(fused_int8(qdq), fp32, 5), 30);
}

// Between equal scales ONNX Runtime would cut off the fractions of a linear Resize.
TEST(Quantize, ForAnyResizesToAScaleBeside) {
  for (const char* mode : {"linear", "nearest"}) {
    const Graph fp32 = parsed(cat(R"(graph "g"
input %x: f32[1,2,6,6]
const %w: f32[4,2,3,3] = random(1)
const %v: f32[3,4,1,1] = random(2)
const %two: f32[4] = {1,1,2,2}
%a = Conv(%x, %w) pads=[1,1,1,1]
%b = Resize(%a, _, %two) mode=")", mode, R"("
%y = Conv(%b, %v)
output %y
)"));
    const Graph qdq = quantized(fp32, profile_of(fp32, 8), {.form = QuantForm::for_any});
    int resizes = 0;
    for (NodeId id : qdq.order()) {
      if (qdq[id].op != "Resize") continue;
      ++resizes;
      const auto scale_of = [&](const Node* node) { return qdq.constant(node->input(1))->as<float>()[0]; };
      const float in = scale_of(producer_of(qdq, qdq[id].input(0), "DequantizeLinear"));
      const float out = scale_of(&qdq[qdq.single_use(qdq[id].output())->node]);
      EXPECT_NEAR(out / in, *mode == 'l' ? 1 - 1 / 4096.0 : 1, 1e-6) << mode;
    }
    EXPECT_EQ(resizes, 1) << mode;
    EXPECT_GT(sqnr(qdq, fp32, 5), 30);
  }
}

// Other engines know convolutions of volumes and sequences.
// Sums and pools between layers that all stay in fp32 are not rounded either.
TEST(Quantize, ForAnyWithAllLayersKeptIsTheGraphItself) {
  const Graph fp32 = network(1);
  QuantReport report;
  QuantPolicy policy{.form = QuantForm::for_any};
  ASSERT_TRUE(quantize(fp32, op_table(), profile_of(fp32, 2), policy, &report).ok());
  policy.keep_f32 = {report.int8.begin(), report.int8.end()};
  EXPECT_EQ(ops_of(quantized(fp32, profile_of(fp32, 2), policy)), ops_of(fp32));
}

TEST(Quantize, ForAnyKeepsVolumes) {
  const Graph fp32 = parsed(R"(graph "g"
input %x: f32[1,2,5,6,6]
const %w: f32[4,2,3,3,3] = random(1)
const %v: f32[3,4,1,1,1] = random(2)
%a = Conv(%x, %w) pads=[1,1,1,1,1,1]
%b = Relu(%a)
%c = MaxPool(%b) kernel_shape=[2,2,2] strides=[2,2,2]
%y = Conv(%c, %v)
output %y
)");
  const Graph qdq = quantized(fp32, profile_of(fp32, 8), {.form = QuantForm::for_any});
  int convs = 0;
  for (NodeId id : qdq.order()) {
    if (qdq[id].op != "Conv") continue;
    ++convs;
    for (size_t i : {size_t{0}, size_t{1}}) EXPECT_TRUE(producer_of(qdq, qdq[id].input(i), "DequantizeLinear"));
  }
  EXPECT_EQ(convs, 2);
  EXPECT_GT(sqnr(qdq, fp32, 5), 30);
}

TEST(Quantize, NamesAValueWithAnotherNumberOfChannels) {
  const Graph fp32 = network(1);
  Profile profile = profile_of(fp32, 2);
  std::string text = profile.to_text();
  // Statistics of the values that are no sources are read as well.
  for (NodeId id : fp32.order()) {
    if (fp32[id].op != "Relu") continue;
    const std::string& name = fp32[fp32[id].output()].name;
    const size_t channels = profile.find(name)->channels(), at = text.find("\"" + name + "\"");
    const size_t from = text.rfind("value ", at), to = text.find("value ", at);
    text.replace(from, to == text.npos ? to : to - from, cat("value 1 9 2 \"", name, "\"\n0 1 0 1 0.5 1\n"));
    auto other = Profile::from_text(text);
    ASSERT_TRUE(other.ok()) << other.error().text();
    auto qdq = quantize(fp32, op_table(), *other);
    ASSERT_FALSE(qdq.ok());
    EXPECT_EQ(qdq.error().message,
              cat("value '", name, "' has ", channels, " channels, the calibration profile has 1"));
    return;
  }
  FAIL() << "no Relu";
}

TEST(Quantize, RangesOfDeadAndConstantChannels) {
  Graph fp32 = simplified(parsed(R"(graph "g"
input %x: f32[1,2,6,6]
const %zero: f32[3,2,3,3] = zeros
const %w: f32[2,3,3,3] = random(1)
const %b: f32[3] = {0.0,2.0,-3.0}
const %s: f32[3] = {1.0,-1.0,0.5}
const %v: f32[3] = {1.0,1.0,1.0}
%p = Conv(%x, %zero, %b) pads=[1,1,1,1]
%n = BatchNormalization(%p, %s, %b, %b, %v)
%r = Relu(%n)
%y = Conv(%r, %w) pads=[1,1,1,1]
%z = Relu(%p)
%q = Conv(%z, %w)
output %y
output %q
)"));
  Graph int8 = fused_int8(quantized(fp32, profile_of(fp32, 2)));
  EXPECT_LT(f32_difference(int8, fp32), 0.02) << print(int8);
}

}  // namespace
}  // namespace quadlane
