// Graph -> file -> Graph: what is written reads back as the same graph, whatever opset it was written in.
#include "loader/save.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "graph/text.h"
#include "graph/verify.h"
#include "loader/tensor_file.h"
#include "loader/tensor_proto.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;
using onnx::TensorProto;
using Ints = std::vector<int64_t>;

Graph must_parse(const std::string& text) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return graph.ok() ? *std::move(graph) : Graph();
}
onnx::ModelProto must_save(const Graph& graph, const SaveOptions& options = {}) {
  auto bytes = save_onnx_bytes(graph, options);
  EXPECT_TRUE(bytes.ok()) << bytes.error().text();
  onnx::ModelProto model;
  if (bytes.ok()) {
    EXPECT_TRUE(model.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
  }
  return model;
}
Graph must_load(const onnx::ModelProto& model) {
  std::string bytes = model.SerializeAsString();
  auto graph = load_onnx_bytes(std::as_bytes(std::span(bytes)), op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return graph.ok() ? *std::move(graph) : Graph();
}
std::string full_text(const Graph& graph) { return print(graph, {.max_elements = 1 << 20}); }

constexpr const char* kQuantized = R"(graph "small"
input %x: f32[1,3,8,8]
const %s: f32[] = {0.05}
const %z: u8[] = {3}
const %w: s8[4,3,3,3] = random(1)
const %ws: f32[4] = {0.01, 0.02, 0.03, 0.04}
const %wz: s8[4] = zeros
const %b: f32[4] = {1, 2, 3, 4}
const %sizes: s64[4] = {1, 8, 16, 16}
%q: u8[1,3,8,8] = QuantizeLinear(%x, %s, %z)
%xd = DequantizeLinear(%q, %s, %z)
%wd = DequantizeLinear(%w, %ws, %wz) axis=0
%c = Conv(%xd, %wd, %b) kernel_shape=[3,3] pads=[1,1,1,1]
%cq = QuantizeLinear(%c, %s, %z)
%cat = Concat(%cq, %cq) axis=1
%pool = MaxPool(%cat) kernel_shape=[2,2] strides=[2,2]
%yd = DequantizeLinear(%pool, %s, %z)
%y = Resize(%yd, _, _, %sizes) coordinate_transformation_mode="half_pixel" mode="linear"
output %y
)";

TEST(Save, QuantizedGraphReadsBackTheSame) {
  Graph graph = must_parse(kQuantized);
  for (int opset : {13, 17, 18, 21}) {
    SaveOptions options;
    options.opset = opset;
    onnx::ModelProto model = must_save(graph, options);
    EXPECT_EQ(model.opset_import(0).version(), opset);
    Graph back = must_load(model);
    EXPECT_TRUE(verify(back, op_table()).ok());
    EXPECT_EQ(full_text(back), full_text(graph)) << "opset " << opset;
  }
}

TEST(Save, HeaderAndTypes) {
  SaveOptions options;
  options.producer_version = "1.2";
  options.metadata = {{"form", "any"}};
  onnx::ModelProto model = must_save(must_parse(kQuantized), options);
  EXPECT_EQ(model.producer_name(), "quadlane");
  EXPECT_EQ(model.producer_version(), "1.2");
  EXPECT_EQ(model.metadata_props(0).key(), "form");
  EXPECT_EQ(model.graph().name(), "small");
  EXPECT_EQ(model.graph().input(0).type().tensor_type().elem_type(), TensorProto::FLOAT);
  EXPECT_EQ(model.graph().output(0).type().tensor_type().shape().dim(1).dim_value(), 8);
  for (const auto& t : model.graph().initializer()) EXPECT_TRUE(t.has_raw_data()) << t.name();
  for (const auto& n : model.graph().node()) EXPECT_FALSE(n.name().empty());
}

TEST(Save, SameBytesEveryTime) {
  auto first = save_onnx_bytes(must_parse(kQuantized)), second = save_onnx_bytes(must_parse(kQuantized));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
}

// The canonical form takes axes as an input; before 18 the file has an attribute, and no unused initializer.
TEST(Save, ReductionAxes) {
  Graph graph = must_parse(R"(graph "r"
input %x: f32[2,3]
const %axes: s64[1] = {1}
%m = ReduceMean(%x, %axes) keepdims=0
%s = ReduceSum(%x, %axes) keepdims=0
%y = Add(%m, %s)
output %y
)");
  onnx::ModelProto old = must_save(graph);
  ASSERT_EQ(old.graph().node(0).input_size(), 1);
  EXPECT_EQ(old.graph().node(0).attribute(0).name(), "axes");
  EXPECT_EQ(old.graph().node(0).attribute(0).ints(0), 1);
  EXPECT_EQ(old.graph().node(1).input_size(), 2);  // ReduceSum has the input since 13
  EXPECT_EQ(old.graph().initializer_size(), 1);
  SaveOptions modern;
  modern.opset = 18;
  EXPECT_EQ(full_text(must_load(must_save(graph, modern))), full_text(graph));
  Graph lonely = must_parse(R"(graph "r"
input %x: f32[2,3]
const %axes: s64[1] = {1}
%y = ReduceMax(%x, %axes)
output %y
)");
  EXPECT_EQ(must_save(lonely).graph().initializer_size(), 0);
}

TEST(Save, SplitAndPadForms) {
  Graph graph = must_parse(R"(graph "s"
input %x: f32[1,5]
const %pads: s64[2] = {1, 2}
const %axes: s64[1] = {-1}
%a, %b = Split(%x) axis=1 num_outputs=2
%p = Pad(%b, %pads, _, %axes)
output %a
output %p
)");
  onnx::ModelProto old = must_save(graph);
  EXPECT_EQ(old.graph().node(0).input_size(), 2);
  EXPECT_EQ(old.graph().node(0).attribute_size(), 1);
  Graph back = must_load(old);
  auto x = Tensor::from<float>({1, 5}, std::vector<float>{1, 2, 3, 4, 5});
  auto before = interpret(graph, op_table(), std::vector<Tensor>{x});
  auto after = interpret(back, op_table(), std::vector<Tensor>{x});
  ASSERT_TRUE(before.ok() && after.ok());
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ((*before)[i].type(), (*after)[i].type());
    for (int64_t e = 0; e < (*before)[i].count(); ++e)
      EXPECT_EQ((*before)[i].as<float>()[e], (*after)[i].as<float>()[e]);
  }
  SaveOptions modern;
  modern.opset = 18;
  EXPECT_EQ(full_text(must_load(must_save(graph, modern))), full_text(graph));
}

