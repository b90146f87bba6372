// Damaged operator calls: every attribute and every input of calls that work is replaced by something that should not
// be there. Each call must come back with a result or with an error; the sanitizer build watches how.
#include <cmath>
#include <limits>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

std::string s(const char* text) { return text; }

struct Call {
  std::string op;
  std::vector<Tensor> inputs;
  AttrList attrs;
};

std::vector<Call> working_calls() {
  Tensor x = iota({1, 4, 6, 5}), w = iota({4, 2, 3, 3}), image = bytes({1, 2, 3, 2}, std::vector<uint8_t>(12, 9));
  Tensor s8 = Tensor::from<int8_t>({2, 2, 1, 1}, std::vector<int8_t>{1, -2, 3, -4});
  Tensor bias = Tensor::from<int32_t>({2}, std::vector<int32_t>{5, 6}), one = floats({1}, {1}), zero = bytes({1}, {3});
  AttrList window = {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}, {"dilations", Ints{1, 2}}};
  AttrList grouped = window, pooled = window, out = {{"out_zero", int64_t{4}}, {"out_lo", int64_t{1}}};
  grouped.push_back({"group", int64_t{2}});
  pooled.push_back({"kernel_shape", Ints{2, 3}});
  pooled.push_back({"ceil_mode", int64_t{1}});
  AttrList sized = {{"sizes", Ints{5, 4}}, {"scales", std::vector<float>{1.7f, 2}}, {"mode", s("linear")}};
  return {
      {"Conv", {x, w, iota({4})}, grouped},
      {"ConvTranspose", {x, w, iota({4})}, grouped},
      {"MaxPool", {x}, pooled},
      {"AveragePool", {x}, pooled},
      {"GlobalAveragePool", {x}, {}},
      {"BatchNormalization", {x, iota({4}), iota({4}), iota({4}), iota({4})}, {{"epsilon", 0.1f}}},
      {"InstanceNormalization", {x, iota({4}), iota({4})}, {}},
      {"Resize", {x, floats({2}, {0, 1}), floats({2}, {2, 0.5f})}, {{"axes", Ints{2, 3}}, {"mode", s("cubic")}}},
      {"Resize",
       {x, floats({8}, {0, 0, 0.2f, 0, 1, 1, 2, 1}), Tensor(), Tensor::from<int64_t>({4}, Ints{1, 4, 3, 9})},
       {{"coordinate_transformation_mode", s("tf_crop_and_resize")}, {"mode", s("linear")}}},
      {"Softmax", {x}, {{"axis", int64_t{1}}}},
      {"MatMul", {iota({2, 3, 4}), iota({4, 2})}, {}},
      {"Gemm", {iota({3, 4}), iota({2, 4}), iota({2})}, {{"transB", int64_t{1}}, {"alpha", 0.5f}}},
      {"QuantizeLinear", {x, iota({4}, 1), bytes({4}, {0, 1, 2, 3})}, {{"axis", int64_t{-3}}}},
      {"DequantizeLinear", {image, floats({3}, {1, 2, 3}), bytes({3}, {0, 1, 2})}, {{"axis", int64_t{2}}}},
      {"ql.Conv", {image, s8, bias, iota({2}), bytes({2}, {3, 4}), Tensor(), bytes({2}, {9, 9})}, out},
      {"ql.ConvTranspose", {image, s8, bias, iota({2})}, out},
      {"ql.Quantize", {x, one, zero}, {}},
      {"ql.Requantize", {image, iota({2}), one, zero}, out},
      {"ql.PRelu", {image, iota({2}), one, zero}, out},
      {"ql.Lut", {image, bytes({256}, std::vector<uint8_t>(256, 1))}, {}},
      {"ql.Add", {image, image}, {{"a_mult", 1.0f}, {"b_mult", 0.5f}}},
      {"ql.Mul", {image, bytes({1, 2, 1, 1}, {1, 2})}, {{"mult", 0.5f}}},
      {"ql.AveragePool", {image}, {{"kernel_shape", Ints{2, 2}}, {"mult", 1.0f}}},
      {"ql.DequantizedMean", {image, one, zero}, {}},
      {"ql.Resize", {image}, sized},
  };
}

int64_t nasty_int(Random& r) {
  constexpr int64_t kValues[] = {0,         -1,        -2,        1,         2,         3,
                                 7,         255,       256,       1 << 20,   1LL << 31, 1LL << 33,
                                 INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, -1 << 20,  1LL << 62};
  return kValues[r.between(0, std::size(kValues) - 1)];
}
float nasty_float(Random& r) {
  const float kValues[] = {0, -0.0f, 1, -1, 0.5f, NAN, HUGE_VALF, -HUGE_VALF, 1e30f, -1e30f, 1e-42f, 3e9f, 2.5f};
  return kValues[r.between(0, std::size(kValues) - 1)];
}

