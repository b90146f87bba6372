// Older forms of operators: what a model of that opset computes, and the canonical node it becomes.
#include <gtest/gtest.h>

#include <cmath>

#include "loader/versions.h"
#include "tests/loader/run_model.h"

namespace quadlane::testing {
namespace {

using onnx::TensorProto;

TEST(Upgrade, ClipAttributes) {
  ModelBuilder b(7);
  b.node("Clip", {"x"}, {"y"}, {attribute("min", 1.0f), attribute("max", 2.0f)});
  EXPECT_EQ(run(b, {4}).y, (Floats{1, 1, 2, 2}));
  ModelBuilder one(7);
  one.node("Clip", {"x"}, {"y"}, {attribute("max", 2.0f)});
  Loaded half = run(one, {4}, {-5, 0, 3, 9});
  EXPECT_EQ(half.y, (Floats{-5, 0, 2, 2}));
  EXPECT_EQ(half.last().input(1), kNoValue);
}

TEST(Upgrade, SqueezeAndUnsqueezeAxes) {
  ModelBuilder s(9);
  s.node("Squeeze", {"x"}, {"y"}, {attribute("axes", Ints{0, 2})});
  EXPECT_EQ(run(s, {1, 3, 1}).y_shape, (Shape{3}));
  ModelBuilder all(9);
  all.node("Squeeze", {"x"}, {"y"});
  EXPECT_EQ(run(all, {1, 3, 1}).y_shape, (Shape{3}));
  ModelBuilder u(11);
  u.node("Unsqueeze", {"x"}, {"y"}, {attribute("axes", Ints{0, -1})});
  EXPECT_EQ(run(u, {3}).y_shape, (Shape{1, 3, 1}));
}

TEST(Upgrade, SplitAttributeAndEqualParts) {
  for (int opset : {9, 11}) {
    ModelBuilder b(opset);
    b.node("Split", {"x"}, {"a", "y"}, {attribute("axis", int64_t{1}), attribute("split", Ints{1, 3})});
    Loaded l = run(b, {2, 4});
    EXPECT_EQ(l.y, (Floats{1, 2, 3, 5, 6, 7}));
    EXPECT_EQ(l.input_ints(1), (Ints{1, 3}));
  }
  for (int opset : {9, 13}) {
    ModelBuilder b(opset);
    b.node("Split", {"x"}, {"a", "y"});
    EXPECT_EQ(run(b, {4}).y, (Floats{2, 3}));
    ModelBuilder uneven(opset);
    uneven.node("Split", {"x"}, {"a", "y"}, {}, "cut").input("x", {5}).output("y");
    EXPECT_EQ(uneven.error(), "node 'cut' (Split): extent 5 cannot be split into 2 equal parts");
  }
  ModelBuilder uneven(18);
  uneven.node("Split", {"x"}, {"a", "y"}, {attribute("num_outputs", int64_t{2})});
  EXPECT_EQ(run(uneven, {5}).y, (Floats{3, 4}));
  ModelBuilder none(18);
  none.node("Split", {"x"}, {"a", "y"}, {}, "cut").input("x", {4}).output("y");
  EXPECT_EQ(none.error(), "node 'cut' (Split): has neither attribute 'num_outputs' nor input 1");
}

TEST(Upgrade, SliceAttributes) {
  ModelBuilder b(9);
  b.node("Slice", {"x"}, {"y"},
         {attribute("starts", Ints{1, -2}), attribute("ends", Ints{2, 1000}), attribute("axes", Ints{0, 1})});
  Loaded l = run(b, {2, 4});
  EXPECT_EQ(l.y, (Floats{6, 7}));
  ModelBuilder no_axes(9);
  no_axes.node("Slice", {"x"}, {"y"}, {attribute("starts", Ints{1}), attribute("ends", Ints{2})});
  EXPECT_EQ(run(no_axes, {2, 2}).y, (Floats{2, 3}));
}

TEST(Upgrade, PadAttributes) {
  ModelBuilder b(7);
  b.node("Pad", {"x"}, {"y"}, {attribute("pads", Ints{1, 2}), attribute("value", 9.0f), attribute("mode", "constant")});
  EXPECT_EQ(run(b, {2}).y, (Floats{9, 0, 1, 9, 9}));
  ModelBuilder edge(7);
  edge.node("Pad", {"x"}, {"y"}, {attribute("pads", Ints{1, 1}), attribute("mode", "edge")});
  EXPECT_EQ(run(edge, {2}, {3, 4}).y, (Floats{3, 3, 4, 4}));
}

TEST(Upgrade, PReluOfOneSlopeForEachChannel) {
  ModelBuilder b(6);
  b.floats("slope", {2}, {1, 10}).node("PRelu", {"x", "slope"}, {"y"});
  EXPECT_EQ(run(b, {1, 2, 1}, {-1, -1}).y, (Floats{-1, -10}));
  ModelBuilder later(9);
  later.floats("slope", {2}, {1, 10}).node("PRelu", {"x", "slope"}, {"y"});
  EXPECT_EQ(run(later, {1, 1, 2}, {-1, -1}).y, (Floats{-1, -10}));  // along the last axis
}

TEST(Upgrade, GroupNormalizationOfOneScaleForEachGroup) {
  ModelBuilder b(18);
  b.floats("scale", {2}, {1, 2}).floats("bias", {2}, {0, 1});
  b.node("GroupNormalization", {"x", "scale", "bias"}, {"y"},
         {attribute("num_groups", int64_t{2}), attribute("epsilon", 0.0f)});
  EXPECT_EQ(run(b, {1, 4, 1}, {1, 3, 5, 9}).y, (Floats{-1, 1, -1, 3}));
}

// What ONNX Runtime's optimizer leaves in files, as the parts it was made of.
TEST(Upgrade, FusedOperatorsBecomeTheirParts) {
  auto fused = [](const char* op, const std::vector<std::string>& inputs,
                  const std::vector<onnx::AttributeProto>& attributes) {
    ModelBuilder b(12);
    b.model.add_opset_import()->set_domain("com.microsoft");
    b.model.mutable_opset_import(1)->set_version(1);
    b.node(op, inputs, {"y"}, attributes);
    b.graph().mutable_node(0)->set_domain("com.microsoft");
    return b;
  };
  ModelBuilder conv =
      fused("FusedConv", {"x", "w", "", "z"},
            {attribute("activation", "LeakyRelu"), attribute("activation_params", Floats{0.5f})});
  conv.floats("w", {1, 1, 1, 1}, {2}).floats("z", {1, 1, 1, 3}, {-10, 1, 1});
  const Loaded c = run(conv, {1, 1, 1, 3}, {1, 2, 3});
  EXPECT_EQ(c.y, (Floats{-4, 5, 7}));
  EXPECT_EQ(c.ops(), (Strings{"Conv", "Add", "LeakyRelu"}));
  ModelBuilder product =
      fused("FusedMatMul", {"x", "k"},
            {attribute("alpha", 0.5f), attribute("transBatchA", int64_t{1}), attribute("transB", int64_t{1})});
  product.floats("k", {1, 2}, {1, 10});  // rows stand first in x [2, 3, 2]: batches of 2 x 2
  EXPECT_EQ(run(product, {2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}).y,
            (Floats{10.5f, 43.5f, 21.5f, 54.5f, 32.5f, 65.5f}));
  ModelBuilder skip = fused("SkipLayerNormalization", {"x", "s", "g", "b"}, {attribute("epsilon", 0.0f)});
  skip.floats("s", {1, 1, 2}, {1, 3}).floats("g", {2}, {2, 2}).floats("b", {2}, {1, 0});
  EXPECT_EQ(run(skip, {1, 1, 2}, {0, 0}).y, (Floats{-1, 2}));
  ModelBuilder old(11);  // in the standard domain, before it was there
  old.node("LayerNormalization", {"x", "g"}, {"y"}, {attribute("epsilon", 0.0f)}).floats("g", {2}, {1, 1});
  EXPECT_EQ(run(old, {1, 2}, {1, 3}).y, (Floats{-1, 1}));
}

// Two positions of two heads: the first sees itself alone, the second both.
TEST(Upgrade, AttentionBecomesItsParts) {
  ModelBuilder b(23);
  b.node("Attention", {"x", "x", "x"}, {"y"},
         {attribute("q_num_heads", int64_t{2}), attribute("kv_num_heads", int64_t{2}),
          attribute("is_causal", int64_t{1}), attribute("scale", 0.5f)});
  const Floats x{1, 2, -1, 0.5f, 0.25f, -1, 3, 2};
  const Loaded l = run(b, {1, 2, 4}, x);
  ASSERT_EQ(l.y_shape, (Shape{1, 2, 4}));
  for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(l.y[i], x[i]);
  for (size_t h = 0; h < 4; h += 2) {
    auto dot = [&](size_t at) { return 0.5f * (x[4 + h] * x[at] + x[5 + h] * x[at + 1]); };
    const float first = 1 / (1 + std::exp(dot(4 + h) - dot(h)));
    for (size_t i = h; i < h + 2; ++i) EXPECT_NEAR(l.y[4 + i], first * x[i] + (1 - first) * x[4 + i], 1e-6);
  }
  ModelBuilder cached(23);
  cached.node("Attention", {"x", "x", "x", "", "x", "x"}, {"y"}, {}, "cached").input("x", {1, 1, 2, 4}).output("y");
  EXPECT_EQ(cached.error(), "node 'cached' (Attention): input 4: a cache of earlier positions is not supported");
}

TEST(Upgrade, GridSampleAndRoiAlignOfOlderOpsets) {
  ModelBuilder b(16);
  b.floats("grid", {1, 1, 1, 2}, {0, 0}).node("GridSample", {"x", "grid"}, {"y"}, {attribute("mode", "bilinear")});
  EXPECT_EQ(run(b, {1, 1, 2, 2}, {1, 2, 3, 6}).y, (Floats{3}));
  ModelBuilder roi(10);
  roi.floats("rois", {1, 4}, {0, 0, 2, 2}).ints("image", {0});
  roi.node("RoiAlign", {"x", "rois", "image"}, {"y"}, {attribute("sampling_ratio", int64_t{1})});
  EXPECT_EQ(run(roi, {1, 1, 3, 3}).y, (Floats{4}));  // not shifted: the centre is pixel (1, 1)
}

TEST(Upgrade, ReductionAxes) {
  for (int opset : {7, 13}) {
    ModelBuilder b(opset);
    b.node("ReduceMean", {"x"}, {"y"}, {attribute("axes", Ints{-1}), attribute("keepdims", int64_t{0})});
    EXPECT_EQ(run(b, {2, 2}).y, (Floats{0.5f, 2.5f}));
  }
  ModelBuilder sum(11);
  sum.node("ReduceSum", {"x"}, {"y"}, {attribute("axes", Ints{0})});
  EXPECT_EQ(run(sum, {2, 2}).y, (Floats{2, 4}));
  ModelBuilder all(11);
  all.node("ReduceMax", {"x"}, {"y"});
  EXPECT_EQ(run(all, {2, 2}).y_shape, (Shape{1, 1}));
}

// Rows of the flattened matrix sum to 1.
TEST(Upgrade, SoftmaxOfAMatrix) {
  ModelBuilder b(11);
  b.node("Softmax", {"x"}, {"y"}, {attribute("axis", int64_t{1})}, "soft");
  Loaded l = run(b, {2, 2, 3});
  EXPECT_EQ(l.ops(), (Strings{"Flatten", "Softmax", "Reshape"}));
  EXPECT_EQ(l.y_shape, (Shape{2, 2, 3}));
  for (size_t row = 0; row < 2; ++row) {
    float sum = 0;
    for (size_t i = 0; i < 6; ++i) sum += l.y[6 * row + i];
    EXPECT_NEAR(sum, 1, 1e-6);
  }
  EXPECT_NEAR(l.y[5] / l.y[0], std::exp(5.0), 1e-2);
}

TEST(Upgrade, SoftmaxAlongOneAxisStaysOneNode) {
  struct Case {
    Shape shape;
    int64_t axis;  // in the file; 99: absent
    int64_t canonical;
  };
  for (const Case& c : {Case{{1, 5, 1, 1}, 1, 1}, Case{{2, 5}, 99, 1}, Case{{2, 3, 4}, -1, 2}, Case{{3, 1, 4}, 1, 2}}) {
    ModelBuilder b(11);
    std::vector<onnx::AttributeProto> attributes;
    if (c.axis != 99) attributes.push_back(attribute("axis", c.axis));
    b.node("LogSoftmax", {"x"}, {"y"}, attributes);
    Loaded l = run(b, c.shape);
    EXPECT_EQ(l.ops(), Strings{"LogSoftmax"}) << to_string(c.shape);
    EXPECT_EQ(l.last().attrs.int_or("axis", -9), c.canonical) << to_string(c.shape);
  }
  ModelBuilder modern(13);
  modern.node("Softmax", {"x"}, {"y"});
  Loaded l = run(modern, {2, 3});
  EXPECT_FALSE(l.last().attrs.has("axis"));  // the last one, by default
}

TEST(Upgrade, UpsampleBecomesResize) {
  for (int opset : {7, 9}) {
    ModelBuilder b(opset);
    if (opset == 7) {
      b.node("Upsample", {"x"}, {"y"}, {attribute("scales", Floats{1, 1, 1, 2}), attribute("mode", "nearest")});
    } else {
      b.floats("s", {4}, {1, 1, 1, 2}).node("Upsample", {"x", "s"}, {"y"}, {attribute("mode", "nearest")});
    }
    Loaded l = run(b, {1, 1, 1, 3});
    EXPECT_EQ(l.ops(), Strings{"Resize"});
    EXPECT_EQ(l.y, (Floats{0, 0, 1, 1, 2, 2}));
  }
  ModelBuilder linear(9);
  linear.floats("s", {4}, {1, 1, 1, 2}).node("Upsample", {"x", "s"}, {"y"}, {attribute("mode", "linear")});
  EXPECT_EQ(run(linear, {1, 1, 1, 3}).y, (Floats{0, 0.5f, 1, 1.5f, 2, 2}));
}

TEST(Upgrade, Resize10) {
  ModelBuilder up(10);
  up.floats("s", {4}, {1, 1, 1, 1.5f}).node("Resize", {"x", "s"}, {"y"});
  EXPECT_EQ(run(up, {1, 1, 1, 4}).y, (Floats{0, 0, 1, 2, 2, 3}));  // floor(i / 1.5)
  ModelBuilder down(10);
  down.floats("s", {4}, {1, 1, 1, 0.6f}).node("Resize", {"x", "s"}, {"y"});
  EXPECT_EQ(run(down, {1, 1, 1, 4}).y, (Floats{0, 2}));  // ceil(i / 0.6)
  ModelBuilder both(10);
  both.floats("s", {4}, {1, 1, 2, 0.5f})
      .node("Resize", {"x", "s"}, {"y"}, {}, "r")
      .input("x", {1, 1, 4, 4})
      .output("y");
  EXPECT_EQ(both.error(), "node 'r' (Resize): enlarges one axis and reduces another in nearest mode");
}

TEST(Upgrade, Resize11) {
  // Empty roi and scales stand for absent ones.
  ModelBuilder b(11);
  b.floats("roi", {0}, {}).floats("scales", {0}, {}).ints("sizes", {1, 1, 1, 4});
  b.node("Resize", {"x", "roi", "scales", "sizes"}, {"y"},
         {attribute("mode", "nearest"), attribute("coordinate_transformation_mode", "asymmetric"),
          attribute("nearest_mode", "floor")});
  Loaded l = run(b, {1, 1, 1, 2});
  EXPECT_EQ(l.y, (Floats{0, 0, 1, 1}));
  EXPECT_EQ(l.last().input(1), kNoValue);
  EXPECT_EQ(l.last().input(2), kNoValue);
  // TensorFlow's exporter: floor((i + 0.5) / scale).
  ModelBuilder tf(11);
  tf.floats("roi", {0}, {}).floats("scales", {4}, {1, 1, 1, 0.5f});
  tf.node("Resize", {"x", "roi", "scales"}, {"y"},
          {attribute("mode", "nearest"), attribute("coordinate_transformation_mode", "tf_half_pixel_for_nn"),
           attribute("nearest_mode", "floor")});
  EXPECT_EQ(run(tf, {1, 1, 1, 6}).y, (Floats{1, 3, 5}));
}

// (i + 0.5) / scale = 0.75, 2.25, 3.75, 5.25, as ONNX Runtime rounds them.
TEST(Upgrade, TensorFlowsHalfPixels) {
  auto resized = [](const char* mode, const char* rounding) {
    ModelBuilder b(11);
    b.floats("none", {0}, {}).ints("sizes", {1, 1, 1, 4});
    b.node("Resize", {"x", "none", "none", "sizes"}, {"y"},
           {attribute("mode", mode), attribute("coordinate_transformation_mode", "tf_half_pixel_for_nn"),
            attribute("nearest_mode", rounding)});
    return run(b, {1, 1, 1, 6}).y;
  };
  EXPECT_EQ(resized("nearest", "floor"), (Floats{0, 2, 3, 5}));
  EXPECT_EQ(resized("nearest", "ceil"), (Floats{1, 3, 4, 5}));
  EXPECT_EQ(resized("nearest", "round_prefer_floor"), (Floats{1, 2, 4, 5}));
  EXPECT_EQ(resized("nearest", "round_prefer_ceil"), (Floats{1, 2, 4, 5}));
  EXPECT_EQ(resized("linear", "round_prefer_floor"), (Floats{0.75f, 2.25f, 3.75f, 5}));
}

TEST(Upgrade, Resize18Axes) {
  ModelBuilder b(18);
  b.ints("sizes", {2, 4});
  b.node("Resize", {"x", "", "", "sizes"}, {"y"}, {attribute("axes", Ints{-2, 3}), attribute("mode", "nearest")});
  Loaded l = run(b, {1, 1, 1, 2});
  EXPECT_EQ(l.y_shape, (Shape{1, 1, 2, 4}));
  EXPECT_EQ(l.input_ints(3), (Ints{1, 1, 2, 4}));
  EXPECT_FALSE(l.last().attrs.has("axes"));
}

TEST(Upgrade, BatchNormalization) {
  auto model = [](int opset, std::vector<onnx::AttributeProto> attributes, std::vector<std::string> outputs) {
    ModelBuilder b(opset);
    for (const char* name : {"s", "b", "m", "v"}) b.floats(name, {2}, {1, 2});
    b.node("BatchNormalization", {"x", "s", "b", "m", "v"}, std::move(outputs), std::move(attributes), "bn");
    return b;
  };
  ModelBuilder old = model(7, {attribute("spatial", int64_t{1}), attribute("momentum", 0.9f)}, {"y", "mean", "var"});
  Loaded l = run(old, {1, 2, 1});
  EXPECT_EQ(l.last().outputs.size(), 1u);
  EXPECT_FALSE(l.last().attrs.has("spatial"));
  ModelBuilder flat = model(7, {attribute("spatial", int64_t{0})}, {"y"});
  flat.input("x", {1, 2, 1}).output("y");
  EXPECT_EQ(flat.error(), "node 'bn' (BatchNormalization): attribute 'spatial' is 0, only 1 is supported");
  ModelBuilder training = model(15, {attribute("training_mode", int64_t{1})}, {"y"});
  training.input("x", {1, 2, 1}).output("y");
  EXPECT_EQ(training.error(), "node 'bn' (BatchNormalization): attribute 'training_mode' is 1, only 0 is supported");
  ModelBuilder statistics = model(9, {}, {"y", "mean"});
  statistics.input("x", {1, 2, 1}).output("y").output("mean");
  EXPECT_EQ(statistics.error(),
            "node 'bn' (BatchNormalization): output 1 'mean' is read, outputs for training are not supported");
}

TEST(Upgrade, DropoutIsIdentity) {
  for (int opset : {7, 10}) {
    ModelBuilder b(opset);
    b.node("Dropout", {"x"}, {"y", "mask"}, {attribute("ratio", 0.5f)});
    Loaded l = run(b, {3});
    EXPECT_EQ(l.ops(), Strings{"Identity"});
    EXPECT_EQ(l.y, (Floats{0, 1, 2}));
  }
  ModelBuilder b(13);
  b.floats("r", {}, {0.5f}).initializer<uint8_t>("t", {}, {0}, TensorProto::BOOL);
  b.node("Dropout", {"x", "r", "t"}, {"y"});
  EXPECT_EQ(run(b, {3}).ops(), Strings{"Identity"});
  ModelBuilder training(13);
  training.floats("r", {}, {0.5f}).initializer<uint8_t>("t", {}, {1}, TensorProto::BOOL).input("x", {3}).output("y");
  training.node("Dropout", {"x", "r", "t"}, {"y"}, {}, "drop");
  EXPECT_EQ(training.error(),
            "node 'drop' (Dropout): training mode is not known to be false, only inference is supported");
}

TEST(Upgrade, ConstantsOfEveryKind) {
  struct Case {
    onnx::AttributeProto attribute;
    Floats expected;
    Shape shape;
  };
  for (const Case& c : {Case{attribute("value", tensor_proto<float>(TensorProto::FLOAT, {2}, {3, 4})), {3, 5}, {2}},
                        Case{attribute("value_float", 3.0f), {3, 4}, {2}},
                        Case{attribute("value_floats", Floats{5, 6}), {5, 7}, {2}}}) {
    ModelBuilder b(13);
    b.node("Constant", {}, {"c"}, {c.attribute}).node("Add", {"x", "c"}, {"y"});
    EXPECT_EQ(run(b, {2}).y, c.expected) << c.attribute.name();
  }
  for (bool list : {false, true}) {
    ModelBuilder b(13);
    b.node("Constant", {}, {"c"}, {list ? attribute("value_ints", Ints{-1}) : attribute("value_int", int64_t{1})});
    b.node(list ? "Reshape" : "Gather", {"x", "c"}, {"y"});
    EXPECT_EQ(run(b, {2, 2}).y, list ? (Floats{0, 1, 2, 3}) : (Floats{2, 3}));
  }
  ModelBuilder strings(13);
  strings.node("Constant", {}, {"c"}, {attribute("value_string", "a")}, "c").node("Add", {"x", "c"}, {"y"});
  strings.input("x", {1}).output("y");
  EXPECT_EQ(strings.error(),
            "node 'c' (Constant): attribute 'value_string' is unknown or of another kind than its name says");
}

TEST(Upgrade, BroadcastAttributes) {
  ModelBuilder b(6);
  b.floats("c", {2}, {10, 20})
      .node("Add", {"x", "c"}, {"y"}, {attribute("broadcast", int64_t{1}), attribute("axis", int64_t{1})});
  EXPECT_EQ(run(b, {1, 2, 2}).y, (Floats{10, 11, 22, 23}));
  ModelBuilder unequal(6);
  unequal.floats("c", {1}, {10}).node("Add", {"x", "c"}, {"y"}, {}, "add").input("x", {2}).output("y");
  EXPECT_EQ(unequal.error(), "node 'add' (Add): inputs are [2] and [1] without broadcasting");
}

TEST(Upgrade, GemmBroadcastAndOptionalC) {
  ModelBuilder b(6);
  b.floats("w", {2, 1}, {1, 1}).floats("c", {1}, {5});
  b.node("Gemm", {"x", "w", "c"}, {"y"}, {attribute("broadcast", int64_t{1})});
  EXPECT_EQ(run(b, {1, 2}).y, (Floats{6}));
  ModelBuilder without(11);
  without.floats("w", {2, 1}, {1, 1}).node("Gemm", {"x", "w"}, {"y"});
  EXPECT_EQ(run(without, {1, 2}).y, (Floats{1}));
}

TEST(Upgrade, MaxPoolIndices) {
  ModelBuilder b(8);
  b.node("MaxPool", {"x"}, {"y", "indices"},
         {attribute("kernel_shape", Ints{2}), attribute("storage_order", int64_t{1})}, "pool");
  Loaded unread = run(b, {1, 1, 3});
  EXPECT_EQ(unread.y, (Floats{1, 2}));
  EXPECT_EQ(unread.last().outputs.size(), 1u);
  ModelBuilder both(8);
  both.node("MaxPool", {"x"}, {"best", "indices"},
            {attribute("kernel_shape", Ints{2, 1}), attribute("storage_order", int64_t{1})});
  both.node("Cast", {"indices"}, {"y"}, {attribute("to", int64_t{TensorProto::FLOAT})});
  EXPECT_EQ(run(both, {1, 1, 2, 2}, {1, 4, 3, 2}).y, (Floats{1, 2}));  // columns are contiguous
}

TEST(Upgrade, CastLike) {
  ModelBuilder b(15);
  b.floats("like", {1}, {0}).node("Cast", {"x"}, {"i"}, {attribute("to", int64_t{TensorProto::INT32})});
  b.node("CastLike", {"i", "like"}, {"y"});
  Loaded l = run(b, {2}, {1.75f, -1.75f});
  EXPECT_EQ(l.y, (Floats{1, -1}));
  EXPECT_EQ(l.ops(), (Strings{"Cast", "Cast"}));
}

TEST(Upgrade, ShapeParts) {
  ModelBuilder b(15);
  b.node("Shape", {"x"}, {"s"}, {attribute("start", int64_t{-2}), attribute("end", int64_t{9})});
  b.node("Cast", {"s"}, {"f"}, {attribute("to", int64_t{TensorProto::FLOAT})});
  b.node("ReduceSum", {"x"}, {"sum"}, {attribute("keepdims", int64_t{0})}).node("Add", {"f", "sum"}, {"y"});
  EXPECT_EQ(run(b, {1, 2, 3}, Floats(6, 0)).y, (Floats{2, 3}));
}

// Values as ONNX Runtime 1.30 gives them: saturated to 4 bits, in the file's own type again behind DequantizeLinear.
TEST(Upgrade, QuantizeToFourBits) {
  constexpr int kUint4 = 21, kInt4 = 22;
  for (int type : {kUint4, kInt4})
    for (bool named : {false, true}) {
      ModelBuilder b(21);
      b.floats("s", {}, {0.5f});
      std::vector<std::string> parameters{"s"};
      std::vector<onnx::AttributeProto> attributes;
      if (named) {
        attributes = {attribute("output_dtype", int64_t{type})};
      } else {
        b.initializer<uint8_t>("z", {}, {3}, type);
        parameters.push_back("z");
      }
      auto with = [&](const char* first) {
        std::vector<std::string> all{first};
        all.insert(all.end(), parameters.begin(), parameters.end());
        return all;
      };
      b.node("QuantizeLinear", with("x"), {"q"}, attributes).node("DequantizeLinear", with("q"), {"y"});
      const float zero = named ? 0 : 3, lo = type == kInt4 ? -8 : 0, hi = type == kInt4 ? 7 : 15;
      EXPECT_EQ(run(b, {4}, {-100, -0.7f, 1.5f, 100}).y,
                (Floats{(lo - zero) / 2, std::max(-0.5f, (lo - zero) / 2), 1.5f, (hi - zero) / 2}));
    }
}

TEST(Upgrade, EveryOperatorOfTheTableHasAHistory) {
  for (const OpDef& def : op_table().all()) {
    if (def.name.substr(0, 3) == "ql.") continue;
    ModelBuilder b(kNewestOpset);
    b.input("x", {1}).node(std::string(def.name), {"x"}, {"y"}).output("y");
    EXPECT_EQ(b.error().find("of domain 'ai.onnx'"), std::string::npos) << b.error();
  }
}

}  // namespace
}  // namespace quadlane::testing
