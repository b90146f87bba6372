// What is wrong with a file, in one line.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "loader/onnx_model.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

using onnx::TensorProto;

std::string error_of_bytes(const std::string& bytes) {
  auto graph = load_onnx_bytes(std::as_bytes(std::span(bytes)), op_table());
  return graph.ok() ? std::string() : graph.error().text();
}

ModelBuilder relu() {
  ModelBuilder b;
  b.input("x", {1, 2}).node("Relu", {"x"}, {"y"}, {}, "act").output("y");
  return b;
}

TEST(LoadError, NotAModel) {
  EXPECT_EQ(error_of_bytes(""), "not an ONNX model, or truncated (0 bytes)");
  EXPECT_EQ(error_of_bytes("hello, world, this is text"), "not an ONNX model, or truncated (26 bytes)");
  EXPECT_EQ(error_of_bytes(std::string(100, '\0')), "not an ONNX model, or truncated (100 bytes)");
  EXPECT_EQ(error_of_bytes("\x08\x08"), "not an ONNX model: it has no graph");
}

// Cut anywhere, the file is refused or (where only the version list is missing) says what is missing.
TEST(LoadError, TruncatedAnywhere) {
  ModelBuilder b = relu();
  b.floats("w", {2}, {1, 2}).node("Add", {"y", "w"}, {"z"}).output("z");
  std::string bytes = b.bytes();
  for (size_t n = 0; n < bytes.size(); ++n) {
    std::string error = error_of_bytes(bytes.substr(0, n));
    EXPECT_FALSE(error.empty()) << n << " of " << bytes.size() << " bytes";
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

// Flipped bytes must never crash; what still loads must verify by itself (infer ran on every node).
TEST(LoadError, FlippedBytes) {
  ModelBuilder b = relu();
  b.floats("w", {2}, {1, 2}).node("Add", {"y", "w"}, {"z"}).output("z");
  std::string bytes = b.bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int flip : {0x01, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      EXPECT_EQ(error_of_bytes(changed).find('\n'), std::string::npos);
    }
  }
}

TEST(LoadError, Files) {
  EXPECT_EQ(load_onnx("no/such/model.onnx", op_table()).error().text(),
            "cannot open 'no/such/model.onnx': No such file or directory");
  std::string directory = ::testing::TempDir();
  EXPECT_EQ(load_onnx(directory, op_table()).error().text(), "'" + directory + "' is not a regular file");
  std::string path = directory + "/relu_cut.onnx", bytes = relu().bytes();
  std::ofstream(path, std::ios::binary) << bytes.substr(0, 20);
  EXPECT_EQ(load_onnx(path, op_table()).error().text(), "'" + path + "': not an ONNX model, or truncated (20 bytes)");
  LoadOptions small;
  small.max_file_bytes = 10;
  EXPECT_EQ(load_onnx(path, op_table(), small).error().text(), "'" + path + "' has 20 bytes, the limit is 10");
  std::remove(path.c_str());
}

TEST(LoadError, Opsets) {
  ModelBuilder b = relu();
  b.model.mutable_opset_import(0)->set_version(99);
  EXPECT_EQ(b.error(), "the model uses opset 99, supported are 1 to 26");
  b.model.mutable_opset_import(0)->set_version(-1);
  EXPECT_EQ(b.error(), "the model uses opset -1, supported are 1 to 26");
  b.model.clear_opset_import();
  EXPECT_EQ(b.error(), "the model names no version of the standard operator set");
  b.model.add_opset_import()->set_version(17);
  auto* again = b.model.add_opset_import();
  again->set_domain("ai.onnx");
  again->set_version(17);
  EXPECT_EQ(b.error(), "");
  again->set_version(11);
  EXPECT_EQ(b.error(), "the model uses versions 17 and 11 of operator set 'ai.onnx'");
  ModelBuilder early(11);
  early.input("x", {1}).node("HardSwish", {"x"}, {"y"}, {}, "hs").output("y");
  EXPECT_EQ(
      early.error(),
      "node 'hs' (HardSwish): operator 'HardSwish' does not exist in opset 11 of domain 'ai.onnx', the oldest form "
      "known is 14");
}

// Another type of an output is an error; another shape is worth a note.
TEST(LoadError, OutputsThatAreNotAsDeclared) {
  auto declared = [](const Shape& shape, int type) {
    ModelBuilder b;
    b.input("x", {1, 3}).node("Relu", {"x"}, {"y"});
    ModelBuilder::declare(b.graph().add_output(), "y", shape, type);
    return b;
  };
  EXPECT_EQ(declared({1, 3}, TensorProto::INT64).error(), "output 'y' is f32[1,3], the file declares s64");
  EXPECT_EQ(declared({1, 3}, TensorProto::FLOAT16).error(), "");  // f16 is f32 here
  ModelBuilder open = declared({1, 3}, TensorProto::FLOAT);
  open.graph().mutable_output(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param(
      "n");
  auto contradictions = [](const ModelBuilder& b) {
    const std::string bytes = b.bytes();
    auto model = OnnxModel::from_bytes(std::as_bytes(std::span(bytes)));
    auto graph = model->bind(op_table());
    EXPECT_TRUE(graph.ok()) << graph.error().text();
    return graph.ok() ? model->contradictions(*graph) : std::vector<std::string>();
  };
  EXPECT_TRUE(contradictions(open).empty());
  for (const Shape& other : {Shape{1, 4}, Shape{3}, Shape{}})
    EXPECT_EQ(contradictions(declared(other, TensorProto::FLOAT)),
              std::vector<std::string>{cat("output 'y' is f32[1,3], the file declares ", to_string(other))});
}

TEST(LoadError, GraphStructure) {
  EXPECT_EQ(ModelBuilder().error(), "the graph is empty");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Relu", {"x"}, {"y"}).error(), "the graph has no outputs");
  EXPECT_EQ(ModelBuilder().input("x", {1}).output("nowhere").error(), "output 'nowhere' is not produced by anything");
  EXPECT_EQ(ModelBuilder().input("x", {1}).output("x").output("x").error(), "output 'x' exists twice");
  EXPECT_EQ(ModelBuilder().input("x", {1}).input("x", {1}).output("x").error(), "input 'x' exists twice");
  EXPECT_EQ(ModelBuilder().floats("w", {1}, {1}).floats("w", {1}, {1}).output("w").error(),
            "initializer 'w' exists twice");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Add", {"x", "ghost"}, {"y"}, {}, "add").output("y").error(),
            "node 'add' (Add): input 'ghost' is not produced by anything");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Relu", {"x"}, {"y"}).node("Abs", {"x"}, {"y"}).output("y").error(),
            "node 1 (Abs): output 'y' is also produced by node 0 (Relu)");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Relu", {"x"}, {"x"}).output("x").error(),
            "node 0 (Relu): output 'x' is also an input or initializer of the graph");
  EXPECT_EQ(ModelBuilder()
                .input("x", {1})
                .node("Add", {"x", "b"}, {"a"}, {}, "p")
                .node("Abs", {"a"}, {"b"})
                .output("b")
                .error(),
            "node 'p' (Add): is part of a cycle, or behind one");
  LoadOptions few;
  few.max_nodes = 0;
  EXPECT_EQ(relu().error(few), "the graph has 1 nodes, the limit is 0");
}

