// The "light" models of an ONNX release: classifiers with constant weights, whose outputs were made by ONNX's own
// reference. Inputs are 0, 1/n, 2/n, ... as ONNX's runner makes them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "engine/api/engine.h"
#include "loader/tensor_file.h"

namespace quadlane {
namespace {

namespace fs = std::filesystem;

fs::path light_models() {
  const char* data = std::getenv("QUADLANE_DATA");
  return data ? fs::path(data) / "conformance" / "onnx-1.17.0" / "light" : fs::path();
}

Tensor ramp(const TensorType& type) {
  std::vector<float> values(static_cast<size_t>(type.count()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(values.size()));
  return Tensor::from<float>(type.shape, values);
}

TEST(LightModels, AgreeWithTheOnnxReference) {
  if (!fs::is_directory(light_models())) GTEST_SKIP() << "no unpacked ONNX release in QUADLANE_DATA";
  int models = 0;
  for (const auto& entry : fs::directory_iterator(light_models())) {
    if (entry.path().extension() != ".onnx") continue;
    SCOPED_TRACE(entry.path().filename().string());
    ModelOptions options;
    options.tune = false;
    auto model = Model::load(entry.path().string(), options);
    ASSERT_TRUE(model.ok()) << model.error().text();
    auto stream = model->open_stream({.threads = 1});
    ASSERT_TRUE(stream.ok()) << stream.error().text();
    Tensor x = ramp(model->inputs()[0].type), y = *Tensor::allocate(model->outputs()[0].type);
    View in = x.view();
    MutView out = y.mut_view();
    ASSERT_TRUE(stream->run({&in, 1}, {&out, 1}).ok());
    auto expected = read_tensor_pb((light_models() / (entry.path().stem().string() + "_output_0.pb")).string());
    ASSERT_TRUE(expected.ok()) << expected.error().text();
    ASSERT_EQ(y.type(), expected->type());
    for (int64_t i = 0; i < y.count(); ++i)
      ASSERT_NEAR(y.as<float>()[i], expected->as<float>()[i], 1e-7 + 1e-3 * std::abs(expected->as<float>()[i])) << i;
    ++models;
  }
  EXPECT_GT(models, 0);
}

}  // namespace
}  // namespace quadlane
