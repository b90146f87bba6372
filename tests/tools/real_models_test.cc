// Trained models others made, on the engine's kernels, against outputs stored beside them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "engine/api/dynamic_model.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {
namespace fs = std::filesystem;

fs::path real_models() {
  const char* shared = std::getenv("QUADLANE_SHARED");
  fs::path root = shared ? fs::path(shared) : fs::path(QUADLANE_REPOSITORY).parent_path() / "shared";
  return root / "models" / "real";
}

Tensor widened(Tensor stored) {
  if (stored.dtype() != DType::f16) return stored;
  Tensor wide = *Tensor::allocate({DType::f32, stored.shape()});
  for (int64_t i = 0; i < stored.count(); ++i) wide.mutate<float>()[i] = half_to_float(stored.as<Half>()[i]);
  return wide;
}

// STEM0.npy, STEM1.npy, ... as far as they go.
std::vector<Tensor> numbered(const fs::path& folder, const std::string& stem) {
  std::vector<Tensor> tensors;
  while (true) {
    fs::path path = folder / cat(stem, tensors.size(), ".npy");
    if (!fs::exists(path)) return tensors;
    tensors.push_back(widened(*read_npy(path.string())));
  }
}

// Largest difference as a share of the wanted tensor's range.
double range_error(const Tensor& got, const Tensor& want) {
  double low = INFINITY, high = -INFINITY, worst = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double a = static_cast<double>(got.as<float>()[i]), b = static_cast<double>(want.as<float>()[i]);
    low = std::min(low, b), high = std::max(high, b);
    worst = std::isnan(a) ? INFINITY : std::max(worst, std::fabs(a - b));
  }
  return high > low ? worst / (high - low) : worst;
}

bool is_quantized(const fs::path& folder) { return fs::exists(folder / "output_noopt_0.npy"); }

void expect_golden(const fs::path& file, const fs::path& folder) {
  SCOPED_TRACE(folder.filename().string());
  DynamicOptions options;
  options.model.tune = false;
  auto model = DynamicModel::load(file.string(), options);
  ASSERT_TRUE(model.ok()) << model.error().text();
  std::vector<Tensor> inputs = numbered(folder, "input_");
  std::vector<View> views;
  for (const Tensor& input : inputs) views.push_back(input.view());
  DynamicStream stream = model->open_stream();
  auto got = stream.run(views);
  ASSERT_TRUE(got.ok()) << got.error().text();
  std::vector<Tensor> want = numbered(folder, is_quantized(folder) ? "output_noopt_" : "output_");
  ASSERT_EQ(got->size(), want.size());
  // Quantized: a value halfway between two steps may round either way in another fp32 order, and steps add up. Outputs
  // stored in half precision have 11 bits.
  const bool half = read_npy((folder / "output_0.npy").string())->dtype() == DType::f16;
  const double tolerance = is_quantized(folder) ? 0.02 : half ? 1e-3 : 1e-4;
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ((*got)[i].shape(), want[i].shape()) << "output " << i;
    EXPECT_LE(range_error((*got)[i], want[i]), tolerance) << "output " << i;
  }
}

TEST(RealModels, GoldenOutputs) {
  const fs::path models = real_models();
  if (!fs::is_directory(models / "golden")) GTEST_SKIP() << "no shared models (QUADLANE_SHARED)";
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(models / "golden")) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) expect_golden(models / (folder.filename().string() + ".onnx"), folder);
}

// Every model compiles at some shape: what a file leaves open is bound to 64.
TEST(RealModels, AllCompile) {
  const fs::path models = real_models();
  if (!fs::is_directory(models)) GTEST_SKIP() << "no shared models (QUADLANE_SHARED)";
  DynamicOptions options;
  options.model.tune = false;
  for (const auto& entry : fs::directory_iterator(models)) {
    const fs::path file = fs::is_directory(entry.path()) ? entry.path() / "model.onnx" : entry.path();
    if (file.extension() != ".onnx" || !fs::exists(file)) continue;
    SCOPED_TRACE(file.string());
    auto model = DynamicModel::load(file.string(), options);
    ASSERT_TRUE(model.ok()) << model.error().text();
    std::vector<Shape> shapes;
    for (const InputSpec& input : model->inputs()) {
      Shape shape;
      for (size_t i = 0; i < input.dims.size(); ++i)
        shape.push_back(!input.dims[i].is_open() ? input.dims[i].extent : i == 0 ? 1 : 64);
      shapes.push_back(std::move(shape));
    }
    auto compiled = model->specialize(shapes);
    EXPECT_TRUE(compiled.ok()) << compiled.error().text();
  }
}

}  // namespace
}  // namespace quadlane::tools
