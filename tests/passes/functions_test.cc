// Patterns of activations, channel permutations and normalizations as exporters write them.
#include "graph/passes/conv_node.h"
#include "tests/passes/pass_check.h"

namespace quadlane {
namespace {

class Builder : public RandomBuilder {
 public:
  Builder() : RandomBuilder(op_table(), 5) {}
  ValueId x = input({2, 6, 4, 4});
  ValueId number(float v) { return graph.add_constant("", Tensor::scalar<float>(v)); }
  ValueId ints(std::vector<int64_t> v) {
    return graph.add_constant("", Tensor::from<int64_t>({static_cast<int64_t>(v.size())}, v));
  }
  ValueId reshape(ValueId v, Shape shape) { return op("Reshape", {v, ints(shape)}); }
  ValueId transpose(ValueId v, std::vector<int64_t> perm) {
    Attrs attrs;
    attrs.set("perm", perm);
    return op("Transpose", {v}, attrs);
  }
  // The operators after all simplifications and the fusion of `pass`; the results must be the same.
  std::string after(ValueId y, std::string_view pass = {}) {
    graph.set_outputs({y});
    Graph rewritten = after_passes(graph, simplify_passes());
    if (!pass.empty()) rewritten = after_pass(rewritten, pass);
    EXPECT_LT(f32_difference(rewritten, graph), 1e-5) << print(rewritten);
    return ops_of(rewritten);
  }
};

TEST(FuseSwish, WithAndWithoutAFactor) {
  Builder b;
  EXPECT_EQ(b.after(b.op("Mul", {b.op("Sigmoid", {b.x}), b.x}), "fuse_swish"), "Swish");
  Builder c;
  EXPECT_EQ(c.after(c.op("Mul", {c.x, c.op("Sigmoid", {c.op("Mul", {c.x, c.number(1.7f)})})}), "fuse_swish"), "Swish");
  Builder other;
  EXPECT_EQ(other.after(other.op("Mul", {other.x, other.op("Sigmoid", {other.op("Abs", {other.x})})}), "fuse_swish"),
            "Abs Sigmoid Mul");
}

TEST(FuseHardSwish, InEveryOrder) {
  auto clip = [](Builder& b) { return b.op("Clip", {b.op("Add", {b.x, b.number(3)}), b.number(0), b.number(6)}); };
  Builder a, b, c, d, e;
  EXPECT_EQ(a.after(a.op("Div", {a.op("Mul", {a.x, clip(a)}), a.number(6)})), "HardSwish");
  EXPECT_EQ(b.after(b.op("Mul", {b.op("Mul", {clip(b), b.number(1.0f / 6)}), b.x})), "HardSwish");
  EXPECT_EQ(c.after(c.op("Div", {clip(c), c.number(6)})), "HardSigmoid");
  Attrs sixth;
  sixth.set("alpha", 1.0f / 6);
  EXPECT_EQ(d.after(d.op("Mul", {d.op("HardSigmoid", {d.x}, sixth), d.x})), "HardSwish");
  EXPECT_EQ(e.after(e.op("Mul", {e.op("HardSigmoid", {e.x}), e.x})), "HardSigmoid Mul");  // alpha is 0.2
}

TEST(FuseGelu, ByErfAndByTanh) {
  Builder a;
  ValueId erf = a.op("Add", {a.op("Erf", {a.op("Div", {a.x, a.number(1.41421356f)})}), a.number(1)});
  EXPECT_EQ(a.after(a.op("Mul", {a.op("Mul", {a.x, erf}), a.number(0.5f)})), "Gelu");
  Builder b;
  ValueId half = b.op("Mul", {b.x, b.number(0.5f)});
  ValueId cubic = b.op("Add", {b.x, b.op("Mul", {b.op("Pow", {b.x, b.number(3)}), b.number(0.044715f)})});
  ValueId tanh = b.op("Tanh", {b.op("Mul", {cubic, b.number(0.79788456f)})});
  EXPECT_EQ(b.after(b.op("Mul", {half, b.op("Add", {tanh, b.number(1)})})), "Gelu");
}

TEST(FuseMish, FromItsParts) {
  Builder a, b;
  EXPECT_EQ(a.after(a.op("Mul", {a.x, a.op("Tanh", {a.op("Softplus", {a.x})})})), "Mish");
  ValueId softplus = b.op("Log", {b.op("Add", {b.op("Exp", {b.x}), b.number(1)})});
  EXPECT_EQ(b.after(b.op("Mul", {b.op("Tanh", {softplus}), b.x})), "Mish");
}

TEST(ChannelShuffle, IsAGather) {
  Builder b;
  ValueId y = b.transpose(b.reshape(b.x, {2, 2, 3, 4, 4}), {0, 2, 1, 3, 4});
  EXPECT_EQ(b.after(b.reshape(y, {2, 6, 4, 4})), "Gather");
}

TEST(PixelShuffle, BothWays) {
  auto deep = [](Builder& b) { return b.conv(b.x, 12, 1); };
  Builder a, b, c, d;
  EXPECT_EQ(a.after(a.reshape(a.transpose(a.reshape(deep(a), {2, 3, 2, 2, 4, 4}), {0, 1, 4, 2, 5, 3}), {2, 3, 8, 8})),
            "Conv DepthToSpace");
  EXPECT_EQ(b.after(b.reshape(b.transpose(b.reshape(deep(b), {2, 2, 2, 3, 4, 4}), {0, 3, 4, 1, 5, 2}), {2, 3, 8, 8})),
            "Conv DepthToSpace");
  EXPECT_EQ(c.after(c.reshape(c.transpose(c.reshape(c.x, {2, 6, 2, 2, 2, 2}), {0, 3, 5, 1, 2, 4}), {2, 24, 2, 2})),
            "SpaceToDepth");
  EXPECT_EQ(d.after(d.reshape(d.transpose(d.reshape(d.x, {2, 6, 2, 2, 2, 2}), {0, 1, 3, 5, 2, 4}), {2, 24, 2, 2})),
            "SpaceToDepth Gather");
}

TEST(ReduceToPool, KeepsOrDropsItsAxes) {
  Builder a, b;
  Attrs drop;
  drop.set("keepdims", int64_t{0});
  EXPECT_EQ(a.after(a.op("ReduceMean", {a.x, a.ints({2, 3})})), "GlobalAveragePool");
  EXPECT_EQ(b.after(b.op("ReduceMax", {b.x, b.ints({-1, -2})}, drop)), "GlobalMaxPool Reshape");
}

TEST(IntegerPRelu, KeepsASlopeForEachChannel) {
  Builder b;
  auto byte = [&](uint8_t v) { return b.graph.add_constant("", Tensor::scalar<uint8_t>(v)); };
  ValueId q = b.op("QuantizeLinear", {b.x, b.number(0.02f), byte(100)});
  ValueId real = b.op("DequantizeLinear", {q, b.number(0.02f), byte(100)});
  ValueId y = b.op("PRelu", {real, b.constant({6, 1, 1}, 0, 1)});
  b.graph.set_outputs({b.op("QuantizeLinear", {y, b.number(0.015f), byte(30)})});
  Graph rewritten = after_pass(b.graph, "integer_prelu");
  EXPECT_EQ(ops_of(rewritten), "QuantizeLinear ql.PRelu") << print(rewritten);
  EXPECT_LT(f32_difference(rewritten, b.graph), 1.5 / 256);  // a level: the quotient of the scales is rounded once
}

TEST(GroupNorm, TakesScaleAndBias) {
  Builder b;
  auto floats = [&](Shape shape, std::vector<float> v) {
    return b.graph.add_constant("", Tensor::from<float>(shape, v));
  };
  ValueId y =
      b.op("InstanceNormalization", {b.reshape(b.x, {2, 3, 32}), floats({3}, {1, 2, 3}), floats({3}, {0, 1, -1})});
  y = b.op("Mul", {b.reshape(y, {2, 6, 4, 4}), floats({6, 1, 1}, {1, 2, 3, 4, 5, 6})});
  y = b.op("Add", {y, floats({6, 1, 1}, {-1, 0, 1, 2, 3, 4})});
  b.graph.set_outputs({y});
  Graph once = after_passes(b.graph, simplify_passes()),
        twice = after_pass(after_pass(once, "group_norm"), "group_norm");
  EXPECT_EQ(ops_of(twice), "GroupNormalization") << print(twice);
  EXPECT_LT(f32_difference(twice, b.graph), 1e-5);
}

// Dequantized behind the Reshape.
TEST(GroupNorm, OfBytes) {
  Builder b;
  auto byte = [&](uint8_t v) { return b.graph.add_constant("", Tensor::scalar<uint8_t>(v)); };
  ValueId q = b.op("QuantizeLinear", {b.x, b.number(0.02f), byte(100)});
  ValueId x = b.op("DequantizeLinear", {b.reshape(q, {2, 3, 32}), b.number(0.02f), byte(100)});
  x = b.op("InstanceNormalization", {x, b.constant({3}, 1, 2), b.constant({3}, -1, 1)});
  b.graph.set_outputs({b.reshape(x, {2, 6, 4, 4})});
  Graph rewritten = after_pass(b.graph, "group_norm");
  EXPECT_EQ(ops_of(rewritten), "QuantizeLinear DequantizeLinear GroupNormalization") << print(rewritten);
  EXPECT_LT(f32_difference(rewritten, b.graph), 1e-5);
}

TEST(RareAsParts, SumsPoolsAndTriangles) {
  auto attrs = [](std::initializer_list<std::pair<const char*, Attr>> list) {
    Attrs all;
    for (const auto& [name, value] : list) all.set(name, value);
    return all;
  };
  using Ints = std::vector<int64_t>;
  Builder a, b, c, d, e, f, g, h, i, j;
  EXPECT_EQ(a.after(a.op("ReduceLogSum", {a.op("Abs", {a.x}), a.ints({1})}), "rare_as_parts"), "Abs ReduceSum Log");
  EXPECT_EQ(b.after(b.op("ReduceLogSumExp", {b.x, b.ints({2, 3})}, attrs({{"keepdims", int64_t{0}}})), "rare_as_parts"),
            "ReduceMax Clip ReduceMax Clip Sub Exp ReduceSum Log Add");
  EXPECT_EQ(c.after(c.op("GlobalLpPool", {c.x}), "rare_as_parts"), "ReduceL2");
  EXPECT_EQ(h.after(h.op("LpNormalization", {h.x}), "rare_as_parts"), "ReduceL2 Clip Div");
  EXPECT_EQ(
      i.after(i.op("LpNormalization", {i.op("Sub", {i.x, i.x})}, attrs({{"p", int64_t{1}}, {"axis", int64_t{2}}})),
              "rare_as_parts"),
      "Sub ReduceL1 Clip Div");  // norms of 0
  EXPECT_EQ(j.after(j.op("LpNormalization", {j.op("Abs", {j.x})}, attrs({{"axis", int64_t{1}}})), "rare_as_parts"),
            "Abs LpNormalization");
  const Attrs window = attrs({{"kernel_shape", Ints{3, 2}}, {"pads", Ints{1, 0, 1, 1}}, {"strides", Ints{2, 1}}});
  EXPECT_EQ(d.after(d.op("LpPool", {d.x}, window), "rare_as_parts"), "Mul AveragePool Mul Sqrt");
  Attrs magnitudes = window;
  magnitudes.set("p", int64_t{1});
  EXPECT_EQ(e.after(e.op("LpPool", {e.x}, magnitudes), "rare_as_parts"), "Abs AveragePool Mul");
  EXPECT_EQ(f.after(f.op("Trilu", {f.x, f.ints({1})}), "rare_as_parts"), "Where");
  EXPECT_EQ(g.after(g.op("Trilu", {g.x}, attrs({{"upper", int64_t{0}}})), "rare_as_parts"), "Where");
}

// Infinities subtract to no number.
TEST(RareAsParts, LogSumExpOfInfinities) {
  const Graph g = parsed(R"(graph "g"
input %x: f32[4,2]
const %axes: s64[1] = {1}
%y = ReduceLogSumExp(%x, %axes)
output %y
)");
  const float most = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>({4, 2}, {-most, -most, most, 1, most, -most, 1, -most});
  auto result = interpret(after_pass(g, "rare_as_parts"), op_table(), std::span(&x, 1));
  ASSERT_TRUE(result.ok()) << result.error().text();
  const float* y = (*result)[0].as<float>();
  EXPECT_EQ(std::vector<float>(y, y + 4), (std::vector<float>{-most, most, most, 1}));
}

// A Clip with a bound that only a run knows leaves no half of itself.
TEST(PreActivation, NeedsBothBounds) {
  const Graph g = parsed(R"(graph "g"
input %x: f32[1,3,4,4]
input %hi: f32[]
const %zero: f32[] = {0.0}
%y = Clip(%x, %zero, %hi)
output %y
)");
  const PreActivation p = pre_activation(g, g.outputs()[0]);
  EXPECT_EQ(p.x, g.outputs()[0]);
  EXPECT_FALSE(p.clamps);
  EXPECT_LT(p.lo, 0);
}

}  // namespace
}  // namespace quadlane
