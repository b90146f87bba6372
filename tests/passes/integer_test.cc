// The integer passes, one pattern each: QDQ text in, integer operators out, the same bytes.
#include <cstring>
#include <random>

#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

// All integer passes turn `text` into the operators `expected`; 99.9 % of the bytes are within one level of the QDQ
// graph's, and the outputs near it (`tolerance`, relative).
Graph expect_integer(std::string_view text, std::string_view expected, double tolerance = 0.01) {
  Graph before = parsed(text), after = fused_int8(before);
  EXPECT_EQ(ops_of(after), expected) << print(after);
  LevelAgreement levels = compare_levels(after, before, 3);
  if (levels.compared) {
    EXPECT_GE(levels.share(), 0.999) << print(after);
  }
  EXPECT_LT(f32_difference(after, before, 3), tolerance) << print(after);
  return after;
}
const Node& node_of(const Graph& g, std::string_view op) {
  for (NodeId id : g.order())
    if (g[id].op == op) return g[id];
  ADD_FAILURE() << "no " << op << " in " << ops_of(g);
  return g[g.order()[0]];
}

constexpr const char* kInput = R"(graph "g"
input %x: f32[1,5,9,10]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %t: f32[] = {0.03}
const %u: u8[] = {7}
const %zero: u8[] = {0}
const %w: s8[6,5,3,3] = random(1)
const %ws: f32[6] = {0.01,0.02,0.005,0.01,0.015,0.002}
const %wz: s8[6] = zeros
const %b: s32[6] = {100,-2000,3000,0,7,50}
const %bs: f32[6] = {0.0002,0.0004,0.0001,0.0002,0.0003,0.00004}
const %bz: s32[6] = zeros
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws, %wz) axis=0
%db = DequantizeLinear(%b, %bs, %bz) axis=0
)";

// Every pair of bounds, on numbers that lie on ties and beyond the range.
TEST(ClipBeforeQuantize, SameBytes) {
  std::mt19937 rng(1);
  for (int i = 0; i < 200; ++i) {
    const bool is_signed = i % 2;
    const int least = is_signed ? -128 : 0, lo = least + static_cast<int>(rng() % 256);
    const int hi = lo + static_cast<int>(rng() % static_cast<unsigned>(least + 256 - lo));
    const char* type = is_signed ? "s8" : "u8";
    const Graph before = parsed(cat("graph \"g\"\ninput %x: f32[4000]\nconst %s: f32[] = {", 0.001 * (1 + rng() % 90),
                                    "}\nconst %z: ", type, "[] = {", least + static_cast<int>(rng() % 256),
                                    "}\nconst %lo: ", type, "[] = {", lo, "}\nconst %hi: ", type, "[] = {", hi,
                                    "}\n%q: ", type, "[4000] = QuantizeLinear(%x, %s, %z)\n%y = Clip(%q, ",
                                    i % 5 ? "%lo" : "_", ", ", i % 7 ? "%hi" : "_", ")\noutput %y\n"));
    const Graph after = after_pass(before, "clip_before_quantize");
    EXPECT_EQ(after[after.order().back()].op, "QuantizeLinear");
    std::vector<float> x(4000);
    const float scale = *before.constant(before[before.order()[0]].input(1))->as<float>();
    for (float& v : x) v = scale * 0.25f * static_cast<float>(static_cast<int>(rng() % 2400) - 1200);
    const std::vector<Tensor> inputs{Tensor::from<float>({4000}, x)};
    const Tensor a = outputs_of(after, inputs)[0], b = outputs_of(before, inputs)[0];
    ASSERT_EQ(std::memcmp(a.data(), b.data(), 4000), 0) << print(after);
  }
}

