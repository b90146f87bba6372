// Classes of bugs that other engines had, each with a file that would show it here. What such a file must get is an
// error of one line, or a model that compiles; never a crash, a hang or gigabytes. See also tests/loader/
// external_data_test.cc (paths, links: CVE-2022-25882, CVE-2024-27318, CVE-2024-5187), hostile_test.cc (sizes) and
// plan_file_test.cc (offset tables).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>

#include "engine/api/engine.h"
#include "loader/save.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

using Ints = std::vector<int64_t>;
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();

struct Bug {
  const char* name;
  std::function<void(ModelBuilder&)> build;  // x f32[1,4,8,8] -> y
};
void PrintTo(const Bug& bug, std::ostream* out) { *out << bug.name; }

void conv(ModelBuilder& b, const Ints& weights, const std::vector<onnx::AttributeProto>& attributes) {
  int64_t count = 1;
  for (int64_t n : weights) count *= n;
  b.floats("w", weights, std::vector<float>(static_cast<size_t>(count), 1));
  b.node("Conv", {"x", "w"}, {"y"}, attributes);
}
void divide(ModelBuilder& b, const char* op, int64_t by, int type = onnx::TensorProto::INT64) {
  b.initializer<int64_t>("n", {2}, {kLeast, 7}, type).initializer<int64_t>("d", {2}, {by, by}, type);
  b.node(op, {"n", "d"}, {"y"});
}

const Bug kRefused[] = {
    // Indices and counts from the file (ncnn #6913, #6914, #6937; TFLite #60623).
    {"IndexBeyondTheEnd",
     [](ModelBuilder& b) {
       b.ints("i", {99}).node("Gather", {"x", "i"}, {"y"});
     }},
    {"IndexBeforeTheStart",
     [](ModelBuilder& b) {
       b.ints("i", {-99}).node("Gather", {"x", "i"}, {"y"});
     }},
    {"SplitsThatDoNotAddUp",
     [](ModelBuilder& b) {
       b.ints("s", {3, 3}).node("Split", {"x", "s"}, {"y", "z"}, {attribute("axis", int64_t{1})});
     }},
    {"NegativeRepeats",
     [](ModelBuilder& b) {
       b.ints("r", {1, -1, 1, 1}).node("Tile", {"x", "r"}, {"y"});
     }},
    {"AxisFarAway", [](ModelBuilder& b) { b.node("Softmax", {"x"}, {"y"}, {attribute("axis", kLeast)}); }},
    {"PermutationWithARepeat",
     [](ModelBuilder& b) {
       b.node("Transpose", {"x"}, {"y"}, {attribute("perm", Ints{0, 0, 1, 2})});
     }},
    // Lists and ranks that do not match (onnx #8036, ONNX Runtime #28731).
    {"KernelOfAnotherRank",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("kernel_shape", Ints{3, 3, 3})});
     }},
    {"DilationsTooShort",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("dilations", Ints{1})});
     }},
    {"PadsTooShort",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("pads", Ints{1, 1, 1})});
     }},
    {"WeightsOfAnotherRank",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3}, {});
     }},
    {"PoolOfAnotherRank",
     [](ModelBuilder& b) { b.node("MaxPool", {"x"}, {"y"}, {attribute("kernel_shape", Ints{2})}); }},
    // Division by zero (TFLite #60622, ncnn #6922).
    {"NoGroups",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("group", int64_t{0})});
     }},
    {"NoStride",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("strides", Ints{0, 1})});
     }},
    {"NoDilation",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("dilations", Ints{0, 0})});
     }},
    {"NoBlock", [](ModelBuilder& b) { b.node("SpaceToDepth", {"x"}, {"y"}, {attribute("blocksize", int64_t{0})}); }},
    {"NoKernel",
     [](ModelBuilder& b) {
       b.node("MaxPool", {"x"}, {"y"}, {attribute("kernel_shape", Ints{0, 0})});
     }},
    {"SliceWithoutStep",
     [](ModelBuilder& b) {
       b.ints("s", {0}).ints("e", {4}).ints("a", {1}).ints("t", {0}).node("Slice", {"x", "s", "e", "a", "t"}, {"y"});
     }},
    // Sums and products beyond 64 bits (onnx #8277).
    {"ShapeBeyondAll",
     [](ModelBuilder& b) {
       b.ints("s", {kMost, 2, 2}).node("Reshape", {"x", "s"}, {"y"});
     }},
    {"PadsBeyondAll",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("pads", Ints{kMost, 0, kMost, 0})});
     }},
    {"KernelBeyondAll",
     [](ModelBuilder& b) {
       conv(b, {2, 4, 3, 3}, {attribute("dilations", Ints{kMost, kMost})});
     }},
};

const Bug kAllowed[] = {
    {"LeastByMinusOne", [](ModelBuilder& b) { divide(b, "Div", -1); }},
    {"LeastModuloMinusOne", [](ModelBuilder& b) { divide(b, "Mod", -1); }},
    {"SlicesFromEndToEnd",
     [](ModelBuilder& b) {
       b.ints("s", {kMost}).ints("e", {kLeast}).ints("a", {1}).ints("t", {kLeast});
       b.node("Slice", {"x", "s", "e", "a", "t"}, {"y"});
     }},
    {"TopOfNothing",
     [](ModelBuilder& b) {
       b.ints("k", {0}).node("TopK", {"x", "k"}, {"y", "z"});
     }},
    // The optimizer on graphs that look right (ONNX Runtime #23258); found here by fuzzing: an operand left out.
    {"ResizeWithOneScaleBelowOne",
     [](ModelBuilder& b) {
       b.floats("s", {4}, {11, 1, 0.5f, 0.5f});
       b.node("Resize", {"x", "", "s"}, {"y"}, {attribute("mode", "linear")});
     }},
    {"TransposesBackAndForth",
     [](ModelBuilder& b) {
       b.node("Transpose", {"x"}, {"t"}, {attribute("perm", Ints{0, 2, 3, 1})}).node("Relu", {"t"}, {"r"});
       b.node("Transpose", {"r"}, {"u"}, {attribute("perm", Ints{0, 3, 1, 2})}).node("Add", {"u", "x"}, {"y"});
     }},
};

