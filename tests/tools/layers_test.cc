// compare --layers: two graphs value by value.
#include "tools/compare/layers.h"

#include <gtest/gtest.h>

#include "graph/text.h"
#include "ops/table.h"

namespace quadlane::tools {
namespace {

// What equalization divided is multiplied again; an offset is an error, and two elements cannot tell.
TEST(CompareLayers, AFactorHidesNoOffset) {
  auto graph = [](const char* name, const char* factor, const char* offset) {
    return *parse_graph(
        cat("graph \"g\"\ninput %x: f32[1,2,4,4]\nconst %f: f32[1] = {", factor, "}\nconst %o: f32[1] = {", offset,
            "}\n%p: f32[1,2,4,4] = Mul(%x, %f) name=\"mul\"\n%", name,
            ": f32[1,2,4,4] = Add(%p, %o) name=\"add\"\n%few", name, ": f32[1,2,1,1] = GlobalAveragePool(%", name,
            ") name=\"mean\"\noutput %", name, "\noutput %few", name, "\n"),
        op_table());
  };
  std::vector<float> values;
  for (int i = 0; i < 32; ++i) values.push_back(static_cast<float>(i % 7) - 3);
  const std::vector<std::vector<Tensor>> inputs{{Tensor::from<float>({1, 2, 4, 4}, values)}};
  const Graph fp32 = graph("y", "2", "0");
  auto db = [&](const Graph& other) {
    const auto layers = *compare_layers(fp32, other, inputs);
    for (const LayerDifference& layer : layers) EXPECT_EQ(layer.judged, layer.name != "fewy") << layer.name;
    for (const LayerDifference& layer : layers)
      if (layer.name == "y") return layer.deviation.sqnr_db();
    return 0.0;
  };
  EXPECT_GT(db(graph("y_equalized", "0.5", "0")), 100);
  EXPECT_LT(db(graph("y_equalized", "0.5", "0.2")), 30);
}

// Bytes of equal scale on both sides: how many are the same, how many a level apart.
TEST(CompareLayers, CountsLevels) {
  auto graph = [](const char* factor, const char* scale) {
    return *parse_graph(
        cat("graph \"g\"\ninput %x: f32[1,1,1,4]\nconst %f: f32[1] = {", factor, "}\nconst %s: f32[] = {", scale,
            "}\nconst %z: u8[] = {0}\n%p: f32[1,1,1,4] = Mul(%x, %f) name=\"mul\"\n",
            "%q: u8[1,1,1,4] = QuantizeLinear(%p, %s, %z) name=\"q\"\noutput %q\n"),
        op_table());
  };
  const std::vector<std::vector<Tensor>> inputs{{Tensor::from<float>({1, 1, 1, 4}, std::vector<float>{0, 1, 10, 20})}};
  auto levels = [&](const Graph& other) { return levels_of(*compare_layers(graph("1", "1"), other, inputs)); };
  const Levels close = levels(graph("1.1", "1"));
  EXPECT_EQ(close.values, 4);
  EXPECT_EQ(close.equal, 2);
  EXPECT_EQ(close.within_one, 3);
  EXPECT_EQ(levels(graph("1", "2")).values, 0) << "levels of another scale";
}

}  // namespace
}  // namespace quadlane::tools