TEST(ClipBeforeQuantize, BecomesTheBoundsOfAConvolution) {
  const Graph g = fused_int8(simplified(parsed(cat(kInput, R"(
const %most: u8[] = {127}
%c = Conv(%d, %dw, %db) pads=[1,1,1,1]
%r = Relu(%c)
%k = QuantizeLinear(%r, %t, %zero)
%y = Clip(%k, _, %most)
output %y
)"))));
  EXPECT_EQ(ops_of(g), "ql.Quantize ql.Conv");
  EXPECT_EQ(node_of(g, "ql.Conv").attrs.int_or("out_hi", -1), 127);
}

TEST(IntegerConv, ReluAndQuantize) {
  Graph g = expect_integer(cat(kInput, R"(
%c = Conv(%d, %dw, %db) pads=[1,1,1,1] strides=[2,1]
%r = Relu(%c)
%y = QuantizeLinear(%r, %t, %u)
output %y
)"),
                           "ql.Quantize ql.Conv");
  const Node& conv = node_of(g, "ql.Conv");
  EXPECT_EQ(conv.attrs.int_or("out_zero", -1), 7);
  EXPECT_EQ(conv.attrs.int_or("out_lo", -1), 7);
  EXPECT_EQ(conv.attrs.int_or("out_hi", -1), 255);
  EXPECT_EQ(to_ints(g.constant(conv.input(2))->view()), (std::vector<int64_t>{100, -2000, 3000, 0, 7, 50}));
  EXPECT_EQ(to_ints(g.constant(conv.input(4))->view()), (std::vector<int64_t>(5, 120)));
}

TEST(IntegerConv, ClipFloatBiasAndFloatResult) {
  expect_integer(cat(kInput, R"(
const %six: f32[] = {0.9}
const %low: f32[] = {0.0}
const %fb: f32[6] = random(5)
%c = Conv(%d, %dw, %fb) dilations=[2,2]
%r = Clip(%c, %low, %six)
%y = QuantizeLinear(%r, %t, %u)
%f = Conv(%d, %dw)
%g = Relu(%f)
output %y
output %g
)"),
                 "ql.Quantize ql.Conv ql.Conv");
}

TEST(IntegerConv, Residual) {
  Graph g = expect_integer(cat(kInput, R"(
const %w2: s8[5,6,3,3] = random(2)
const %w2s: f32[] = {0.004}
%c = Conv(%d, %dw, %db) pads=[1,1,1,1]
%y = QuantizeLinear(%c, %t, %u)
%e = DequantizeLinear(%y, %t, %u)
%dw2 = DequantizeLinear(%w2, %w2s)
%c2 = Conv(%e, %dw2) pads=[1,1,1,1]
%a = Add(%d, %c2)
%r = Relu(%a)
%y2 = QuantizeLinear(%r, %t, %zero)
output %y2
)"),
                           "ql.Quantize ql.Conv ql.Conv");
  EXPECT_EQ(g[g.order().back()].attrs.int_or("residual_zero", -1), 120);
}

TEST(IntegerConv, BiasWithAZeroPoint) {
  Graph g = expect_integer(cat(kInput, R"(
const %off: s32[6] = {100,2000,-3000,0,-7,50}
%dc = DequantizeLinear(%b, %bs, %off) axis=0
%c = Conv(%d, %dw, %dc)
%y = QuantizeLinear(%c, %t, %u)
output %y
)"),
                           "ql.Quantize ql.Conv");
  EXPECT_EQ(to_ints(g.constant(node_of(g, "ql.Conv").input(2))->view()),
            (std::vector<int64_t>{0, -4000, 6000, 0, 14, 0}));
}

// Signs survive the scales, so a PRelu or LeakyRelu in front of the quantization is the convolution's.
TEST(IntegerConv, Slopes) {
  Graph g = expect_integer(cat(kInput, R"(
const %p: f32[6,1,1] = random(3)
const %ys: f32[6] = {0.02,0.03,0.04,0.01,0.05,0.02}
const %yz: u8[6] = {9,9,9,9,9,9}
%c = Conv(%d, %dw, %db) pads=[1,1,1,1]
%r = PRelu(%c, %p)
%y = QuantizeLinear(%r, %ys, %yz) axis=1
%e = Conv(%d, %dw)
%l = LeakyRelu(%e) alpha=0.1
%y2 = QuantizeLinear(%l, %t, %u)
%f = Conv(%d, %dw) strides=[2,2]
%h = PRelu(%f, %p)
output %y
output %y2
output %h
)"),
                           "ql.Quantize ql.Conv ql.Conv ql.Conv");
  for (NodeId id : g.order()) EXPECT_EQ(g[id].input(11) != kNoValue, g[id].op == "ql.Conv");
}

TEST(IntegerConv, Thresholds) {
  Graph g = expect_integer(cat(kInput, R"(
const %one: f32[5] = {1.0,1.0,1.0,1.0,1.0}
const %tz: u8[5] = {0,100,127,255,130}
const %lo: f32[1,5,1,1] = {0.0,-255.0,0.0,-30.0,0.0}
const %hi: f32[1,5,1,1] = {255.0,0.0,12.0,0.0,255.0}
const %v: f32[6] = {0.02,0.02,0.02,0.02,0.02,0.02}
%l = DequantizeLinear(%q, %one, %tz) axis=1
%p = Relu(%l)
%c = Conv(%p, %dw) pads=[1,1,1,1]
%y = QuantizeLinear(%c, %t, %u)
%k = Max(%l, %lo)
%m = Min(%k, %hi)
%n = Conv(%m, %dw) pads=[1,1,1,1]
output %y
output %n
)"),
                           "ql.Quantize ql.Conv ql.Conv");
  for (NodeId id : g.order()) {
    const Node& conv = g[id];
    if (conv.op != "ql.Conv") continue;
    EXPECT_EQ(to_ints(g.constant(conv.input(4))->view()), (std::vector<int64_t>{0, 100, 127, 255, 130}));
    bool u8 = conv.attrs.string_or("dtype", "") == "u8";
    EXPECT_EQ(to_ints(g.constant(conv.input(5))->view()),
              u8 ? (std::vector<int64_t>{0, 100, 127, 255, 130}) : (std::vector<int64_t>{0, 0, 127, 225, 130}));
    EXPECT_EQ(conv.input(6) == kNoValue, u8);
  }
}

TEST(IntegerConv, ScalePerOutputChannel) {
  expect_integer(cat(kInput, R"(
const %ys: f32[6] = {0.02,0.03,0.04,0.01,0.05,0.02}
const %yz: u8[6] = {9,9,9,9,9,9}
%c = Conv(%d, %dw, %db)
%r = Relu(%c)
%y = QuantizeLinear(%r, %ys, %yz) axis=1
output %y
)"),
                 "ql.Quantize ql.Conv");
}

TEST(IntegerConv, Transposed) {
  expect_integer(cat(kInput, R"(
const %tw: s8[5,3,3,3] = random(4)
const %tws: f32[3] = {0.01,0.02,0.005}
const %twz: s8[3] = zeros
%dtw = DequantizeLinear(%tw, %tws, %twz) axis=1
%c = ConvTranspose(%d, %dtw) strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]
%r = Relu(%c)
%y = QuantizeLinear(%r, %t, %zero)
output %y
)"),
                 "ql.Quantize ql.ConvTranspose");
}

TEST(IntegerConv, SignedActivations) {
  Graph g = expect_integer(R"(graph "g"
input %x: f32[1,5,9,10]
const %s: f32[] = {0.02}
const %z: s8[] = {-8}
const %w: u8[6,5,1,1] = random(1)
const %ws: f32[] = {0.01}
const %wz: u8[] = {128}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws, %wz)
%c = Conv(%d, %dw)
output %c
)",
                           "ql.Quantize ql.Conv");
  EXPECT_EQ(to_ints(g.constant(node_of(g, "ql.Quantize").input(2))->view()), (std::vector<int64_t>{120}));
}

