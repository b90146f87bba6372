// How a quantized network is judged: by its outputs, or by what a classifier's few scores are made of.
#include "tools/cli/output_error.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "graph/text.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/features.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

// Features of 16 channels and 25 pixels, their means, two scores.
Graph classifier() {
  return *parse_graph(R"(graph "net"
input %image: f32[1,3,10,10]
const %w1: f32[16,3,3,3] = random(1)
const %w2: f32[16,2] = random(2)
const %shape: s64[2] = {1,16}
%a: f32[1,16,5,5] = Conv(%image, %w1) pads=[1,1,1,1] strides=[2,2]
%features: f32[1,16,5,5] = Relu(%a)
%pooled: f32[1,16,1,1] = GlobalAveragePool(%features)
%row: f32[1,16] = Reshape(%pooled, %shape)
%scores: f32[1,2] = MatMul(%row, %w2)
%shares: f32[1,2] = Softmax(%scores)
output %shares
)",
                      op_table());
}

std::vector<std::vector<Tensor>> pictures(uint32_t count, uint32_t seed) {
  std::vector<std::vector<Tensor>> samples;
  for (uint32_t i = 0; i < count; ++i) samples.push_back({*random_tensor({DType::f32, {1, 3, 10, 10}}, seed + i % 12)});
  return samples;
}

double scatter(const std::vector<double>& db) {
  const auto [least, most] = std::minmax_element(db.begin(), db.end());
  return *most - *least;
}

TEST(OutputError, FewNumbersAreJudgedByTheFeaturesTheyAreMadeOf) {
  const Graph fp32 = classifier();
  QuantReport report;
  auto int8 = quantize(fp32, op_table(), *calibrate(fp32, pictures(12, 100)), {}, &report);
  ASSERT_TRUE(int8.ok());
  EXPECT_EQ(features_of(fp32, *fp32.find("scores"), report.values), "features");
  EXPECT_EQ(features_of(fp32, *fp32.find("features"), report.values), "") << "400 elements say enough";

  auto error = OutputError::against(fp32, pictures(12, 200), report.values);
  ASSERT_TRUE(error.ok());
  const std::vector<double> features = *error->sqnr_db(*int8, report.values);
  ASSERT_EQ(features.size(), 12u);
  EXPECT_LT(scatter(features), 5) << "the two scores' error scatters by 24 dB";
  for (double db : features) EXPECT_GT(db, 30);
}

// What is judged is the rounding: a sample's copies differ in it, and their mean scatters less than one copy.
TEST(OutputError, CopiesOfFewSamplesAreAveraged) {
  const Graph fp32 = classifier();
  auto int8 = quantize(fp32, op_table(), *calibrate(fp32, pictures(12, 100)), {});
  ASSERT_TRUE(int8.ok());
  auto judged = [&](uint32_t count) {
    auto error = OutputError::against(fp32, pictures(count, 300), {});
    EXPECT_EQ(error->inputs(), count);
    return *error->sqnr_db(*int8, {});
  };
  std::vector<double> few = judged(12), many = judged(96);
  EXPECT_LT(scatter(few), scatter(many)) << "of many samples there are no copies";
  EXPECT_EQ(judged(12), few);
}

}  // namespace
}  // namespace quadlane::tools
