// Tensor bytes in files beside the model, and the ways a model may try to read others.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "loader/onnx_model.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;
using onnx::TensorProto;

class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / "quadlane_external";
    fs::remove_all(root_);
    fs::create_directories(root_ / "model" / "parts");
    write(root_ / "model" / "weights.bin", {1, 2, 3, 4, 5});
    write(root_ / "model" / "parts" / "more.bin", {6, 7});
    write(root_ / "secret.bin", {8, 9});
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write(const fs::path& path, const std::vector<float>& values) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()), static_cast<long>(values.size() * 4));
  }

  // A model whose only initializer has two floats at the given place.
  static ModelBuilder model(const std::vector<std::pair<std::string, std::string>>& entries) {
    ModelBuilder b;
    TensorProto* t = b.graph().add_initializer();
    t->set_name("w");
    t->set_data_type(TensorProto::FLOAT);
    t->add_dims(2);
    t->set_data_location(TensorProto::EXTERNAL);
    for (const auto& [key, value] : entries) {
      auto* entry = t->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    b.output("w");
    return b;
  }
  Result<Graph> load(const ModelBuilder& b) {
    fs::path path = root_ / "model" / "model.onnx";
    std::ofstream(path, std::ios::binary) << b.bytes();
    return load_onnx(path.string(), op_table());
  }
  // The error without the model's own path.
  std::string error(const ModelBuilder& b) {
    auto graph = load(b);
    if (graph.ok()) return {};
    std::string text = graph.error().text();
    return text.substr(text.find(": ") + 2);
  }
  std::vector<float> values(const ModelBuilder& b) {
    auto graph = load(b);
    EXPECT_TRUE(graph.ok()) << graph.error().text();
    if (!graph.ok()) return {};
    auto span = graph->constant(graph->outputs()[0])->span<float>();
    return {span.begin(), span.end()};
  }

  fs::path root_;
};

TEST_F(ExternalData, IsToldByName) {
  const std::string bytes = model({{"location", "parts/more.bin"}}).bytes();
  auto file = OnnxModel::from_bytes(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->external_files(), std::vector<std::string>{"parts/more.bin"});
}