// 255 * sum |w| of 66049 random weights is about 1.1e9; a bias decides whether int32 holds the sum.
// As `compare --layers` looks at it: the convolution stays what it is without a look.
TEST(IntegerConv, SignedActivationsThatAreOutputs) {
  const Graph g = expect_integer(R"(graph "g"
input %x: f32[1,5,9,10]
const %s: f32[] = {0.02}
const %z: s8[] = {-8}
const %w: s8[6,5,1,1] = random(1)
const %ws: f32[] = {0.01}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws)
%c = Conv(%d, %dw)
output %q
output %c
)",
                                 "ql.Quantize ql.Conv ql.Dequantize QuantizeLinear", 1e-6);
  EXPECT_EQ(g[g.outputs()[0]].type.dtype, DType::s8);
}

TEST(IntegerConv, DeclinesSumsThatMightOverflow) {
  for (bool fits : {true, false}) {
    Graph g = fused_int8(parsed(cat(R"(graph "g"
input %x: f32[1,1,257,257]
const %s: f32[] = {0.02}
const %z: u8[] = {0}
const %b: f32[1] = {)",
                                    fits ? "1000.0" : "-2400.0", R"(}
const %ws: f32[] = {0.0001}
const %w: s8[1,1,257,257] = random(1)
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws)
%c = Conv(%d, %dw, %b)
output %c
)")));
    EXPECT_EQ(ops_of(g), fits ? "ql.Quantize ql.Conv" : "ql.Quantize ql.Dequantize ql.Conv");
  }
}

TEST(IntegerMove, SinksThroughChains) {
  expect_integer(cat(kInput, R"(
%m = MaxPool(%d) kernel_shape=[3,3] pads=[1,1,1,1]
%a = Transpose(%m) perm=[0,1,3,2]
const %pads: s64[8] = {0,0,1,1,0,0,0,2}
%p = Pad(%a, %pads)
%h = Concat(%p, %p) axis=1
%y = QuantizeLinear(%h, %s, %z)
output %y
)"),
                 "ql.Quantize MaxPool Transpose Pad Concat");
}

TEST(IntegerConcat, RequantizesPartsOfOtherScales) {
  expect_integer(cat(kInput, R"(
%c = Conv(%d, %dw) pads=[1,1,1,1]
%q2 = QuantizeLinear(%c, %t, %u)
%d2 = DequantizeLinear(%q2, %t, %u)
%h = Concat(%d, %d2) axis=1
%y = QuantizeLinear(%h, %t, %u)
output %y
)"),
                 "ql.Quantize ql.Conv ql.Requantize Concat");
}

TEST(IntegerResize, SameAndOtherScale) {
  expect_integer(cat(kInput, R"(
const %two: f32[4] = {1.0,1.0,2.0,2.0}
%a = Resize(%d, _, %two) mode="linear"
%y = QuantizeLinear(%a, %s, %z)
%f = Resize(%d, _, %two) mode="nearest" nearest_mode="floor" coordinate_transformation_mode="asymmetric"
%r = QuantizeLinear(%f, %t, %u)
output %y
output %r
)"),
                 "ql.Quantize ql.Resize ql.Resize ql.Requantize");
}

TEST(IntegerResize, LinearResultsOfAnotherScaleStayInFloats) {
  expect_integer(cat(kInput, R"(
const %two: f32[4] = {1.0,1.0,2.0,2.0}
const %other: f32[] = {0.03}
%a = Resize(%d, _, %two) mode="linear"
%y = QuantizeLinear(%a, %other, %z)
output %y
)"),
                 "ql.Quantize ql.Dequantize Resize ql.Quantize");
}

TEST(IntegerPool, Averages) {
  expect_integer(cat(kInput, R"(
%a = AveragePool(%d) kernel_shape=[3,2] pads=[1,0,1,1] strides=[2,2]
%y = QuantizeLinear(%a, %t, %u)
%f = AveragePool(%d) kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1
%r = QuantizeLinear(%f, %t, %u)
%c = GlobalAveragePool(%d)
%v = QuantizeLinear(%c, %s, %z)
output %y
output %r
output %v
)"),
                 "ql.Quantize ql.AveragePool ql.AveragePool ql.GlobalAveragePool");
}

// Nothing quantizes it: the sums leave the integers.
TEST(IntegerPool, MeansInFloats) {
  expect_integer(cat(kInput, R"(
%y = GlobalAveragePool(%d)
output %y
)"),
                 "ql.Quantize ql.DequantizedMean", 1e-5);
}

TEST(IntegerArithmetic, AddAndMul) {
  expect_integer(cat(kInput, R"(
%a = Add(%d, %d)
%y = QuantizeLinear(%a, %t, %u)
%e = DequantizeLinear(%y, %t, %u)
%g = GlobalAveragePool(%d)
%gq = QuantizeLinear(%g, %t, %u)
%gd = DequantizeLinear(%gq, %t, %u)
%m = Mul(%gd, %e)
%r = Relu(%m)
%v = QuantizeLinear(%r, %t, %zero)
output %v
)"),
                 "ql.Quantize ql.GlobalAveragePool ql.Add ql.Mul");
}

TEST(IntegerAffine, BatchNormAndRelu) {
  expect_integer(cat(kInput, R"(
const %g: f32[5] = {1.0,-1.0,0.5,2.0,0.0}
const %b5: f32[5] = {0.1,0.2,-0.3,0.0,0.5}
const %var: f32[5] = {1.0,2.0,0.5,1.0,1.0}
%n = BatchNormalization(%d, %g, %b5, %b5, %var)
%r = Relu(%n)
%y = QuantizeLinear(%r, %t, %zero)
%v = QuantizeLinear(%d, %t, %u)
output %y
output %v
)"),
                 "ql.Quantize ql.Requantize ql.Requantize");
}

TEST(IntegerLut, FunctionsOfOneValue) {
  expect_integer(cat(kInput, R"(
%a = Sigmoid(%d)
%f = Mul(%a, %d)
%y = QuantizeLinear(%f, %t, %u)
%e = DequantizeLinear(%y, %t, %u)
%l = LeakyRelu(%e) alpha=0.1
%v = QuantizeLinear(%l, %s, %z)
output %v
)"),
                 "ql.Quantize ql.Lut ql.Lut");
}

// Scales and zero points of each channel, in front of the function and behind it: a table for each channel.
TEST(IntegerLut, TablesOfChannels) {
  expect_integer(R"(graph "g"
input %x: f32[1,3,4,5]
const %s: f32[] = {0.05}
const %z: u8[] = {128}
const %a: f32[3] = {0.01, 0.05, 0.2}
const %az: u8[3] = {128, 7, 200}
const %b: f32[3] = {0.02, 0.04, 0.1}
const %bz: u8[3] = {90, 10, 128}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %a, %az) axis=1
%sig = Sigmoid(%d)
%f = Mul(%sig, %d)
%y = QuantizeLinear(%f, %b, %bz) axis=1
%e = DequantizeLinear(%y, %s, %z)
%l = Tanh(%e)
%v = QuantizeLinear(%l, %b, %bz) axis=1
output %v
)",
                 "ql.Quantize ql.Lut ql.Lut");
}

