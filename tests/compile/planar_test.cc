// What stands between convolutions stays on planes: functions, broadcasts, normalizations, moves and operators along
// channels, each behind and in front of a convolution, against the references of the same graph.
#include <gtest/gtest.h>

#include "graph/passes/pass.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"
#include "tests/support/random_graph.h"

namespace quadlane::testing {
namespace {

using Make = std::function<ValueId(RandomBuilder&, ValueId)>;

ValueId ints(RandomBuilder& b, std::vector<int64_t> v) {
  return b.graph.add_constant("", Tensor::from<int64_t>({static_cast<int64_t>(v.size())}, v));
}
ValueId number(RandomBuilder& b, float v) { return b.graph.add_constant("", Tensor::scalar<float>(v)); }
template <class T>
Attrs attr(const char* name, T value) {
  Attrs attrs;
  attrs.set(name, value);
  return attrs;
}

// conv 3x3 -> what -> conv 3x3 on [2,5,9,11], or nothing behind it.
void expect_planar(const Make& make, bool conv_behind = true, bool fuse = true) {
  RandomBuilder b(op_table(), 3);
  ValueId x = b.conv(b.input({2, 5, 9, 11}), 12, 3);
  ValueId y = make(b, x);
  if (conv_behind) y = b.conv(y, 3, 3);
  b.graph.set_outputs({y});
  ASSERT_TRUE(run_passes(b.graph, op_table(), simplify_passes()).ok());
  if (fuse) {
    ASSERT_TRUE(run_passes(b.graph, op_table(), fuse_f32_passes()).ok());
  }
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni})
    for (int threads : {1, 3}) {
      if (threads > 1 && !detect_cpu().runs(isa)) continue;  // one interpreter
      PlanCheck check;
      check.isa = isa;
      check.threads = threads;
      check.tolerance = 2e-5;
      check.expect_no_reference = true;
      EXPECT_EQ(check_plan(b.graph, check), "") << to_string(isa) << " " << threads << " threads";
    }
}

TEST(Planar, FunctionsBehindAConvolution) {
  for (const char* name : {"Sigmoid", "HardSigmoid", "HardSwish", "Mish", "Gelu", "Tanh", "Exp", "Erf", "Elu", "Selu",
                           "Celu", "Softplus", "Softsign", "Abs", "Neg", "Floor", "Ceil", "Round", "LeakyRelu"}) {
    SCOPED_TRACE(name);
    expect_planar([&](RandomBuilder& b, ValueId x) { return b.op(name, {x}); });
  }
}

TEST(Planar, Swish) {
  expect_planar([](RandomBuilder& b, ValueId x) { return b.op("Mul", {x, b.op("Sigmoid", {x})}); });
  expect_planar([](RandomBuilder& b, ValueId x) {
    x = b.op("Abs", {x});  // no convolution applies it
    return b.op("Mul", {x, b.op("Sigmoid", {x})});
  });
}

TEST(Planar, PRelu) {
  expect_planar([](RandomBuilder& b, ValueId x) { return b.op("PRelu", {x, b.constant({12, 1, 1}, 0, 1)}); });
  expect_planar([](RandomBuilder& b, ValueId x) { return b.op("PRelu", {x, b.constant({1}, 0, 1)}); });
}

TEST(Planar, SqueezeAndExcite) {
  expect_planar([](RandomBuilder& b, ValueId x) {
    ValueId gate = b.relu(b.conv(b.op("GlobalAveragePool", {x}), 4, 1));
    return b.op("Mul", {b.op("HardSigmoid", {b.conv(gate, 12, 1)}), x});
  });
}

TEST(Planar, Broadcasts) {
  for (const char* name : {"Add", "Sub", "Mul", "Div", "Min", "Max"}) {
    SCOPED_TRACE(name);
    for (Shape shape : {Shape{1, 12, 1, 1}, Shape{1, 1, 9, 11}, Shape{1, 12, 9, 11}, Shape{1, 1, 1, 1}})
      for (bool first : {false, true})
        expect_planar([&](RandomBuilder& b, ValueId x) {
          ValueId c = b.constant(shape, 0.5f, 2);
          ValueId positive = b.op("Add", {b.op("Abs", {x}), number(b, 1)});
          return first ? b.op(name, {c, positive}) : b.op(name, {positive, c});
        });
    for (bool first : {false, true})
      expect_planar([&](RandomBuilder& b, ValueId x) {
        ValueId positive = b.op("Add", {b.op("Abs", {x}), number(b, 1)});
        ValueId mask = b.op("Add", {b.op("Abs", {b.conv(x, 1, 1)}), number(b, 1)});
        return first ? b.op(name, {mask, positive}) : b.op(name, {positive, mask});
      });
  }
}

