// Quantized models as others made them: every output value within one level of ONNX Runtime's, for 99.9 % of them. The
// level is the scale of the DequantizeLinear behind the output, or a 255th of its range. ONNX Runtime's results lie in
// the shared data, computed without graph optimizations, or are computed here where it is installed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "loader/load.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

struct QuantizedModel {
  std::string file;    // below models/
  std::string golden;  // directory with input_0.npy and output_noopt_0.npy; empty: computed here
  Shape shape;         // of the input that is made up
  std::string input;   // its name where its shape must be given
  std::string twin;    // the model ONNX Runtime computes, where it is another form of the same

  friend void PrintTo(const QuantizedModel& m, std::ostream* os) { *os << m.file; }
};

// The scale of the dequantization that makes output 0, or a 255th of what it spans.
float level_of(const std::string& model, const std::string& shape_of, const Shape& shape, const Tensor& expected) {
  LoadOptions options;
  if (!shape_of.empty()) options.shapes[shape_of] = shape;
  auto graph = load_onnx(model, op_table(), options);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  if (graph.ok())
    if (const Node* last = graph->producer(graph->outputs()[0]); last && last->op == "DequantizeLinear")
      if (const Tensor* scale = graph->constant(last->input(1))) return scale->as<float>()[0];
  auto [least, most] = std::minmax_element(expected.as<float>(), expected.as<float>() + expected.count());
  return (*most - *least) / 255;
}

// Waves with some grain in 0..1, the same on every machine.
Tensor made_up(const Shape& shape) {
  Tensor t = *Tensor::allocate({DType::f32, shape});
  const int64_t h = shape[2], w = shape[3];
  for (int64_t i = 0; i < t.count(); ++i) {
    const double y = static_cast<double>(i / w % h), x = static_cast<double>(i % w);
    const double grain = static_cast<double>(i * 131 % 29) / 290;
    t.mutate<float>()[i] = static_cast<float>(0.45 + 0.4 * std::sin(x / 7) * std::cos(y / 9) + grain);
  }
  return t;
}

class QuantizedModels : public testing::TestWithParam<QuantizedModel> {};

TEST_P(QuantizedModels, AgreeWithOnnxRuntime) {
  const QuantizedModel& m = GetParam();
  const char* shared = std::getenv("QUADLANE_SHARED");
  const std::string models = shared ? cat(shared, "/models/") : "", file = models + m.file;
  if (!shared || !std::filesystem::exists(file)) GTEST_SKIP() << "QUADLANE_SHARED names no directory with " << m.file;
  Scratch scratch;
  std::string input = cat(models, m.golden, "/input_0.npy"), expected = cat(models, m.golden, "/output_noopt_0.npy");
  if (m.golden.empty()) {
    input = scratch.path("x.npy");
    ASSERT_TRUE(write_npy(input, made_up(m.shape).view()).ok());
    CommandResult theirs = run_shell(
        scratch, cat("node ", QUADLANE_REPOSITORY, "/tools/ort_run.mjs ", m.twin.empty() ? file : models + m.twin,
                     " --input ", input, " --level disabled --output-dir ", scratch.path("theirs")));
    if (theirs.code == 3 || theirs.code == 127) GTEST_SKIP() << "ONNX Runtime is not installed (tools/setup --peers)";
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    expected = std::filesystem::directory_iterator(scratch.path("theirs"))->path();
  }
  CommandResult ours = quadlane(scratch, cat("run ", file, " --input ", input, " --output-dir ", scratch.path("ours")));
  ASSERT_EQ(ours.code, 0) << ours.err;
  Tensor a = *read_npy(std::filesystem::directory_iterator(scratch.path("ours"))->path()), b = *read_npy(expected);
  ASSERT_EQ(a.count(), b.count());
  const float level = level_of(file, m.input, m.shape, b);
  int64_t near = 0;
  for (int64_t i = 0; i < a.count(); ++i) near += std::fabs(a.as<float>()[i] - b.as<float>()[i]) <= 1.001f * level;
  EXPECT_GE(static_cast<double>(near), 0.999 * static_cast<double>(a.count()));
}

INSTANTIATE_TEST_SUITE_P(
    Shared, QuantizedModels,
    testing::Values(QuantizedModel{"real/micro_kws_m_qdq.onnx", "real/golden/micro_kws_m_qdq", {}, "", ""},
                    QuantizedModel{"real/micro_kws_m_qoperator.onnx", "real/golden/micro_kws_m_qoperator", {}, "", ""},
                    QuantizedModel{
                        "real/neu_defect_v5_qoperator.onnx", "real/golden/neu_defect_v5_qoperator", {}, "", ""},
                    QuantizedModel{"real/retina_unet_drive_int8_qdq.onnx", "", {1, 1, 192, 192}, "image", ""},
                    // ONNX Runtime's QLinearConv saturates in 16 bits without VNNI, its Q/DQ form does not.
                    QuantizedModel{"real/retina_unet_drive_int8_qoperator.onnx",
                                   "",
                                   {1, 1, 192, 192},
                                   "image",
                                   "real/retina_unet_drive_int8_qdq.onnx"}));

}  // namespace
}  // namespace quadlane::tools
