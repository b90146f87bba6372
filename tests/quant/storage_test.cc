// Which values are stored as bytes, how, and with what ranges.
#include "graph/quant/storage.h"

#include "graph/quant/scales.h"
#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

struct Planned {
  Graph graph;
  StoragePlan plan;
  QuantReport report;

  const Source& source(std::string_view name) const {
    for (const Source& s : plan.sources)
      if (graph[s.value].name == name) return s;
    ADD_FAILURE() << name << " is no source";
    return plan.sources[0];
  }
  bool has_source(std::string_view name) const {
    for (const Source& s : plan.sources)
      if (graph[s.value].name == name) return true;
    return false;
  }
};

Planned planned(std::string_view text, const QuantPolicy& policy = {}) {
  Planned p{simplified(parsed(text)), {}, {}};
  p.plan = plan_storage(p.graph, policy, p.report);
  Status s = choose_scales(p.graph, op_table(), profile_of(p.graph, 4), policy, p.plan);
  EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().text());
  return p;
}

// conv -> BN -> ReLU -> conv, with something between the convolution and the batch norm.
std::string pre_activation_text(std::string_view between) {
  return cat(R"(graph "g"
input %x: f32[1,2,8,8]
const %w: f32[3,2,3,3] = random(1)
const %g: f32[3] = {1.0,1.0,-2.0}
const %b: f32[3] = {-0.25,0.5,0.5}
const %m: f32[3] = zeros
const %v: f32[3] = {1.0,1.0,1.0}
const %two: f32[4] = {1.0,1.0,2.0,2.0}
const %w2: f32[2,3,3,3] = random(2)
%p = Conv(%x, %w) pads=[1,1,1,1]
)",
             between, R"(
%n = BatchNormalization(%q, %g, %b, %m, %v) epsilon=0.0
%r = Relu(%n)
%y = Conv(%r, %w2) pads=[1,1,1,1]
output %y
)");
}

TEST(Storage, RangesEndAtTheThresholds) {
  Planned p = planned(pre_activation_text("%q = MaxPool(%p) kernel_shape=[2,2]"));
  const Source& s = p.source("p");
  EXPECT_TRUE(s.free);
  EXPECT_TRUE(s.per_channel);
  // t = -b / g; channel 2 is clamped from above.
  EXPECT_NEAR(s.low[0], 0.25, s.scale[0]);
  EXPECT_NEAR(s.low[1], -0.5, s.scale[1]);
  EXPECT_NEAR(s.low[2] + 255 * s.scale[2], 0.25, 20 * s.scale[2]);
  // The thresholds are whole levels: each channel has one reader.
  for (size_t c = 0; c < 3; ++c) {
    double t = c == 1 ? -0.5 : 0.25, level = (t - s.low[c]) / s.scale[c];
    EXPECT_NEAR(level, std::nearbyint(level), 0.05) << c;
  }
}

TEST(Storage, InterpolationNeedsTheWholeRange) {
  Planned p = planned(pre_activation_text("%q = Resize(%p, _, %two) mode=\"linear\""));
  const Source& s = p.source("p");
  ValueProfile seen = *profile_of(p.graph, 4).find("p");
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_LE(s.low[c], seen.min[c]);
    EXPECT_GE(s.low[c] + 255 * s.scale[c], seen.max[c]);
  }
}

TEST(Storage, ConcatPoolAndResizeWorkOnBytes) {
  Planned p = planned(R"(graph "g"
input %x: f32[1,3,8,8]
const %w: f32[4,3,3,3] = random(1)
const %w2: f32[2,7,3,3] = random(2)
const %two: f32[4] = {1.0,1.0,2.0,2.0}
%a = Conv(%x, %w) pads=[1,1,1,1]
%r = Relu(%a)
%h = Concat(%r, %x) axis=-3
%m = MaxPool(%h) kernel_shape=[2,2] strides=[2,2]
%u = Resize(%m, _, %two) mode="linear"
%y = Conv(%u, %w2) pads=[1,1,1,1]
output %y
)");
  EXPECT_EQ(p.plan.sources.size(), 2u);
  EXPECT_FALSE(p.source("r").free);  // the reader's padding is a real 0
  EXPECT_TRUE(p.source("r").per_channel);
  EXPECT_EQ(p.source("r").zero, std::vector<int32_t>(p.source("r").zero.size(), 0));
  const Stored& stored = p.plan.stored.at(p.plan.convs[1].x);
  EXPECT_EQ(stored.how, Storing::resample);
  ASSERT_EQ(stored.channels.size(), 7u);
  EXPECT_EQ(stored.channels[4].channel, 0u);  // the input's first channel stands behind the convolution's four
  EXPECT_FALSE(stored.needs_f32);
}