// Parameters written for each channel that are all equal are the ones of the whole value.
TEST(IntegerLut, EqualParametersOfChannels) {
  const char* kParameters = R"(graph "g"
input %x: f32[1,3,4,5]
const %s: f32[3] = {0.05,0.05,0.05}
const %z: u8[3] = {128,128,128}
const %sz: s8[3] = {-8,-8,-8}
)";
  expect_integer(cat(kParameters, R"(
%q = QuantizeLinear(%x, %s, %z) axis=1
%d = DequantizeLinear(%q, %s, %z) axis=1
%f = Sigmoid(%d)
%y = QuantizeLinear(%f, %s, %z) axis=1
output %y
)"),
                 "ql.Quantize ql.Lut");
  expect_integer(cat(kParameters, R"(
%q = QuantizeLinear(%x, %s, %z) axis=1
%d = DequantizeLinear(%q, %s, %z) axis=1
%m = Transpose(%d) perm=[0,2,3,1]
%y = QuantizeLinear(%m, %s, %z) axis=3
output %y
)"),
                 "ql.Quantize Transpose");
  expect_integer(cat(kParameters, R"(
%q = QuantizeLinear(%x, %s, %sz) axis=1
%m = Transpose(%q) perm=[0,2,1,3]
%n = Transpose(%m) perm=[0,2,1,3]
%y = DequantizeLinear(%n, %s, %sz) axis=1
output %y
)"),
                 "ql.Quantize Transpose Transpose ql.Dequantize");
}