TEST(Planar, Normalizations) {
  expect_planar([](RandomBuilder& b, ValueId x) {
    return b.op("InstanceNormalization", {x, b.constant({12}, 0.5f, 2), b.constant({12}, -1, 1)});
  });
  expect_planar([](RandomBuilder& b, ValueId x) {
    ValueId y = b.op("InstanceNormalization", {x, b.constant({12}, 0.5f, 2), b.constant({12}, -1, 1)});
    return b.op("LeakyRelu", {y});
  });
  expect_planar([](RandomBuilder& b, ValueId x) {
    return b.op("GroupNormalization", {x, b.constant({12}, 0.5f, 2), b.constant({12}, -1, 1)},
                attr("num_groups", int64_t{3}));
  });
  expect_planar([](RandomBuilder& b, ValueId x) {
    return b.op("MeanVarianceNormalization", {x}, attr("axes", std::vector<int64_t>{1, 2, 3}));
  });
  expect_planar([](RandomBuilder& b, ValueId x) { return b.op("LpNormalization", {x}, attr("axis", int64_t{1})); });
}

// A channel of a volume is a group of planes.
TEST(Planar, InstanceNormalizationOfVolumes) {
  RandomBuilder b(op_table(), 6);
  const Attrs pads = attr("pads", std::vector<int64_t>(6, 1));
  ValueId x = b.op("Conv", {b.input({1, 2, 5, 6, 7}), b.constant({4, 2, 3, 3, 3}, -1, 1)}, pads);
  x = b.op("InstanceNormalization", {x, b.constant({4}, 0.5f, 2), b.constant({4}, -1, 1)});
  x = b.op("Conv", {b.op("LeakyRelu", {x}), b.constant({1, 4, 3, 3, 3}, -1, 1)}, pads);
  b.graph.set_outputs({x});
  ASSERT_TRUE(run_passes(b.graph, op_table(), simplify_passes()).ok());
  ASSERT_TRUE(run_passes(b.graph, op_table(), fuse_f32_passes()).ok());
  PlanCheck check;
  check.tolerance = 2e-5;
  check.expect_no_reference = true;
  EXPECT_EQ(check_plan(b.graph, check), "") << print(b.graph);
}

// As PyTorch writes it, for volumes and sequences, with scale and bias behind it.
TEST(Planar, GroupNormalizationOfVolumes) {
  for (const Shape& space : {Shape{5, 6, 7}, Shape{40}}) {
    RandomBuilder b(op_table(), 6);
    auto with = [&](Shape front, int64_t each = 0) {
      for (int64_t extent : space) front.push_back(each ? each : extent);
      return front;
    };
    const Attrs pads = attr("pads", std::vector<int64_t>(2 * space.size(), 1));
    ValueId x = b.op("Conv", {b.input(with({1, 2})), b.constant(with({6, 2}, 3), -1, 1)}, pads);
    x = b.op("Reshape", {x, ints(b, {1, 3, -1})});
    x = b.op("InstanceNormalization", {x, b.constant({3}, 0.5f, 2), b.constant({3}, -1, 1)});
    x = b.op("Reshape", {x, ints(b, with({1, 6}))});
    x = b.op("Mul", {x, b.constant(with({6}, 1), 0.5f, 2)});
    x = b.op("Add", {x, b.constant(with({6}, 1), -1, 1)});
    x = b.op("Conv", {b.op("Relu", {x}), b.constant(with({1, 6}, 3), -1, 1)}, pads);
    b.graph.set_outputs({x});
    ASSERT_TRUE(run_passes(b.graph, op_table(), simplify_passes()).ok());
    ASSERT_TRUE(run_passes(b.graph, op_table(), fuse_f32_passes()).ok());
    const std::string text = print(b.graph);
    EXPECT_EQ(text.find("BatchNormalization"), std::string::npos) << text;
    PlanCheck check;
    check.tolerance = 2e-5;
    check.expect_no_reference = true;
    EXPECT_EQ(check_plan(b.graph, check), "") << text;
  }
}

TEST(Planar, AlongChannels) {
  for (const char* name : {"Softmax", "LogSoftmax"})
    expect_planar([&](RandomBuilder& b, ValueId x) { return b.op(name, {x}, attr("axis", int64_t{1})); });
  for (const char* name : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"}) {
    SCOPED_TRACE(name);
    expect_planar([&](RandomBuilder& b, ValueId x) { return b.op(name, {x, ints(b, {1})}); });
    expect_planar(
        [&](RandomBuilder& b, ValueId x) {
          return b.op(name, {x, ints(b, {1})}, attr("keepdims", int64_t{0}));
        },
        false);
  }
  for (int64_t size : {1, 4, 5, 100})
    expect_planar([&](RandomBuilder& b, ValueId x) {
      Attrs attrs = attr("size", size);
      attrs.set("alpha", 0.5f), attrs.set("beta", 0.7f), attrs.set("bias", 0.9f);
      return b.op("LRN", {x}, attrs);
    });
  for (const char* name : {"ArgMax", "ArgMin"})
    for (int64_t keep : {0, 1})
      expect_planar(
          [&](RandomBuilder& b, ValueId x) {
            Attrs attrs = attr("axis", int64_t{1});
            attrs.set("keepdims", keep);
            return b.op(name, {x}, attrs);
          },
          false);
}

