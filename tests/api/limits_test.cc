// Each limit, met once: the sentence names the limit that was set.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "engine/api/plan_model.h"
#include "engine/base/file.h"
#include "loader/save.h"
#include "tests/loader/model_builder.h"
#include "tests/support/small_network.h"

namespace quadlane::testing {
namespace {

constexpr size_t kLong = 100;
const std::string kLongText(kLong, 't');

struct Limit {
  const char* name;
  std::function<void(ModelOptions&)> set;
  std::function<void(ModelBuilder&)> build;  // x f32[1,4,8,8] -> y; null: the small network
  const char* sentence;
};
void PrintTo(const Limit& limit, std::ostream* out) { *out << limit.name; }

void relu(ModelBuilder& b) { b.node("Relu", {"x"}, {"y"}); }

onnx::GraphProto branch_of(const std::string& text) {
  ModelBuilder b;
  b.node("Relu", {"x"}, {text}).output(text);
  return b.graph();
}
void if_node(ModelBuilder& b, const onnx::GraphProto& branch) {
  std::vector<onnx::AttributeProto> branches(2);
  branches[0].set_name("then_branch"), branches[1].set_name("else_branch");
  for (onnx::AttributeProto& a : branches) a.set_type(onnx::AttributeProto::GRAPH), *a.mutable_g() = branch;
  b.initializer<uint8_t>("c", {}, {1}, onnx::TensorProto::BOOL).node("If", {"c"}, {"y"}, branches);
}
// That nobody calls.
onnx::FunctionProto& function(ModelBuilder& b) {
  relu(b);
  onnx::FunctionProto& f = *b.model.add_functions();
  f.set_name("f"), f.add_input("a"), f.add_output("r");
  return f;
}
const auto few_bytes = [](ModelOptions& o) { o.load.max_string_bytes = kLong - 1; };
constexpr const char* kTooLong = "a name or text has 100 bytes, the limit is 99";

const Limit kLimits[] = {
    {"Arena", [](ModelOptions& o) { o.max_arena_bytes = 64; }, nullptr, " bytes at once, the limit is 64"},
    {"Channels", [](ModelOptions& o) { o.max_channels = 3; }, relu, "[1,4,8,8] has 4 channels, the limit is 3"},
    {"Pixels", [](ModelOptions& o) { o.max_pixels = 63; }, relu, "an image of [1,4,8,8] has more than 63 pixels"},
    {"Rank", [](ModelOptions& o) { o.load.max_shape.rank = 3; }, relu, "input 'x': rank 4 exceeds the limit of 3"},
    {"Elements", [](ModelOptions& o) { o.load.max_shape.elements = 511; },
     [](ModelBuilder& b) {
       b.node("Concat", {"x", "x"}, {"y"}, {attribute("axis", int64_t{0})}, "n");
     },
     "node 'n' (Concat): shape [2,4,8,8] has more than 511 elements"},
    {"ElementsOfAConstant", [](ModelOptions& o) { o.load.max_shape.elements = 256; },
     [](ModelBuilder& b) { b.floats("w", {257}, std::vector<float>(257)).node("Relu", {"w"}, {"y"}); },
     "initializer 'w': shape [257] has more than 256 elements"},
    {"Messages", [](ModelOptions& o) { o.load.max_message_depth = 3; }, relu, "not an ONNX model, or truncated"},
    {"Subgraphs", [](ModelOptions& o) { o.load.max_subgraph_depth = 0; },
     [](ModelBuilder& b) { if_node(b, branch_of("r")); }, "subgraphs and functions nest deeper than 0"},
    {"Nodes", [](ModelOptions& o) { o.load.max_nodes = 0; }, relu, "the graph has 1 nodes, the limit is 0"},
    {"Constants", [](ModelOptions& o) { o.load.max_constant_bytes = 7; },
     [](ModelBuilder& b) {
       b.floats("w", {2}, {1, 2}).node("Relu", {"w"}, {"y"});
     },
     "initializer 'w': needs 8 bytes, 7 are left of the limit"},
    {"File", [](ModelOptions& o) { o.load.max_file_bytes = 10; }, relu, " bytes, the limit is 10"},
    {"Texts", few_bytes, [](ModelBuilder& b) { b.node("Relu", {"x"}, {"y"}, {}, kLongText); }, kTooLong},
    {"TextsOfSubgraphs", few_bytes, [](ModelBuilder& b) { if_node(b, branch_of(kLongText)); }, kTooLong},
    {"TextsOfFunctions", few_bytes, [](ModelBuilder& b) { function(b).add_input(kLongText); }, kTooLong},
    {"TextsInLists", few_bytes,
     [](ModelBuilder& b) { function(b).add_node()->add_attribute()->add_strings(kLongText); }, kTooLong},
    {"Symbols", few_bytes,
     [](ModelBuilder& b) {
       relu(b);
       b.graph()
           .mutable_input(0)
           ->mutable_type()
           ->mutable_tensor_type()
           ->mutable_shape()
           ->mutable_dim(0)
           ->set_dim_param(kLongText);
     },
     kTooLong},
    {"KeysOfMetadata", few_bytes,
     [](ModelBuilder& b) {
       relu(b);
       b.model.add_metadata_props()->set_key(kLongText);
     },
     kTooLong},
    {"TimeOfImport", [](ModelOptions& o) { o.max_compile_seconds = 1e-9; }, relu, "importing took longer than it may"},
};

class Limits : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "quadlane-limits-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string error(const ModelOptions& options, std::span<const std::byte> file) const {
    const std::string path = (folder_ / "model").string();
    EXPECT_TRUE(write_whole_file(path, file).ok());
    auto model = Model::load(path, options);
    return model.ok() ? "" : model.error().text();
  }
  std::filesystem::path folder_;
};

