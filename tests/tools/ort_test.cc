// End to end against ONNX Runtime, where tools/setup --peers has installed it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/tools/command.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

const std::string kModel = QUADLANE_REPOSITORY "/tools/showcase/model/cardiac_dense_unet.onnx";

// A bright disc with a dark rim on a ramp: something like a slice, different for each seed.
std::string write_image(const Scratch& scratch, const std::string& name, int seed) {
  Tensor tensor = *Tensor::allocate({DType::f32, {1, 1, 192, 192}});
  for (int y = 0; y < 192; ++y)
    for (int x = 0; x < 192; ++x) {
      double r = std::hypot(x - 90 - 5 * seed, y - 100 + 3 * seed),
             grain = ((x * 131 + y * 17 + seed * 7) % 29) / 290.0;
      double value = r < 25 ? 0.9 : r < 33 ? 0.15 : 0.2 + 0.002 * x;
      tensor.mutate<float>()[192 * y + x] = static_cast<float>(value + grain);
    }
  EXPECT_TRUE(write_npy(scratch.path(name), tensor.view()).ok());
  return scratch.path(name);
}

class OnnxRuntime : public testing::Test {
 protected:
  // The logits of both engines on one image; skips where ONNX Runtime is absent.
  void run_both(const std::string& model) {
    std::string image = write_image(scratch_, "x.npy", 0);
    CommandResult theirs = run_shell(scratch_, cat("node ", QUADLANE_REPOSITORY, "/tools/ort_run.mjs ", model,
                                                   " --input ", image, " --output-dir ", scratch_.path("theirs")));
    if (theirs.code == 3 || theirs.code == 127) GTEST_SKIP() << "ONNX Runtime is not installed (tools/setup --peers)";
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    CommandResult ours =
        quadlane(scratch_, cat("run ", model, " --input ", image, " --output-dir ", scratch_.path("ours")));
    ASSERT_EQ(ours.code, 0) << ours.err;
    ours_ = *read_npy(scratch_.path("ours/logits.npy"));
    theirs_ = *read_npy(scratch_.path("theirs/logits.npy"));
    ASSERT_EQ(ours_.type(), theirs_.type());
  }
  std::string quantized(const std::string& form) {
    scratch_.make_dir("calib");
    for (int i = 0; i < 3; ++i) write_image(scratch_, cat("calib/", i, ".npy"), i);
    CommandResult r = quadlane(scratch_, cat("quantize ", kModel, " --calib ", scratch_.path("calib"), " --for ", form,
                                             " -o ", scratch_.path("q.onnx")));
    EXPECT_EQ(r.code, 0) << r.err;
    return scratch_.path("q.onnx");
  }
  // 99.9 % of the quantized outputs are at most one step of their channel's scale apart.
  void expect_one_step() {
    int64_t pixels = 192 * 192, far = 0;
    for (int c = 0; c < 4; ++c) {
      std::vector<float> values(theirs_.as<float>() + c * pixels, theirs_.as<float>() + (c + 1) * pixels);
      std::sort(values.begin(), values.end());
      float step = INFINITY;
      for (size_t i = 1; i < values.size(); ++i)
        if (values[i] - values[i - 1] > 1e-4f) step = std::min(step, values[i] - values[i - 1]);
      for (int64_t i = c * pixels; i < (c + 1) * pixels; ++i)
        far += std::fabs(ours_.as<float>()[i] - theirs_.as<float>()[i]) > 1.01f * step;
    }
    EXPECT_LE(far, 4 * pixels / 1000);
  }

  Scratch scratch_;
  Tensor ours_, theirs_;
};

TEST_F(OnnxRuntime, Fp32Agrees) {
  run_both(kModel);
  if (IsSkipped() || HasFatalFailure()) return;
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < ours_.count(); ++i) {
    worst = std::max<double>(worst, std::fabs(ours_.as<float>()[i] - theirs_.as<float>()[i]));
    largest = std::max<double>(largest, std::fabs(theirs_.as<float>()[i]));
  }
  EXPECT_LT(worst, 1e-4 * largest);
}

TEST_F(OnnxRuntime, Int8AgreesToOneStep) {
  run_both(quantized("quadlane"));
  if (IsSkipped() || HasFatalFailure()) return;
  expect_one_step();
}

TEST_F(OnnxRuntime, Int8ForAnyAgreesToOneStep) {
  run_both(quantized("any"));
  if (IsSkipped() || HasFatalFailure()) return;
  expect_one_step();
}

}  // namespace
}  // namespace quadlane::tools