TEST(Save, RaisesTheOpsetWhereANodeNeedsIt) {
  Graph graph = must_parse(R"(graph "g"
input %x: f32[1,1,8,8]
%y = AveragePool(%x) dilations=[2,2] kernel_shape=[2,2]
output %y
)");
  EXPECT_EQ(must_save(graph).opset_import(0).version(), 19);
  SaveOptions old;
  old.opset = 12;
  EXPECT_EQ(save_onnx_bytes(graph, old).error().text(), "opset 12 is not written, 13 to 24 are");
}

// Its canonical form is that of 21: in 18 scale and bias were those of groups.
TEST(Save, GroupNormalizationNeedsOpset21) {
  Graph graph = must_parse(R"(graph "g"
input %x: f32[1,4,2,2]
const %s: f32[4] = {1, 2, 3, 4}
const %b: f32[4] = {0, 1, 0, 1}
%y = GroupNormalization(%x, %s, %b) num_groups=2
output %y
)");
  onnx::ModelProto model = must_save(graph);
  EXPECT_EQ(model.opset_import(0).version(), 21);
  EXPECT_EQ(full_text(must_load(model)), full_text(graph));
}

TEST(Save, OperatorsOfTheNewestOpsets) {
  Graph graph = must_parse(R"(graph "g"
input %x: f32[2,4]
const %s: f32[4] = {1, 2, 3, 4}
%n = RMSNormalization(%x, %s)
output %n
)");
  onnx::ModelProto model = must_save(graph);
  EXPECT_EQ(model.opset_import(0).version(), 23);
  EXPECT_EQ(model.ir_version(), 11);
  EXPECT_EQ(full_text(must_load(model)), full_text(graph));
}