TEST(Planar, OverPixels) {
  for (const char* name : {"ReduceMean", "ReduceMax"})
    expect_planar([&](RandomBuilder& b, ValueId x) { return b.op(name, {x, ints(b, {2, 3})}); });
}

TEST(Planar, Moves) {
  expect_planar([](RandomBuilder& b, ValueId x) {
    return b.op("Slice", {x, ints(b, {1, 2}), ints(b, {9, 10}), ints(b, {2, 3})});
  });
  expect_planar([](RandomBuilder& b, ValueId x) {
    return b.op("Slice", {x, ints(b, {1, 0}), ints(b, {9, 100}), ints(b, {2, 3}), ints(b, {2, 2})});
  });
  for (const char* mode : {"constant", "edge", "reflect"})
    expect_planar([&](RandomBuilder& b, ValueId x) {
      x = b.op("Abs", {x});
      return b.op("Sigmoid", {b.op("Pad", {x, ints(b, {0, 0, 1, 2, 0, 0, 3, 0}), number(b, 0.5f)},
                                   attr("mode", std::string(mode)))});
    });
  expect_planar([](RandomBuilder& b, ValueId x) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < 12; ++i) order.push_back(i % 3 * 4 + i / 3);
    return b.op("Gather", {x, ints(b, order)}, attr("axis", int64_t{1}));
  });
  for (const char* mode : {"DCR", "CRD"})
    expect_planar([&](RandomBuilder& b, ValueId x) {
      Attrs attrs = attr("blocksize", int64_t{2});
      attrs.set("mode", std::string(mode));
      return b.op("DepthToSpace", {x}, attrs);
    });
  expect_planar([](RandomBuilder& b, ValueId x) {
    x = b.op("Slice", {x, ints(b, {0, 0}), ints(b, {8, 10}), ints(b, {2, 3})});
    return b.op("SpaceToDepth", {x}, attr("blocksize", int64_t{2}));
  });
}

TEST(Planar, ChannelsLastEdges) {
  RandomBuilder b(op_table(), 4);
  ValueId x = b.op("Transpose", {b.input({2, 7, 9, 3})}, attr("perm", std::vector<int64_t>{0, 3, 1, 2}));
  ValueId y = b.op("Transpose", {b.conv(x, 5, 3)}, attr("perm", std::vector<int64_t>{0, 2, 3, 1}));
  b.graph.set_outputs({y});
  ASSERT_TRUE(run_passes(b.graph, op_table(), fuse_f32_passes()).ok());
  PlanCheck check;
  check.expect_no_reference = true;
  for (int threads : {1, 2}) {
    check.threads = threads;
    EXPECT_EQ(check_plan(b.graph, check), "");
  }
}

// u8: ql.PRelu with a slope for each channel, ql.Add of one value a channel, ArgMax of bytes, moves.
TEST(Planar, Bytes) {
  Graph g;
  ValueId x = g.add_input("x", {DType::u8, {2, 7, 5, 9}});
  auto constant = [&](Tensor t) { return g.add_constant("", std::move(t)); };
  auto add = [&](Node node) {
    auto v = add_op(g, op_table(), std::move(node));
    EXPECT_TRUE(v.ok()) << (v.ok() ? "" : v.error().text());
    return v.ok() ? *v : x;
  };
  std::vector<float> below;
  for (int c = 0; c < 7; ++c) below.push_back(0.1f * static_cast<float>(c));
  Node prelu{"prelu",
             "ql.PRelu",
             {},
             {x, constant(Tensor::from<float>({1}, {0.7f})), constant(Tensor::from<float>({7}, below)),
              constant(Tensor::from<uint8_t>({1}, {100}))}};
  prelu.attrs.set("out_zero", int64_t{30});
  ValueId y = add(prelu);
  Node gather{"gather", "Gather", {}, {y, constant(Tensor::from<int64_t>({7}, {6, 0, 3, 1, 5, 2, 4}))}};
  gather.attrs.set("axis", int64_t{1});
  ValueId shuffled = add(gather);
  ValueId crop = add({"crop",
                      "Slice",
                      {},
                      {shuffled, constant(Tensor::from<int64_t>({2}, {1, 2})),
                       constant(Tensor::from<int64_t>({2}, {5, 8})), constant(Tensor::from<int64_t>({2}, {2, 3}))}});
  Node blocks{"blocks", "SpaceToDepth", {}, {crop}};
  blocks.attrs.set("blocksize", int64_t{2});
  g.set_outputs({add(blocks), shuffled});
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni}) {
    PlanCheck check;
    check.isa = isa;
    check.threads = detect_cpu().runs(isa) ? 2 : 1;
    check.expect_no_reference = true;
    EXPECT_EQ(check_plan(g, check), "");
  }
}

}  // namespace
}  // namespace quadlane::testing
