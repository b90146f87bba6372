// Agreement with ONNX Runtime on the synthetic networks, at a size the interpreter computes in a moment: the network is
// loaded at 64 x 64, written by save_onnx and run by ONNX Runtime from that file, so the writer is judged too.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "loader/load.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/loader/shared_data.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;

// Runs ort_plain.mjs; its exit code, 3 where ONNX Runtime is not installed.
int run_ort(const fs::path& model, const fs::path& input, const fs::path& output) {
  std::string command = cat("node '", (repository() / "tests" / "loader" / "ort_plain.mjs").string(), "' '",
                            model.string(), "' '", input.string(), "' '", output.string(), "' >/dev/null 2>&1");
  int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class OrtAgreement : public ::testing::TestWithParam<const char*> {};

TEST_P(OrtAgreement, Synthetic) {
  fs::path shared = shared_directory(), model = shared / "models" / "synthetic" / (std::string(GetParam()) + ".onnx");
  if (shared.empty() || !fs::exists(model)) GTEST_SKIP() << "no shared data (QUADLANE_SHARED)";
  LoadOptions options;
  options.shapes["x"] = {1, 1, 64, 64};
  auto graph = load_onnx(model.string(), op_table(), options);
  ASSERT_TRUE(graph.ok()) << graph.error().text();

  fs::path directory = fs::path(::testing::TempDir()) / cat("quadlane_ort_", GetParam());
  fs::remove_all(directory);
  fs::create_directories(directory);
  auto x = Tensor::allocate({DType::f32, {1, 1, 64, 64}});
  std::mt19937 random(1);
  for (int64_t i = 0; i < x->count(); ++i) x->mutate<float>()[i] = static_cast<float>(random() % 2001) / 500 - 2;
  write_npy_f32(directory / "x.npy", *x);
  std::string saved = (directory / "m.onnx").string();
  Status written = save_onnx(*graph, saved);
  ASSERT_TRUE(written.ok()) << written.error().text();
  int code = run_ort(saved, directory / "x.npy", directory / "y.npy");
  if (code == 3 || code == 127) GTEST_SKIP() << "ONNX Runtime is not installed (tools/setup --peers)";
  ASSERT_EQ(code, 0) << "ONNX Runtime does not run what save_onnx wrote";

  auto y = interpret(*graph, op_table(), std::vector<Tensor>{*x});
  ASSERT_TRUE(y.ok()) << y.error().text();
  ASSERT_EQ(y->size(), 1u);
  auto expected = read_npy_floats(directory / "y.npy");
  ASSERT_TRUE(expected.has_value());
  ASSERT_EQ((*y)[0].type(), expected->type());
  double peak = 0, worst = 0, error = 0, power = 0;
  for (int64_t i = 0; i < expected->count(); ++i) {
    double a = (*y)[0].as<float>()[i], b = expected->as<float>()[i];
    peak = std::max(peak, std::abs(b));
    worst = std::max(worst, std::abs(a - b));
    error += (a - b) * (a - b);
    power += b * b;
  }
  fs::remove_all(directory);
  double snr_db = 10 * std::log10(power / std::max(error, 1e-30));
  std::printf("%-28s largest difference %.3g of %.3g, %.1f dB\n", GetParam(), worst, peak, snr_db);
  // Quantized: linear resizing of quantized values makes many exact halves, which fall either way by the order of the
  // fp32 operations; up to there every u8 value is equal.
  bool quantized = std::string(GetParam()).find("qdq") != std::string::npos;
  EXPECT_GT(snr_db, quantized ? 30 : 90);
}

INSTANTIATE_TEST_SUITE_P(Models, OrtAgreement,
                         ::testing::Values("dense_unet_post_224", "dense_unet_pre_224", "fc_densenet56_288",
                                           "dense_unet_post_224.qdq", "dense_unet_pre_224.qdq",
                                           "fc_densenet56_288.qdq"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name)
                             if (c == '.') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace quadlane::testing