// Their names of functions are one string in the graph and a list in the file.
TEST(Save, RecurrentLayers) {
  const std::string text = R"(graph "g"
input %x: f32[3,1,4]
const %w: f32[1,6,4] = random(1)
const %r: f32[1,6,2] = random(2)
%y, %h = GRU(%x, %w, %r) activations="HardSigmoid Tanh" hidden_size=2 layout=LAYOUT
output %y
)";
  for (const char* layout : {"0", "1"}) {
    std::string one = text;
    Graph graph = must_parse(one.replace(one.find("LAYOUT"), 6, layout));
    SaveOptions old;
    old.opset = 13;
    onnx::ModelProto model = must_save(graph, old);
    EXPECT_EQ(model.opset_import(0).version(), *layout == '0' ? 13 : 14);
    const Graph again = must_load(model);
    EXPECT_EQ(again.at(again.order()[0]).attrs.string_or("activations", ""), "HardSigmoid Tanh");
    EXPECT_EQ(again.at(again.order()[0]).attrs.int_or("layout", 0), *layout - '0');
  }
}

// Passes make several nodes of one, and other engines refuse equal names.
TEST(Save, NodesHaveNamesOfTheirOwn) {
  Graph graph = must_parse(R"(graph "g"
input %x: f32[1,4]
%a = Relu(%x) name="n"
%y = Neg(%a) name="n"
output %y
)");
  onnx::ModelProto model = must_save(graph);
  EXPECT_EQ(model.graph().node(0).name(), "n");
  EXPECT_EQ(model.graph().node(1).name(), "n_1");
}

TEST(Save, SixteenBitQuantizationNeedsOpset21) {
  Graph graph;
  ValueId x = graph.add_input("x", {DType::u16, {2}});
  ValueId s = graph.add_constant("s", Tensor::scalar<float>(1));
  std::vector<TensorType> types = {{DType::f32, {2}}};
  NodeId n = graph.add_node(Node{"d", "DequantizeLinear", {}, {x, s}, {}}, types);
  graph.set_outputs({graph[n].output()});
  EXPECT_EQ(must_save(graph).opset_import(0).version(), 21);
}

TEST(Save, OwnOperatorsAreRefused) {
  Graph graph = must_parse(R"(graph "g"
input %x: u8[1,4]
const %t: u8[256] = iota
%y = ql.Lut(%x, %t) name="act"
output %y
)");
  EXPECT_EQ(save_onnx_bytes(graph).error().text(),
            "node 'act' (ql.Lut): operator 'ql.Lut' is Quadlane's own, ONNX files hold standard operators only");
}

TEST(Save, NothingHalfWritten) {
  fs::path directory = fs::path(::testing::TempDir()) / "quadlane_save";
  fs::remove_all(directory);
  Graph graph = must_parse(kQuantized);
  std::string path = (directory / "m.onnx").string();
  EXPECT_EQ(save_onnx(graph, path).error().text(), "cannot write '" + path + "': No such file or directory");
  fs::create_directories(directory);
  std::ofstream(path) << "old";
  SaveOptions wrong;
  wrong.opset = 5;
  EXPECT_FALSE(save_onnx(graph, path, wrong).ok());
  EXPECT_EQ(fs::file_size(path), 3u);
  ASSERT_TRUE(save_onnx(graph, path).ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 1);
  auto back = load_onnx(path, op_table());
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(full_text(*back), full_text(graph));
  fs::create_directories(directory / "taken.onnx");
  std::string taken = (directory / "taken.onnx").string();
  EXPECT_FALSE(save_onnx(graph, taken).ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 2);
  fs::remove_all(directory);
}

TEST(TensorFile, ReadsAndRefuses) {
  std::string path = ::testing::TempDir() + "/quadlane_tensor.pb";
  Tensor t = Tensor::from<int16_t>({2, 1}, std::vector<int16_t>{-3, 400});
  TensorProto proto;
  tensor_to_proto(t, "t", &proto);
  std::ofstream(path, std::ios::binary) << proto.SerializeAsString();
  auto back = read_tensor_pb(path);
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(back->type(), t.type());
  EXPECT_EQ(back->as<int16_t>()[1], 400);
  std::ofstream(path, std::ios::binary) << "not a tensor";
  EXPECT_EQ(read_tensor_pb(path).error().text(), "'" + path + "' is not an ONNX tensor, or is truncated");
  std::ofstream(path, std::ios::binary) << "";
  EXPECT_EQ(read_tensor_pb(path).error().text(), "'" + path + "' is not an ONNX tensor: it has no element type");
  fs::remove(path);
  EXPECT_EQ(read_tensor_pb(path).error().text(), "cannot open '" + path + "': No such file or directory");
}

}  // namespace
}  // namespace quadlane::testing