// A convolution applies a LeakyRelu or PRelu to its sums: what lies between is no bytes.
TEST(Storage, SlopesBelongToTheConvolution) {
  for (const char* act : {"%r = LeakyRelu(%a) alpha=0.2", "%r = PRelu(%a, %p)"}) {
    Planned p = planned(cat(R"(graph "g"
input %x: f32[1,3,8,8]
const %w: f32[3,3,3,3] = random(1)
const %p: f32[3,1,1] = {0.1,-0.2,1.5}
%a = Conv(%x, %w) pads=[1,1,1,1]
)",
                            act, R"(
%y = Conv(%r, %w) pads=[1,1,1,1]
output %y
)"));
    EXPECT_FALSE(p.has_source("a")) << act;
    EXPECT_TRUE(p.has_source("r")) << act;
    Graph int8 = fused_int8(quantized(p.graph, profile_of(p.graph, 16)));
    std::string ops;
    for (NodeId id : int8.order()) ops += int8[id].op + " ";
    EXPECT_EQ(ops, "ql.Quantize ql.Conv ql.Conv ") << act;
    EXPECT_GT(sqnr(int8, p.graph, 2), 30) << act;
  }
}

// Every function that integer_lut makes a table of is one of a stored value.
TEST(Storage, FunctionsReadBytes) {
  for (const char* function : {"Swish", "Celu", "ThresholdedRelu", "Round", "Tanh"}) {
    Planned p = planned(cat(R"(graph "g"
input %x: f32[1,3,8,8]
const %w: f32[3,3,3,3] = random(1)
%a = Conv(%x, %w) pads=[1,1,1,1]
%r = )",
                            function, R"((%a)
%y = Conv(%r, %w) pads=[1,1,1,1]
output %y
)"));
    EXPECT_TRUE(p.has_source("a")) << function;
    EXPECT_EQ(ops_of(fused_int8(quantized(p.graph, profile_of(p.graph, 4)))), "ql.Quantize ql.Conv ql.Lut ql.Conv")
        << function;
  }
}

// Hard swish is 0 below -3: bytes in front of its table need not tell -8 from -3. Above there is no such end.
TEST(Storage, TablesGetLevelsForWhatTheirFunctionTellsApart) {
  const Planned p = planned(R"(graph "g"
input %x: f32[1,2,8,8]
const %w: f32[2,2,1,1] = {20.0,0.0,0.0,0.5}
const %b: f32[2] = {-10.0,0.0}
const %w2: f32[2,2,3,3] = random(2)
%p = Conv(%x, %w, %b)
%s = HardSwish(%p)
%y = Conv(%s, %w2)
output %y
)",
                            {.headroom = {.share = 0, .lean = 0}});
  const Source& s = p.source("p");
  ASSERT_TRUE(s.per_channel);
  EXPECT_NEAR(s.low[0], -3, 0.6) << "channel 0 goes far below";
  EXPECT_GT(s.low[0] + 255 * s.scale[0], 8);
  EXPECT_GT(s.low[1], -2.5) << "channel 1 does not: its range is what was seen";
  EXPECT_LT(s.low[1], -0.3);
}

TEST(Storage, ResidualSumsHaveOneScale) {
  Planned p = planned(R"(graph "g"
input %x: f32[1,3,8,8]
const %w: f32[3,3,3,3] = random(1)
%a = Conv(%x, %w) pads=[1,1,1,1]
%r = Relu(%a)
%b = Conv(%r, %w) pads=[1,1,1,1]
%s = Add(%b, %r)
%t = Relu(%s)
%y = Conv(%t, %w) pads=[1,1,1,1]
output %y
)");
  EXPECT_FALSE(p.has_source("b"));  // goes into the sum as it is
  EXPECT_FALSE(p.source("t").per_channel);
  EXPECT_FALSE(p.source("r").per_channel);
  EXPECT_EQ(p.source("r").scale[0], p.source("r").scale[2]);
}

}  // namespace
}  // namespace quadlane