// Operators that have no integer form stay in floats between their neighbours.
TEST(IntegerEdges, SoftmaxStaysFloat) {
  expect_integer(cat(kInput, R"(
%p = Softmax(%d) axis=1
%y = QuantizeLinear(%p, %s, %zero)
output %y
)"),
                 "ql.Quantize ql.Dequantize Softmax ql.Quantize");
}

TEST(IntegerPipeline, EveryPassCanBeSwitchedOff) {
  for (uint32_t seed : {1u, 2u}) {
    Graph fp32 = simplified(seed == 1 ? random_dense_unet(op_table(), seed, {.pre_activation = true})
                                      : random_resnet(op_table(), seed));
    Graph qdq =
        quantized(fp32, profile_of(fp32, 2), {.form = seed == 1 ? QuantForm::for_quadlane : QuantForm::for_any});
    for (const Pass& pass : fuse_int8_passes()) {
      Graph after = after_passes(qdq, fuse_int8_passes(), {.disabled = {pass.name}});
      EXPECT_GT(sqnr(after, qdq, seed), 30) << pass.name;
    }
  }
}

TEST(IntegerPipeline, ReadsTheFormOfOtherTools) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    Graph fp32 = simplified(random_resnet(op_table(), seed, {.pre_activation = seed % 2 == 1}));
    Graph int8 = fused_int8(quantized(fp32, profile_of(fp32, 2), {.form = QuantForm::for_any}));
    for (NodeId id : int8.order()) {
      const Node& node = int8[id];
      EXPECT_TRUE(node.op.rfind("ql.", 0) == 0 || node.op == "MaxPool") << node.op << ' ' << node.name;
      EXPECT_NE(node.op, "ql.Dequantize") << node.name;
    }
  }
}

}  // namespace
}  // namespace quadlane