TEST(LoadError, Strings) {
  LoadOptions options;
  options.max_string_bytes = 3;
  EXPECT_EQ(relu().error(options), "a name or text has 4 bytes, the limit is 3");
  EXPECT_EQ(ModelBuilder().input(std::string(70000, 'x'), {1}).output("y").error(),
            "a name or text has 70000 bytes, the limit is 65536");
}

TEST(LoadError, Inputs) {
  EXPECT_EQ(ModelBuilder().input("x", {1, -2}).output("x").error(), "input 'x': dimension 1 is -2");
  EXPECT_EQ(ModelBuilder().input("x", {1ll << 40, 1ll << 40}).output("x").error(),
            "input 'x': shape [1099511627776,1099511627776] has more than 2147483648 elements");
  EXPECT_EQ(ModelBuilder().input("x", {1}, TensorProto::STRING).output("x").error(),
            "input 'x': element type string is not supported");
  ModelBuilder sequence;
  sequence.graph().add_input()->set_name("x");
  sequence.graph().mutable_input(0)->mutable_type()->mutable_sequence_type();
  EXPECT_EQ(sequence.output("x").error(), "input 'x': is no tensor, only tensors are supported");
  ModelBuilder shapeless;
  shapeless.input("x", {}).output("x");
  shapeless.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_EQ(shapeless.error(), "not fixed: the shape of input 'x'; give shapes, for example x=1x3x224x224");
}