class LimitOfAModel : public Limits, public ::testing::WithParamInterface<Limit> {};

TEST_P(LimitOfAModel, IsNamed) {
  ModelBuilder b;
  std::string bytes;
  if (GetParam().build) {
    b.input("x", {1, 4, 8, 8});
    GetParam().build(b);
    bytes = b.output("y").bytes();
  } else {
    const auto saved = save_onnx_bytes(small_network());
    bytes.assign(reinterpret_cast<const char*>(saved->data()), saved->size());
  }
  ModelOptions options{.tune = false};
  EXPECT_EQ(error(options, std::as_bytes(std::span(bytes))), "") << "without a limit";
  GetParam().set(options);
  const std::string text = error(options, std::as_bytes(std::span(bytes)));
  EXPECT_NE(text.find(GetParam().sentence), std::string::npos) << text;
}
INSTANTIATE_TEST_SUITE_P(All, LimitOfAModel, ::testing::ValuesIn(kLimits),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(Limits, OfAPlan) {
  const auto plan = make_plan_file(small_network(), {.tune = false}, {.ahead = true});
  ASSERT_TRUE(plan.ok());
  ModelOptions options{.tune = false};
  EXPECT_EQ(error(options, *plan), "");
  options.max_arena_bytes = 64;  // of plans that carry their code, too
  EXPECT_NE(error(options, *plan).find(" bytes at once, the limit is 64"), std::string::npos) << error(options, *plan);
  const std::string path = (folder_ / "model").string();
  auto opened = [&](const run::PlanOpenOptions& open) {
    auto model = Model::load_plan(path, {.tune = false}, open);
    return model.ok() ? "" : model.error().text();
  };
  EXPECT_NE(opened({.max_arena_bytes = 63}).find(" bytes at once, the limit is 63"), std::string::npos);
  EXPECT_EQ(opened({.max_file_bytes = plan->size()}), "");
  EXPECT_EQ(opened({.max_file_bytes = plan->size() - 1}),
            cat("'", path, "': a file of ", plan->size(), " bytes, the limit is ", plan->size() - 1));
}

// Nodes beyond it stay nodes.
TEST_F(Limits, OfFoldedWork) {
  ModelBuilder b;
  b.floats("w", {1, 1, 9, 9}, std::vector<float>(81))
      .node("MaxPool", {"w"}, {"y"}, {attribute("kernel_shape", std::vector<int64_t>{3, 3})});
  LoadOptions options;
  auto nodes = [&] { return b.load(options)->order().size(); };
  b.output("y");
  EXPECT_EQ(nodes(), 0u);
  options.max_folded_work = 100;
  EXPECT_EQ(nodes(), 1u);
}

TEST_F(Limits, OfTime) {
  ModelOptions options;
  options.tune = false;
  options.max_compile_seconds = 1e-9;
  ModelBuilder b;
  b.input("x", {1, 4, 8, 8}).node("Relu", {"x"}, {"y"}).output("y");
  auto model = Model::from_graph(*b.load(), options);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, Code::timed_out);
  options.max_compile_seconds = 100;
  EXPECT_TRUE(Model::from_graph(*b.load(), options).ok());
}

TEST_F(Limits, OfThreads) {
  auto model = Model::from_graph(small_network(), {.tune = false});
  ASSERT_TRUE(model.ok());
  auto stream = model->open_stream({.threads = 1025});
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().text(), "a stream of 1025 threads, expected 1 to 1024");
}

}  // namespace
}  // namespace quadlane::testing
