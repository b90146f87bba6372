// End to end against ONNX Runtime, where tools/setup --peers has installed it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/base/cpu.h"
#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

const std::string kModel = QUADLANE_REPOSITORY "/tools/showcase/model/cardiac_dense_unet.onnx";

// A bright disc with a dark rim on a ramp: something like a slice, different for each seed. The grain is irrational: no
// pixel lies on a tie, which a division by the scale and a multiplication by its reciprocal may round differently.
std::string write_image(const Scratch& scratch, const std::string& name, int seed) {
  Tensor tensor = *Tensor::allocate({DType::f32, {1, 1, 192, 192}});
  for (int y = 0; y < 192; ++y)
    for (int x = 0; x < 192; ++x) {
      double r = std::hypot(x - 90 - 5 * seed, y - 100 + 3 * seed),
             grain = std::fmod(std::sqrt(2) * (x * 131 + y * 17 + seed * 7), 1) / 10;
      double value = r < 25 ? 0.9 : r < 33 ? 0.15 : 0.2 + 0.002 * x;
      tensor.mutate<float>()[192 * y + x] = static_cast<float>(value + grain);
    }
  EXPECT_TRUE(write_npy(scratch.path(name), tensor.view()).ok());
  return scratch.path(name);
}

class OnnxRuntime : public testing::Test {
 protected:
  // The logits of both engines on one image; skips where ONNX Runtime is absent.
  void run_both(const std::string& model, const std::string& level = "all") {
    std::string image = write_image(scratch_, "x.npy", 0);
    CommandResult theirs =
        run_shell(scratch_, cat("node ", QUADLANE_REPOSITORY, "/tools/ort_run.mjs ", model, " --input ", image,
                                " --level ", level, " --output-dir ", scratch_.path("theirs")));
    if (theirs.code == 3 || theirs.code == 127) GTEST_SKIP() << "ONNX Runtime is not installed (tools/setup --peers)";
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    CommandResult ours =
        quadlane(scratch_, cat("run ", model, " --input ", image, " --output-dir ", scratch_.path("ours")));
    ASSERT_EQ(ours.code, 0) << ours.err;
    ours_ = *read_npy(scratch_.path("ours/logits.npy"));
    theirs_ = *read_npy(scratch_.path("theirs/logits.npy"));
    ASSERT_EQ(ours_.type(), theirs_.type());
  }
  std::string quantized(const std::string& form, const std::string& more = "", const std::string& model = kModel) {
    scratch_.make_dir("calib");
    for (int i = 0; i < 3; ++i) write_image(scratch_, cat("calib/", i, ".npy"), i);
    CommandResult r = quadlane(scratch_, cat("quantize ", model, " --calib ", scratch_.path("calib"), " --for ", form,
                                             " -o ", scratch_.path("q.onnx"), " ", more));
    EXPECT_EQ(r.code, 0) << r.err;
    return scratch_.path("q.onnx");
  }
  // Share of the logits that are more than `steps` 256ths of their whole range apart.
  double far_share(float steps = 1) const {
    auto [least, most] = std::minmax_element(theirs_.as<float>(), theirs_.as<float>() + theirs_.count());
    int64_t far = 0;
    for (int64_t i = 0; i < ours_.count(); ++i)
      far += std::fabs(ours_.as<float>()[i] - theirs_.as<float>()[i]) > steps * (*most - *least) / 256;
    return static_cast<double>(far) / static_cast<double>(ours_.count());
  }
  // Share of the pixels whose class is the same.
  double same_class() const {
    int64_t pixels = 192 * 192, same = 0;
    auto best = [&](const Tensor& t, int64_t i) {
      int k = 0;
      for (int c = 1; c < 4; ++c)
        if (t.as<float>()[c * pixels + i] > t.as<float>()[k * pixels + i]) k = c;
      return k;
    };
    for (int64_t i = 0; i < pixels; ++i) same += best(ours_, i) == best(theirs_, i);
    return static_cast<double>(same) / static_cast<double>(pixels);
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

// 41 layers carry on each rounding that falls the other way: 1.4 % of the logits are a step apart, none 2.4; either
// engine is 3 from fp32.
TEST_F(OnnxRuntime, Int8Agrees) {
  run_both(quantized("quadlane"));
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_LE(far_share(), 0.03);
  EXPECT_EQ(far_share(4), 0);
  EXPECT_GE(same_class(), 0.995);
}

// Factors of sums are the same floats, linear upsampling is kept off ties: 41 layers and not a byte differs.
TEST_F(OnnxRuntime, TheFormForAnyGivesTheSameBytes) {
  if (!detect_cpu().runs(Isa::avx512_vnni)) GTEST_SKIP() << "without VNNI ONNX Runtime saturates sums of two products";
  run_both(quantized("any"));
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_EQ(far_share(0.001f), 0);
}

TEST_F(OnnxRuntime, LayersKeptInF32Agree) {
  run_both(quantized("quadlane",
                     "--keep-f32 /stem/Conv --keep-f32 /head/head.2/Conv --keep-f32 /up.3/layers.1/layers.1.2/Conv"));
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_LE(far_share(), 0.001);
  EXPECT_GE(same_class(), 0.995);
}

// Fully connected layers, in either form: integers here, and whatever ONNX Runtime makes of them there.
TEST_F(OnnxRuntime, FullyConnectedLayersAgree) {
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,1,192,192]
const %k: f32[16,1,5,5] = random(1)
const %v: f32[24,16] = random(2)
const %b: f32[24] = random(3)
const %w: f32[24,10] = random(4)
%c = Conv(%image, %k) strides=[4,4]
%r = Relu(%c)
%p = GlobalAveragePool(%r)
%f = Flatten(%p)
%h = Gemm(%f, %v, %b) transB=1
%a = Relu(%h)
%logits: f32[1,10] = MatMul(%a, %w)
output %logits
)",
                           op_table());
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(save_onnx(*graph, scratch_.path("net.onnx")).ok());
  for (const char* form : {"quadlane", "any"}) {
    run_both(quantized(form, "", scratch_.path("net.onnx")));
    if (IsSkipped() || HasFatalFailure()) return;
    EXPECT_EQ(far_share(), 0) << form;
  }
}

// One scale for whole groups of tensors is coarse, and each rounding that falls the other way is carried on. Not fused,
// because without VNNI ONNX Runtime's integer kernels saturate in 16 bits, which is another function.
TEST_F(OnnxRuntime, Int8ForAnyAgrees) {
  run_both(quantized("any"), "disabled");
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_GE(same_class(), 0.97);
}

}  // namespace
}  // namespace quadlane::tools
