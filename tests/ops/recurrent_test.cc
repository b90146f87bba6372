// Expected values are ONNX Runtime's.
#include <gtest/gtest.h>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

// Elements from -0.5 to 0.5 in an order that `step` decides.
Tensor pattern(int step, const Shape& shape) {
  std::vector<float> data(static_cast<size_t>(elements(shape)));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(static_cast<int>(i) * step % 11 - 5) * 0.1f;
  return floats(shape, data);
}
Tensor lengths(std::vector<int32_t> values) {
  return Tensor::from<int32_t>({static_cast<int64_t>(values.size())}, values);
}

std::vector<Tensor> outputs_of(std::string op, const std::vector<Tensor>& inputs, const AttrList& attrs = {}) {
  Graph graph;
  Node node{"n", std::move(op), {}, {}, {}};
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) {
    pointers.push_back(t.empty() ? nullptr : &t);
    node.inputs.push_back(t.empty() ? kNoValue : graph.add_constant("c", t));
  }
  for (const auto& [name, value] : attrs) node.attrs.set(name, value);
  auto y = add_op(graph, op_table(), std::move(node));
  EXPECT_TRUE(y.ok()) << y.error().text();
  auto outputs = eval_node(graph, *graph.producer(*y), op_table(), pointers);
  EXPECT_TRUE(outputs.ok()) << outputs.error().text();
  return *outputs;
}

void expect_near(const Tensor& got, const Shape& shape, const std::vector<float>& expected) {
  EXPECT_EQ(got.type().shape, shape);
  ASSERT_EQ(got.span<float>().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got.as<float>()[i], expected[i], 2e-6) << i;
}

const Tensor kX = pattern(3, {3, 2, 2});

TEST(Recurrent, LstmOfTwoDirectionsWithEveryInput) {
  const auto y = outputs_of("LSTM",
                            {kX, pattern(5, {2, 8, 2}), pattern(7, {2, 8, 2}), pattern(4, {2, 16}), lengths({3, 2}),
                             pattern(2, {2, 2, 2}), pattern(6, {2, 2, 2}), pattern(8, {2, 6})},
                            {{"direction", "bidirectional"}, {"hidden_size", int64_t{2}}});
  expect_near(y[0], {3, 2, 2, 2},
              {-0.349121f, -0.000749246f, -0.248083f, 0.0542772f, -0.0626594f, -0.115088f,  -0.0966355f, -0.0450689f,
               -0.362996f, -0.00779233f,  -0.253523f, 0.0504253f, -0.0603337f, -0.0563274f, -0.115104f,  0.0711812f,
               -0.364686f, -0.0103747f,   0,          0,          -0.0547928f, 0.0388652f,  0,           0});
  expect_near(y[1], {2, 2, 2},
              {-0.364686f, -0.0103747f, -0.253523f, 0.0504253f, -0.0626594f, -0.115088f, -0.0966355f, -0.0450689f});
  expect_near(y[2], {2, 2, 2},
              {-0.729397f, -0.042277f, -0.444031f, 0.213376f, -0.113316f, -0.152569f, -0.197842f, -0.0631953f});
}

TEST(Recurrent, LstmClipsAndTakesOtherFunctions) {
  const Tensor w = pattern(5, {1, 8, 2}), r = pattern(7, {1, 8, 2});
  expect_near(must("LSTM", {kX, w, r},
                   {{"clip", 0.1f},
                    {"input_forget", int64_t{1}},
                    {"direction", "reverse"},
                    {"activations", "HardSigmoid ScaledTanh Softsign"},
                    {"activation_alpha", std::vector<float>{0.3f, 0.8f}},
                    {"activation_beta", std::vector<float>{0.4f, 0.9f}}}),
              {3, 1, 2, 2},
              {-0.0141618f, -0.00202828f, 0.0126497f, 0.0129399f, -0.00570209f, 0.00189728f, 0.00387761f, 0.00426439f,
               0, 0.00295668f, -0.0111287f, -0.0128793f});
}

