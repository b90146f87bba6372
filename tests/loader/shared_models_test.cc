// Models others made: every one loads and verifies, or is refused with one sentence; where an expected output of ONNX
// Runtime lies beside it, the interpreter reproduces it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "graph/text.h"
#include "graph/verify.h"
#include "loader/onnx_model.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/loader/shared_data.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> models_in(const fs::path& directory) {
  std::vector<fs::path> models;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.path().extension() == ".onnx") models.push_back(entry.path());
  std::sort(models.begin(), models.end());
  return models;
}

// Written and read again it is the same graph: equal text, equal bytes of constants.
void expect_round_trip(const Graph& graph, const fs::path& path) {
  auto bytes = save_onnx_bytes(graph);
  ASSERT_TRUE(bytes.ok()) << path << ": " << bytes.error().text();
  auto back = load_onnx_bytes(*bytes, op_table());
  ASSERT_TRUE(back.ok()) << path << ": " << back.error().text();
  auto again = save_onnx_bytes(*back);
  ASSERT_TRUE(again.ok()) << path << ": " << again.error().text();
  EXPECT_TRUE(*bytes == *again) << path << " changes when it is written a second time";
}

TEST(SharedModels, LoadVerifyAndRoundTrip) {
  fs::path shared = shared_directory();
  if (shared.empty()) GTEST_SKIP() << "no shared data (QUADLANE_SHARED)";
  for (const fs::path& path : models_in(shared / "models")) {
    std::string name = fs::relative(path, shared / "models").string();
    auto graph = load_onnx(path.string(), op_table());
    if (graph.ok()) {
      Status valid = verify(*graph, op_table());
      EXPECT_TRUE(valid.ok()) << name << ": " << valid.error().text();
      expect_round_trip(*graph, path);
      std::printf("%-55s %5zu nodes\n", name.c_str(), graph->node_count());
    } else {
      std::string error = graph.error().text();
      error = error.substr(error.find(": ") + 2);
      std::printf("%-55s refused: %s\n", name.c_str(), error.c_str());
      EXPECT_EQ(error.find('\n'), std::string::npos);
      EXPECT_NE(name.rfind("synthetic", 0), 0u) << name << ": " << error;
    }
  }
}

// The inputs of a golden example: input_0.npy, input_1.npy, ...
std::vector<Tensor> numbered(const fs::path& directory, const char* stem) {
  std::vector<Tensor> tensors;
  for (int i = 0;; ++i) {
    auto tensor = read_npy_floats(directory / cat(stem, i, ".npy"));
    if (!tensor) return tensors;
    tensors.push_back(*std::move(tensor));
  }
}

void expect_golden(const fs::path& model, const fs::path& golden) {
  std::vector<Tensor> inputs = numbered(golden, "input_"), expected = numbered(golden, "output_");
  std::string name = golden.filename().string();
  if (inputs.empty() || expected.empty()) {
    std::printf("%-42s no float arrays\n", name.c_str());
    return;
  }
  LoadOptions options;  // some models leave height and width open
  auto file = OnnxModel::read(model.string());
  if (file.ok() && file->inputs().size() == inputs.size())
    for (size_t i = 0; i < inputs.size(); ++i) options.shapes[file->inputs()[i].name] = inputs[i].shape();
  auto graph = load_onnx(model.string(), op_table(), options);
  if (!graph.ok()) {
    std::printf("%-42s %s\n", name.c_str(), graph.error().text().c_str());
    return;
  }
  auto got = interpret(*graph, op_table(), inputs);
  ASSERT_TRUE(got.ok()) << name << ": " << got.error().text();
  ASSERT_EQ(got->size(), expected.size()) << name;
  bool quantized = name.find("q") != std::string::npos && name != "squeezenet_imagenet_fp32_from_fp16";
  for (size_t i = 0; i < expected.size(); ++i) {
    double peak = 0;
    for (float v : expected[i].span<float>()) peak = std::max(peak, std::abs(double{v}));
    // Integer models: a value halfway between two steps may round either way in another fp32 order.
    std::string wrong = difference((*got)[i], expected[i], 1e-3, quantized ? 0.02 * peak : 1e-4 * peak);
    EXPECT_TRUE(wrong.empty()) << name << " output " << i << ": " << wrong;
  }
  std::printf("%-42s %zu outputs agree\n", name.c_str(), expected.size());
}

TEST(SharedModels, GoldenOutputs) {
  fs::path shared = shared_directory(), golden = shared / "models" / "real" / "golden";
  if (shared.empty() || !fs::is_directory(golden)) GTEST_SKIP() << "no shared data (QUADLANE_SHARED)";
  std::vector<fs::path> examples;
  for (const auto& entry : fs::directory_iterator(golden)) examples.push_back(entry.path());
  std::sort(examples.begin(), examples.end());
  for (const fs::path& example : examples)
    expect_golden(shared / "models" / "real" / (example.filename().string() + ".onnx"), example);
}

}  // namespace
}  // namespace quadlane::testing