Attr nasty_attr(Random& r) {
  Ints ints(static_cast<size_t>(r.between(0, 5)));
  std::vector<float> floats(static_cast<size_t>(r.between(0, 3)));
  for (int64_t& v : ints) v = nasty_int(r);
  for (float& v : floats) v = nasty_float(r);
  switch (r.between(0, 4)) {
    case 0: return nasty_int(r);
    case 1: return nasty_float(r);
    case 2: return floats;
    case 3: return std::vector<std::string>{"", "SAME_LOWER", "linear", "asymmetric", "f32"}[size_t(r.between(0, 4))];
    default: return ints;
  }
}

Tensor nasty_tensor(Random& r) {
  Shape shape(static_cast<size_t>(r.between(0, 5)));
  for (int64_t& extent : shape) extent = r.between(0, 4);
  switch (r.between(0, 5)) {
    case 0: return r.tensor<uint8_t>(shape, 0, 255);
    case 1: return r.tensor<int8_t>(shape, -128, 127);
    case 2: return r.tensor<int32_t>(shape, -5, 5);
    case 3: return r.tensor<int64_t>(shape, -5, 5);
    default: return r.tensor<float>(shape, -3, 3);
  }
}

// Another value in one element, or another shape and type.
void damage(Tensor& t, Random& r) {
  if (t.empty() || t.count() == 0 || r.between(0, 2) == 0) {
    t = r.between(0, 4) == 0 ? Tensor() : nasty_tensor(r);
    return;
  }
  int64_t at = r.between(0, t.count() - 1);
  if (t.dtype() == DType::f32) t.mutate<float>()[at] = nasty_float(r);
  if (t.dtype() == DType::s64) t.mutate<int64_t>()[at] = nasty_int(r);
}

void damage(Call& call, const OpDef& def, Random& r) {
  if (r.between(0, 1) != 0) {
    damage(call.inputs[static_cast<size_t>(r.between(0, static_cast<int64_t>(call.inputs.size()) - 1))], r);
    return;
  }
  std::vector<std::string> names;
  for (std::string_view rest = def.attributes; !rest.empty();) {
    size_t end = std::min(rest.find(' '), rest.size());
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (names.empty()) return;
  std::string name = names[static_cast<size_t>(r.between(0, static_cast<int64_t>(names.size()) - 1))];
  for (auto& [present, value] : call.attrs) {  // half of the time one entry of a list, else another value
    if (present != name) continue;
    if (Ints* ints = std::get_if<Ints>(&value); ints && !ints->empty() && r.between(0, 1) != 0) {
      (*ints)[static_cast<size_t>(r.between(0, static_cast<int64_t>(ints->size()) - 1))] = nasty_int(r);
    } else {
      value = nasty_attr(r);
    }
    return;
  }
  call.attrs.push_back({name, nasty_attr(r)});
}

// Inference always; the reference only where it is a matter of milliseconds.
bool attempt(const Call& call) {
  Graph graph;
  Node node{"n", call.op, {}, {}, {}};
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : call.inputs) {
    pointers.push_back(t.empty() ? nullptr : &t);
    node.inputs.push_back(t.empty() ? kNoValue : graph.add_constant("c", t));
  }
  for (const auto& [name, value] : call.attrs) node.attrs.set(name, value);
  auto y = add_op(graph, op_table(), std::move(node));
  if (!y.ok() || graph.at(*y).type.count() > 100000) return false;
  return eval_node(graph, *graph.producer(*y), op_table(), pointers).ok();
}

TEST(DamagedCalls, Return) {
  Random r(31);
  int worked = 0, rounds = 0;
  for (const Call& call : working_calls()) {
    ASSERT_EQ(error_of(call.op, call.inputs, call.attrs), "") << call.op;
    for (int round = 0; round < 400; ++round, ++rounds) {
      Call damaged = call;
      for (int64_t n = r.between(1, 3); n > 0; --n) damage(damaged, *op_table().find(call.op), r);
      worked += attempt(damaged);
    }
  }
  EXPECT_GT(worked, rounds / 50);  // some damage is harmless; otherwise nothing but inference was tested
  EXPECT_LT(worked, rounds / 2);
}

}  // namespace
}  // namespace quadlane::test