TEST(Recurrent, GruResetsTheStateOrItsProduct) {
  const std::vector<Tensor> inputs{kX, pattern(5, {1, 6, 2}), pattern(7, {1, 6, 2}), pattern(4, {1, 12})};
  expect_near(must("GRU", inputs), {3, 1, 2, 2},
              {0.112927f, -0.0278392f, 0.0419837f, -0.140362f, 0.12186f, -0.0637818f, 0.0218777f, -0.221181f, 0.107387f,
               -0.0983584f, 0.300163f, -0.00978599f});
  expect_near(must("GRU", inputs, {{"linear_before_reset", int64_t{1}}}), {3, 1, 2, 2},
              {0.0700705f, 0.153613f, -0.00261258f, 0.0213711f, 0.0903807f, 0.182661f, -0.0135687f, 0.0108283f,
               0.0853096f, 0.172521f, 0.277566f, 0.203627f});
}

TEST(Recurrent, Rnn) {
  const auto y = outputs_of("RNN", {kX, pattern(5, {1, 2, 2}), pattern(7, {1, 2, 2}), pattern(4, {1, 4})},
                            {{"activations", "Elu"}});
  expect_near(y[0], {3, 1, 2, 2},
              {0.05f, -0.518091f, -0.221199f, -0.387374f, -0.12069f, -0.616741f, -0.234231f, -0.450885f, -0.106852f,
               -0.607113f, -0.276071f, -0.380347f});
  expect_near(y[1], {1, 2, 2}, {-0.106852f, -0.607113f, -0.276071f, -0.380347f});
}

TEST(Recurrent, ARowWithoutPositionsEndsAtZero) {
  const auto y = outputs_of(
      "RNN", {kX, pattern(5, {1, 2, 2}), pattern(7, {1, 2, 2}), Tensor(), lengths({0, 2}), pattern(2, {1, 2, 2})});
  expect_near(y[0], {3, 1, 2, 2}, {0, 0, 0.0199974f, 0.0798298f, 0, 0, -0.0937566f, 0.0857047f, 0, 0, 0, 0});
  expect_near(y[1], {1, 2, 2}, {0, 0, -0.0937566f, 0.0857047f});
}

TEST(Recurrent, BatchFirstIsTheSameTransposed) {
  const Tensor w = pattern(5, {1, 6, 2}), r = pattern(7, {1, 6, 2}), x = pattern(3, {1, 3, 2});
  const Tensor usual = must("GRU", {floats({3, 1, 2}, values<float>(x)), w, r});
  const Tensor first = must("GRU", {x, w, r}, {{"layout", int64_t{1}}});
  expect_near(first, {1, 3, 1, 2}, values<float>(usual));
}

TEST(Recurrent, Refuses) {
  const Tensor w = pattern(5, {1, 8, 2}), r = pattern(7, {1, 8, 2});
  auto error = [&](const AttrList& attrs) { return error_of("LSTM", {kX, w, r}, attrs); };
  EXPECT_EQ(error({}), "");
  EXPECT_NE(error({{"direction", "sideways"}}).find("'sideways'"), std::string::npos);
  EXPECT_NE(error({{"hidden_size", int64_t{3}}}).find("'hidden_size' is 3, input 2 says 2"), std::string::npos);
  EXPECT_NE(error({{"activations", "Sigmoid Tanh"}}).find("has 2 names, expected 3"), std::string::npos);
  EXPECT_NE(error({{"activations", "Sigmoid Tanh Sine"}}).find("'Sine'"), std::string::npos);
  EXPECT_NE(error({{"clip", -1.0f}}).find("clip"), std::string::npos);
  EXPECT_NE(error_of("GRU", {kX, w, r}).find("expected [1,6,2]"), std::string::npos);
  EXPECT_NE(error_of("LSTM", {kX, w, r, Tensor(), lengths({3, 4})}).find("length 4 of row 1"), std::string::npos);
  EXPECT_NE(error_of("LSTM", {kX, w, floats({1, 8}, std::vector<float>(8))}), "");
}

}  // namespace
}  // namespace quadlane::test
