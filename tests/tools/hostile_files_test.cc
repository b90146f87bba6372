// Files of strangers through the command: whatever they name, hold or are, it reads nothing outside of the model's
// folder, waits for nobody and says in one line what is wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/sha256.h"
#include "tests/loader/model_builder.h"
#include "tests/tools/command.h"
#include "tools/io/json.h"
#include "tools/io/nifti.h"
#include "tools/io/npy.h"
#include "tools/prep/picture_reader.h"
#include "tools/prep/preprocessing.h"

namespace quadlane::tools {
namespace {

using testing::ModelBuilder;

// Two floats in a file; the model that `add` makes of input "x" and of them runs on "x.npy".
struct Case {
  Scratch scratch;
  ModelBuilder model;

  Case() {
    model.input("x", {2});
    Tensor x = *Tensor::allocate({DType::f32, {2}});
    x.mutate<float>()[0] = 1, x.mutate<float>()[1] = 2;
    EXPECT_TRUE(write_npy(scratch.path("x.npy"), x.view()).ok());
    scratch.write("w.bin", std::string("\0\0\x80?\0\0\0@", 8));
  }
  static void lies_at(onnx::TensorProto* tensor, const std::string& location) {
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->add_dims(2);
    tensor->set_data_location(onnx::TensorProto::EXTERNAL);
    auto* entry = tensor->add_external_data();
    entry->set_key("location"), entry->set_value(location);
  }
  void initializer(const std::string& name, const std::string& location) {
    onnx::TensorProto* tensor = model.graph().add_initializer();
    tensor->set_name(name);
    lies_at(tensor, location);
  }
  // A node that nobody needs; the loader skips it.
  void unneeded_constant(const std::string& location) {
    onnx::TensorProto tensor;
    lies_at(&tensor, location);
    model.node("Constant", {}, {"unneeded"}, {testing::attribute("value", tensor)});
  }
  // Killed if it waits.
  CommandResult call(const std::string& arguments) const {
    return run_shell(scratch, cat("timeout 60 " QUADLANE_COMMAND " ", arguments));
  }
  CommandResult run() const {
    return call(cat("run ", scratch.write("m.onnx", model.bytes()), " --no-tune --input ", scratch.path("x.npy"),
                    " --output-dir ", scratch.path("out"), " --provenance ", scratch.path("record.json")));
  }
  nlohmann::json record() const { return nlohmann::json::parse(*read_file(scratch.path("record.json"))); }
};

std::string fifo(const Scratch& scratch, const std::string& name) {
  EXPECT_EQ(::mkfifo(scratch.path(name).c_str(), 0600), 0);
  return scratch.path(name);
}

void expect_error(const CommandResult& r, const std::string& part) {
  EXPECT_EQ(r.code, 1) << r.err;
  EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
}

TEST(HostileFiles, ProvenanceNamesTheExternalDataThatIsRead) {
  Case c;
  c.initializer("w", "w.bin");
  c.initializer("unused", "/etc/hostname");
  c.model.node("Add", {"x", "w"}, {"y"}).output("y");
  const CommandResult r = c.run();
  ASSERT_EQ(r.code, 0) << r.err;
  const auto data = c.record()["external_data"];
  ASSERT_EQ(data.size(), 1u) << data;
  EXPECT_EQ(data[0]["name"], "w.bin");
  EXPECT_EQ(data[0]["sha256"], sha256_hex(*read_file(c.scratch.path("w.bin"))));
}

TEST(HostileFiles, ProvenanceReadsNothingOutsideOfTheModelsFolder) {
  for (const auto& [location, error] :
       {std::pair("/etc/hostname", "is not a relative path"), std::pair("pipe", "is not a regular file")}) {
    Case c;
    fifo(c.scratch, "pipe");
    c.unneeded_constant(location);
    c.model.node("Relu", {"x"}, {"y"}).output("y");
    expect_error(c.run(), cat("external data '", location, "' ", error));
    EXPECT_FALSE(exists(c.scratch.path("record.json")));
  }
}

TEST(HostileFiles, NamesMayBeNoUtf8AndNoOneLine) {
  Case c;
  c.model.node("Relu", {"x"}, {"\xff"}).output("\xff");
  const CommandResult r = c.run();
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(c.record()["outputs"][0]["name"], "\xef\xbf\xbd");
  EXPECT_TRUE(exists(c.scratch.path("out/_.npy")));
  EXPECT_EQ(json_text({{"a\xc3", "\x80"}}), "{\"a\xef\xbf\xbd\":\"\xef\xbf\xbd\"}");
}

TEST(HostileFiles, OutputsOfOneFileNameAreRefused) {
  Case c;
  c.model.node("Relu", {"x"}, {"a/\nb"}).node("Neg", {"x"}, {"a:\nb"}).output("a/\nb").output("a:\nb");
  expect_error(c.run(), "outputs 'a/ b' and 'a: b' would both be written to ");
  EXPECT_EQ(c.scratch.entries("out"), 0u);
}

TEST(HostileFiles, JsonIsNeitherDeepNorLarge) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_EQ(parse_json(deep, deep.size()).error().text(), "the JSON text nests deeper than 16");
  EXPECT_EQ(parse_json(deep, 1000).error().text(), "the JSON text has 200000 bytes, the limit is 1000");
  EXPECT_EQ(parse_json("[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]", 100)->size(), 1u);
  for (const std::string& unfinished : {std::string(100000, '['), std::string("{"), std::string()})
    EXPECT_FALSE(parse_json(unfinished, 1 << 20).ok());
  // As the value of a member, where members are copied and errors quote what they found.
  const std::string text = cat(R"({"quadlane_preprocessing": )", deep, "}");
  EXPECT_EQ(Preprocessing::parse(text).error().text(), "the JSON text nests deeper than 16");
  Case c;
  c.scratch.write("deep.json", deep);
  expect_error(c.call(cat("compare ", c.scratch.path("deep.json"), " ", c.scratch.path("deep.json"))),
               "deep.json': the JSON text nests deeper than 16");
}

TEST(HostileFiles, PipesAreNotWaitedFor) {
  Case c;
  c.scratch.make_dir("calib");
  for (const char* name : {"calib/a", "x.nii", "y.npy", "m.prep.json"}) fifo(c.scratch, name);
  std::filesystem::copy(c.scratch.path("x.npy"), c.scratch.path("calib/x.npy"));
  c.model.node("Relu", {"x"}, {"y"}).output("y");
  const std::string net = c.scratch.write("m.onnx", c.model.bytes()), out = c.scratch.path("q.onnx");
  // One in a folder of samples that is none by its name.
  expect_error(c.call(cat("quantize ", net, " --calib ", c.scratch.path("calib"), " -o ", out)),
               "m.prep.json' is not a regular file");
  const std::string run = cat("run ", net, " --output-dir ", c.scratch.path("out"), " --input ");
  expect_error(c.call(run + c.scratch.path("y.npy")), "y.npy' is not a regular file");
  expect_error(c.call(run + c.scratch.path("x.nii")), "x.nii': this is not a regular file");
  expect_error(c.call(run + c.scratch.path("calib/a")), "neither .npy nor .pb");
}

TEST(HostileFiles, LabelsAreClassNumbers) {
  Scratch scratch;
  const NiftiImage image = make_nifti({2, 1, 1, 1}, {1, 1, 1}, 0, {});
  PictureReader reader([] { return Preprocessing::parse(R"({"quadlane_preprocessing": 1, "steps": []})"); });
  const auto labels = [&](float last) {
    EXPECT_TRUE(write_nifti_f32(scratch.path("l.nii"), image, std::vector<float>{3, last}).ok());
    PictureReader fresh = reader;  // volumes are kept by name
    return fresh.read_labels(scratch.path("l.nii"), 0);
  };
  EXPECT_EQ(labels(7)->as<int32_t>()[1], 7);
  for (float bad : {1e20f, -1e20f, 0x1p31f})
    EXPECT_NE(labels(bad).error().text().find("l.nii' holds "), std::string::npos) << bad;
}

}  // namespace
}  // namespace quadlane::tools
