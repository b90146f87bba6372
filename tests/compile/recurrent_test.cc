// LSTM, GRU and RNN against their references: random shapes and attributes, both instruction sets, several threads.
#include <gtest/gtest.h>

#include <random>

#include "graph/text.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {
namespace {

using Rng = std::mt19937;
int64_t pick(Rng& rng, int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng); }

ValueId weights(Graph& g, Rng& rng, const Shape& shape, double reach) {
  std::vector<float> values(static_cast<size_t>(elements(shape)));
  for (float& v : values) v = static_cast<float>(std::uniform_real_distribution<double>(-reach, reach)(rng));
  return g.add_constant("w", Tensor::from<float>(shape, values));
}

std::string some_functions(Rng& rng, size_t count) {
  constexpr const char* kNames[] = {"Sigmoid",    "Tanh",        "Relu", "Affine",   "LeakyRelu", "ThresholdedRelu",
                                    "ScaledTanh", "HardSigmoid", "Elu",  "Softsign", "Softplus"};
  std::string names;
  for (size_t i = 0; i < count; ++i) names += cat(i ? " " : "", kNames[rng() % std::size(kNames)]);
  return names;
}

struct Sizes {
  int64_t positions, batch, inputs, hidden;
};

// A layer of random attributes and optional inputs.
Graph layer(const std::string& op, Rng& rng, const Sizes& s) {
  const int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  const int64_t way = pick(rng, 0, 2), directions = way == 2 ? 2 : 1;
  const bool batchwise = rng() % 3 == 0;
  const Shape state = batchwise ? Shape{s.batch, directions, s.hidden} : Shape{directions, s.batch, s.hidden};
  Graph g;
  Node node{"n", op, {}, {}, {}};
  node.inputs = {g.add_input("x", {DType::f32, batchwise ? Shape{s.batch, s.positions, s.inputs}
                                                         : Shape{s.positions, s.batch, s.inputs}}),
                 weights(g, rng, {directions, gates * s.hidden, s.inputs}, 0.5),
                 weights(g, rng, {directions, gates * s.hidden, s.hidden}, 1.0 / static_cast<double>(s.hidden)),
                 kNoValue,
                 kNoValue,
                 kNoValue};
  if (rng() % 4) node.inputs[3] = weights(g, rng, {directions, 2 * gates * s.hidden}, 0.5);
  if (rng() % 3 == 0) {
    std::vector<int32_t> lengths;
    for (int64_t i = 0; i < s.batch; ++i) lengths.push_back(static_cast<int32_t>(pick(rng, 0, s.positions)));
    node.inputs[4] = g.add_constant("lengths", Tensor::from<int32_t>({s.batch}, lengths));
  }
  if (rng() % 2) node.inputs[5] = g.add_input("h", {DType::f32, state});
  if (op == "LSTM") {
    node.inputs.push_back(rng() % 2 ? g.add_input("c", {DType::f32, state}) : kNoValue);
    if (rng() % 2) node.inputs.push_back(weights(g, rng, {directions, 3 * s.hidden}, 0.5));
    node.attrs.set("input_forget", static_cast<int64_t>(rng() % 4 == 0));
  }
  constexpr const char* kWays[] = {"forward", "reverse", "bidirectional"};
  node.attrs.set("direction", std::string(kWays[way]));
  node.attrs.set("layout", static_cast<int64_t>(batchwise));
  node.attrs.set("hidden_size", s.hidden);
  if (op == "GRU") node.attrs.set("linear_before_reset", static_cast<int64_t>(rng() % 2));
  if (rng() % 4 == 0) node.attrs.set("clip", 0.25f);
  if (rng() % 3 == 0) {
    node.attrs.set("activations",
                   some_functions(rng, static_cast<size_t>(directions * std::max<int64_t>(gates - 1, 1))));
    node.attrs.set("activation_alpha", std::vector<float>{0.5f, 0.75f});
    node.attrs.set("activation_beta", std::vector<float>{0.25f});
  }
  auto y = add_op(g, op_table(), std::move(node));
  EXPECT_TRUE(y.ok()) << y.error().text();
  g.set_outputs(g.at(g.at(*y).producer).outputs);
  return g;
}

void check(const std::string& op) {
  for (Isa isa : {Isa::avx2, Isa::avx512}) {
    Rng rng(11);
    for (int i = 0; i < 40; ++i) {
      const Graph g = layer(op, rng,
                            {pick(rng, 1, 7), rng() % 2 ? 1 : pick(rng, 2, 15), pick(rng, 1, 40),
                             rng() % 4 ? pick(rng, 1, 40) : pick(rng, 100, 200)});
      PlanCheck c{.isa = isa, .threads = 1 + i % 3, .runs = 2, .tolerance = 2e-5, .expect_no_reference = true};
      c.seed = static_cast<unsigned>(i);
      ASSERT_EQ(check_plan(g, c), "") << "trial " << i << " on " << to_string(isa);
    }
  }
}

TEST(Recurrent, Lstm) { check("LSTM"); }
TEST(Recurrent, Gru) { check("GRU"); }
TEST(Recurrent, Rnn) { check("RNN"); }

// Texts and stored graphs may leave the last outputs away; ONNX files name them all.
TEST(Recurrent, WithoutTheLastStates) {
  for (const auto& [op, gates] : {std::pair{"LSTM", 4}, {"GRU", 3}, {"RNN", 1}}) {
    const auto g = parse_graph(
        cat("graph \"one\"\ninput %x: f32[3,2,5]\nconst %w: f32[1,", gates * 6, ",5] = random(1)\nconst %r: f32[1,",
            gates * 6, ",6] = random(2)\n%y = ", op, "(%x, %w, %r) hidden_size=6\noutput %y\n"),
        op_table());
    ASSERT_TRUE(g.ok()) << g.error().text();
    EXPECT_EQ(check_plan(*g, {}), "") << op;
  }
}

}  // namespace
}  // namespace quadlane::testing