// Of subgraphs and functions too; not of initializers that nobody reads.
TEST_F(ExternalData, IsToldWhereverItIsRead) {
  ModelBuilder b = model({{"location", "first.bin"}, {"location", "w.bin"}});
  const TensorProto w = b.graph().initializer(0);
  auto at = [&](const std::string& name, const std::string& location) {
    TensorProto tensor = w;
    tensor.set_name(name);
    tensor.mutable_external_data(1)->set_value(location);
    return tensor;
  };
  *b.graph().add_initializer() = at("unused", "/etc/hostname");
  onnx::AttributeProto branch;
  branch.set_name("then_branch");
  *branch.mutable_g()->add_initializer() = at("inner", "inner.bin");
  onnx::NodeProto* constant = branch.mutable_g()->add_node();
  constant->set_op_type("Constant");
  *constant->add_attribute() = attribute("value", at("", "constant.bin"));
  b.node("If", {"c"}, {"d"}, {branch});
  *b.model.add_functions()->add_node()->add_attribute() = attribute("value", at("", "function.bin"));
  const std::string bytes = b.bytes();
  auto file = OnnxModel::from_bytes(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(file.ok()) << file.error().text();
  EXPECT_EQ(file->external_files(), (std::vector<std::string>{"constant.bin", "function.bin", "inner.bin", "w.bin"}));
}

TEST_F(ExternalData, WholeFilesAreReadUnderTheSameRules) {
  const fs::path path = root_ / "model" / "model.onnx";
  std::ofstream(path, std::ios::binary) << model({{"location", "weights.bin"}}).bytes();
  auto file = OnnxModel::read(path.string());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->read_external_file("weights.bin", 20)->size(), 20u);
  auto error = [&](const std::string& name) { return file->read_external_file(name, 19).error().text(); };
  EXPECT_EQ(error("weights.bin"), "external data 'weights.bin' has 20 bytes, the limit is 19");
  EXPECT_EQ(error("../secret.bin"), "external data '../secret.bin' leads out of the model's directory");
  EXPECT_EQ(error("/etc/hostname"), "external data '/etc/hostname' is not a relative path");
  ASSERT_EQ(mkfifo((root_ / "model" / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error("pipe"), "external data 'pipe' is not a regular file");
}

TEST_F(ExternalData, ReadsOffsetsAndFolders) {
  EXPECT_EQ(values(model({{"location", "weights.bin"}})), (std::vector<float>{1, 2}));
  EXPECT_EQ(values(model({{"location", "weights.bin"}, {"offset", "12"}, {"length", "8"}, {"checksum", "x"}})),
            (std::vector<float>{4, 5}));
  EXPECT_EQ(values(model({{"location", "parts/more.bin"}})), (std::vector<float>{6, 7}));
  fs::create_symlink("parts/more.bin", root_ / "model" / "link.bin");
  EXPECT_EQ(values(model({{"location", "link.bin"}})), (std::vector<float>{6, 7}));
}

TEST_F(ExternalData, StaysInTheModelsDirectory) {
  EXPECT_EQ(error(model({{"location", "../secret.bin"}})),
            "initializer 'w': external data '../secret.bin' leads out of the model's directory");
  EXPECT_EQ(error(model({{"location", "parts/../../secret.bin"}})),
            "initializer 'w': external data 'parts/../../secret.bin' leads out of the model's directory");
  std::string absolute = (root_ / "secret.bin").string();
  EXPECT_EQ(error(model({{"location", absolute}})),
            "initializer 'w': external data '" + absolute + "' is not a relative path");
  fs::create_symlink("../secret.bin", root_ / "model" / "out.bin");
  EXPECT_EQ(error(model({{"location", "out.bin"}})),
            "initializer 'w': external data 'out.bin' leads out of the model's directory");
  fs::create_directory_symlink("..", root_ / "model" / "up");
  EXPECT_EQ(error(model({{"location", "up/secret.bin"}})),
            "initializer 'w': external data 'up/secret.bin' leads out of the model's directory");
  // A neighbour whose name begins with the directory's.
  fs::create_directories(root_ / "model2");
  write(root_ / "model2" / "secret.bin", {8, 9});
  fs::create_symlink("../model2/secret.bin", root_ / "model" / "near.bin");
  EXPECT_EQ(error(model({{"location", "near.bin"}})),
            "initializer 'w': external data 'near.bin' leads out of the model's directory");
}

// A hard link is a file outside of the directory that looks as if it were inside.
TEST_F(ExternalData, RefusesHardLinks) {
  fs::create_hard_link(root_ / "secret.bin", root_ / "model" / "hard.bin");
  EXPECT_EQ(error(model({{"location", "hard.bin"}})),
            "initializer 'w': external data 'hard.bin' has 2 names (hard links), expected one");
}

TEST_F(ExternalData, ChecksSizes) {
  EXPECT_EQ(error(model({{"location", "weights.bin"}, {"offset", "16"}})),
            "initializer 'w': external data 'weights.bin' has 20 bytes, 8 at offset 16 are asked for");
  EXPECT_EQ(error(model({{"location", "weights.bin"}, {"offset", "999999999999999999"}})),
            "initializer 'w': external data 'weights.bin' has 20 bytes, 8 at offset 999999999999999999 are asked for");
  EXPECT_EQ(error(model({{"location", "weights.bin"}, {"offset", "-4"}})),
            "initializer 'w': external data has offset '-4', expected a number");
  EXPECT_EQ(error(model({{"location", "weights.bin"}, {"length", "4"}})),
            "initializer 'w': external data has 4 bytes, its shape needs 8");
  EXPECT_EQ(error(model({{"location", "absent.bin"}})),
            "initializer 'w': cannot open external data 'absent.bin': No such file or directory");
  EXPECT_EQ(error(model({{"location", "parts"}})), "initializer 'w': external data 'parts' is not a regular file");
  EXPECT_EQ(error(model({})), "initializer 'w': external data '' is not a relative path");
  ModelBuilder both = model({{"location", "weights.bin"}});
  both.graph().mutable_initializer(0)->set_raw_data(std::string(8, '\0'));
  EXPECT_EQ(error(both), "initializer 'w': has raw data and external data");
}

TEST_F(ExternalData, NeedsADirectory) {
  EXPECT_EQ(model({{"location", "weights.bin"}}).error(),
            "initializer 'w': external data 'weights.bin' needs a model that lies in a directory");
}

}  // namespace
}  // namespace quadlane::testing