TEST(LoadError, Operators) {
  EXPECT_EQ(ModelBuilder(13).input("x", {1}).node("Frobnicate", {"x"}, {"y"}, {}, "f").output("y").error(),
            "node 'f' (Frobnicate): operator 'Frobnicate' of domain 'ai.onnx' (opset 13) is not supported");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Relu", {""}, {"y"}, {}, "f").output("y").error(),
            "node 'f' (Relu): required input 0 is absent");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Relu", {"x", "x"}, {"y"}, {}, "f").output("y").error(),
            "node 'f' (Relu): has 2 inputs, expected 1 to 1");
  EXPECT_EQ(
      ModelBuilder().input("x", {1}).node("Relu", {"x"}, {"y"}, {attribute("shiny", 1.0f)}, "f").output("y").error(),
      "node 'f' (Relu): attribute 'shiny' is not supported, known are: ");
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Relu", {"x"}, {"y", "z"}, {}, "f").output("z").error(),
            "node 'f' (Relu): output 1 'z' is read, only 1 are supported");
}

TEST(LoadError, Attributes) {
  auto with = [](const onnx::AttributeProto& a) {
    return ModelBuilder(11).input("x", {2, 2}).node("Softmax", {"x"}, {"y"}, {a}, "f").output("y").error();
  };
  EXPECT_EQ(with(attribute("axis", 1.0f)), "node 'f' (Softmax): attribute 'axis' is not an integer");
  EXPECT_EQ(with(attribute("axis", int64_t{7})), "node 'f' (Softmax): axis 7 does not exist in rank 2");
  onnx::AttributeProto mixed = attribute("axis", int64_t{1});
  mixed.set_type(onnx::AttributeProto::FLOAT);
  EXPECT_EQ(with(mixed), "node 'f' (Softmax): attribute 'axis': is declared as a float and holds an integer");
  onnx::AttributeProto untyped = attribute("axis", int64_t{1});
  untyped.clear_type();
  EXPECT_EQ(with(untyped), "");
  untyped.clear_i();
  EXPECT_EQ(with(untyped), "node 'f' (Softmax): attribute 'axis': holds no value, or several");
  onnx::AttributeProto reference;
  reference.set_name("axis");
  reference.set_ref_attr_name("outer");
  EXPECT_EQ(with(reference),
            "node 'f' (Softmax): attribute 'axis': refers to function attribute 'outer' outside a function");
  onnx::AttributeProto body;
  body.set_name("body");
  body.set_type(onnx::AttributeProto::GRAPH);
  EXPECT_EQ(with(body), "node 'f' (Softmax): attribute 'body': is a subgraph, only If, Loop and Scan take one");
  ModelBuilder twice(11);
  twice.input("x", {2, 2}).output("y");
  twice.node("Softmax", {"x"}, {"y"}, {attribute("axis", int64_t{1}), attribute("axis", int64_t{1})}, "f");
  EXPECT_EQ(twice.error(), "node 'f' (Softmax): attribute 'axis' exists twice");
}

TEST(LoadError, StaysOneLine) {
  EXPECT_EQ(ModelBuilder().input("x", {1}).node("Abs", {"a\nb"}, {"y"}, {}, "f\r\x1b[31m").output("y").error(),
            "node 'f??[31m' (Abs): input 'a?b' is not produced by anything");
}

TEST(LoadError, ShapesThatDoNotFit) {
  ModelBuilder b;
  b.input("x", {1, 48, 8, 8}).floats("w", {4, 64, 1, 1}, std::vector<float>(256));
  b.node("Conv", {"x", "w"}, {"y"}, {}, "up2/conv").output("y");
  std::string error = b.error();
  EXPECT_NE(error.find("node 'up2/conv' (Conv): "), std::string::npos) << error;
  EXPECT_NE(error.find("64"), std::string::npos) << error;
  EXPECT_NE(error.find("48"), std::string::npos) << error;
}

TEST(LoadError, DeepNesting) {
  // Messages within messages until protobuf's limit must end in an error, not in a stack overflow.
  onnx::TypeProto type;
  type.mutable_tensor_type()->set_elem_type(1);
  for (int i = 0; i < 60; ++i) {
    onnx::TypeProto outer;
    *outer.mutable_sequence_type()->mutable_elem_type() = type;
    type = outer;
  }
  ModelBuilder b;
  b.graph().add_input()->set_name("x");
  *b.graph().mutable_input(0)->mutable_type() = type;
  EXPECT_NE(b.output("x").error().find("not an ONNX model"), std::string::npos);
}

}  // namespace
}  // namespace quadlane::testing