// Indices that are constants, too, may be looked at as late as here.
std::string run(const Model& model) {
  auto stream = model.open_stream();
  if (!stream.ok()) return stream.error().text();
  std::vector<Tensor> inputs, outputs;
  std::vector<View> in;
  std::vector<MutView> out;
  for (const auto& info : model.inputs()) inputs.push_back(*Tensor::allocate(info.type));
  for (const auto& info : model.outputs()) outputs.push_back(*Tensor::allocate(info.type));
  for (Tensor& t : inputs) in.push_back(t.view());
  for (Tensor& t : outputs) out.push_back(t.mut_view());
  Status status = stream->run(in, out);
  return status.ok() ? "" : status.error().text();
}

std::string outcome(const Bug& bug) {
  ModelBuilder b;
  b.input("x", {1, 4, 8, 8});
  bug.build(b);
  auto graph = b.output("y").load();
  if (!graph.ok()) return graph.error().text();
  ModelOptions options;
  options.tune = false;
  auto model = Model::from_graph(*std::move(graph), options);
  return model.ok() ? run(*model) : model.error().text();
}

class KnownBugRefused : public ::testing::TestWithParam<Bug> {};
TEST_P(KnownBugRefused, InOneLine) {
  const std::string text = outcome(GetParam());
  EXPECT_NE(text, "");
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}
INSTANTIATE_TEST_SUITE_P(All, KnownBugRefused, ::testing::ValuesIn(kRefused),
                         [](const auto& info) { return std::string(info.param.name); });

class KnownBugAllowed : public ::testing::TestWithParam<Bug> {};
TEST_P(KnownBugAllowed, EndsWell) { EXPECT_EQ(outcome(GetParam()), ""); }
INSTANTIATE_TEST_SUITE_P(All, KnownBugAllowed, ::testing::ValuesIn(kAllowed),
                         [](const auto& info) { return std::string(info.param.name); });

// Inference that keeps references to what is gone (onnx #8303, #8330: maps of functions and of outer names): here the
// file, the options and the folder's name end before the tail, with a function and a branch in it, is inferred and run.
TEST(KnownBug, WhatInferenceNeedsOutlivesTheFile) {
  ModelBuilder inner, branch, b;
  branch.node("Add", {"a", "a"}, {"r"}).output("r");
  onnx::AttributeProto either;
  either.set_type(onnx::AttributeProto::GRAPH);
  *either.mutable_g() = branch.graph();
  onnx::AttributeProto then_branch = either, else_branch = either;
  then_branch.set_name("then_branch"), else_branch.set_name("else_branch");
  inner.node("Greater", {"s", "zero"}, {"c"}).node("If", {"c"}, {"out"}, {then_branch, else_branch});
  onnx::FunctionProto& f = *b.model.add_functions();
  f.set_name("f"), f.set_domain("local");
  for (const char* name : {"a", "s", "zero"}) f.add_input(name);
  f.add_output("out");
  *f.mutable_node() = inner.graph().node();
  b.model.add_opset_import()->set_domain("local");
  b.model.mutable_opset_import(1)->set_version(1);
  b.input("x", {2}).floats("zero", {1}, {0}).node("ReduceSum", {"x"}, {"s"}).node("f", {"x", "s", "zero"}, {"y"});
  b.graph().mutable_node(1)->set_domain("local");
  auto options = std::make_unique<LoadOptions>();
  auto bytes = std::make_unique<std::string>(b.output("y").bytes());
  auto file = std::make_unique<OnnxModel>(
      *OnnxModel::from_bytes(std::as_bytes(std::span(*bytes)), *options, std::string(200, '.')));
  auto graph = file->bind(op_table(), *options);
  bytes.reset(), file.reset(), options.reset();
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  ASSERT_TRUE(graph->tail);
  const Tensor x = Tensor::from<float>({2}, std::vector<float>{1, 2});
  auto y = interpret(*graph, op_table(), {&x, 1});
  ASSERT_TRUE(y.ok()) << y.error().text();
  EXPECT_EQ((*y)[0].span<float>()[1], 4);
  // A function with an operator that nobody knows.
  f.mutable_node(0)->set_op_type("Unheard");
  EXPECT_NE(b.error().find("operator 'Unheard'"), std::string::npos) << b.error();
}

// A format of offsets that is used before it is verified (TFLite #115308: eight bytes).
TEST(KnownBug, PlanOfEightBytes) {
  const std::string path = (std::filesystem::temp_directory_path() / "quadlane-eight.qlp").string();
  std::ofstream(path, std::ios::binary) << "QUADLANE";
  auto model = Model::load(path);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().text(), "'" + path + "': a file of 8 bytes is no plan, whose header has 64");
  std::filesystem::remove(path);
}

// Names from the file decide where something is written (CVE-2025-51480): nothing but the path that is given is.
TEST(KnownBug, NamesAreNoPaths) {
  const auto folder = std::filesystem::temp_directory_path() / "quadlane-names";
  std::filesystem::create_directories(folder / "in");
  ModelBuilder b;
  auto graph = b.input("../out", {1}).node("Relu", {"../out"}, {"/quadlane-y"}).output("/quadlane-y").load();
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(save_onnx(*graph, (folder / "in" / "model.onnx").string()).ok());
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_FALSE(std::filesystem::exists("/quadlane-y"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quadlane::testing
