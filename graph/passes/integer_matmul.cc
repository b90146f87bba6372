// integer_matmul: MatMul(DequantizeLinear(a), DequantizeLinear(b)) [-> Add c] [-> Relu] -> QuantizeLinear
//                   =>  ql.MatMul(a, b, bias, mult)
//
// For bytes of one scale on the left, and on the right bytes of one scale or constant ones of a scale for each column:
//   sum s_a (a - z_a) s_b[j] (b - z_b[j]) + c[j] = s_a s_b[j] (sum (a - z_a) (b - z_b[j]) + c[j] / (s_a s_b[j]))
// Gemm likewise, its alpha in the scale, a constant B transposed beforehand. Behind it a Relu or Clip narrows the
// output's range. Without a QuantizeLinear the result is f32 and c is added as it is. Declined where a sum might leave
// int32.
#include <cmath>

#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

struct Right {
  ValueId q = kNoValue;            // an activation, or kNoValue and:
  std::optional<Tensor> constant;  // [.., k, n]
  std::vector<float> scale;
  std::vector<int64_t> zero;
};

struct IntegerMatMul {
  Dequantized a;
  Right b;
  std::vector<float> scale;   // s_a * s_b[j] * alpha, in floats, as in integer_conv
  std::vector<double> add;    // empty: none
  ValueId last = kNoValue;    // the f32 result
};

// [n, k] -> [k, n]
template <class T>
Tensor transposed(const Tensor& t) {
  const int64_t rows = t.shape()[0], columns = t.shape()[1];
  std::vector<T> values;
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < rows; ++i) values.push_back(t.as<T>()[i * columns + j]);
  return Tensor::from<T>({columns, rows}, values);
}

// Weights: the scales lie along the columns.
std::optional<Right> constant_right(const Graph& g, ValueId v, bool transpose) {
  const Node* node = producer_of(g, v, "DequantizeLinear");
  const Tensor* q = node ? g.constant(node->input(0)) : nullptr;
  if (!q || q->shape().size() < 2 || (q->dtype() != DType::u8 && q->dtype() != DType::s8)) return {};
  if (transpose && q->shape().size() != 2) return {};
  const size_t columns = q->shape().size() - (transpose ? 2 : 1);
  std::optional<QuantParams> p = constant_params(g, *node, static_cast<int64_t>(columns));
  if (!p) return {};
  Right r;
  r.constant = !transpose ? *q : q->dtype() == DType::u8 ? transposed<uint8_t>(*q) : transposed<int8_t>(*q);
  r.scale.assign(p->scale.begin(), p->scale.end());
  r.zero.assign(p->zero.begin(), p->zero.end());
  return r;
}

std::optional<Right> right_of(const Graph& g, ValueId v, bool transpose) {
  if (auto weights = constant_right(g, v, transpose)) return weights;
  std::optional<Dequantized> d = dequantized_per_tensor(g, v);
  if (!d || transpose) return {};
  return Right{d->q, {}, {d->scale()}, {d->zero()}};
}

// A constant, dequantized or not, of one element for each column (or one for all).
std::optional<std::vector<double>> column_constant(const Graph& g, ValueId v, size_t columns) {
  std::vector<double> values = real_constant(g, v);
  if (values.empty()) return {};
  const Shape& shape = g[v].type.shape;
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    if (shape[i] != 1) return {};
  if (values.size() == 1) values.resize(columns, values[0]);
  return values.size() == columns ? std::optional(values) : std::nullopt;
}

std::optional<IntegerMatMul> match(const Graph& g, const Node& node) {
  const bool gemm = node.op == "Gemm";
  if (!gemm && node.op != "MatMul") return {};
  if (gemm && (node.attrs.int_or("transA", 0) != 0 || node.attrs.float_or("beta", 1) != 1)) return {};
  std::optional<Dequantized> a = dequantized_per_tensor(g, node.input(0));
  std::optional<Right> b = right_of(g, node.input(1), gemm && node.attrs.int_or("transB", 0) != 0);
  const Shape& out = g[node.output()].type.shape;
  if (!a || !b || out.empty() || g[node.input(1)].type.shape.size() < 2) return {};
  const size_t columns = static_cast<size_t>(out.back());
  IntegerMatMul m{*a, *std::move(b), {}, {}, node.output()};
  const float alpha = gemm ? node.attrs.float_or("alpha", 1) : 1;
  for (size_t j = 0; j < columns; ++j) m.scale.push_back(a->scale() * m.b.scale[m.b.scale.size() == 1 ? 0 : j] * alpha);
  if (!(alpha > 0)) return {};
  if (gemm && node.input(2) != kNoValue) {
    auto c = column_constant(g, node.input(2), columns);
    if (!c) return {};
    m.add = *c;
  }
  return m;
}

// An Add of a constant for each column behind the product.
void take_added(const Graph& g, IntegerMatMul& m) {
  NodeId user = only_user(g, m.last);
  if (!m.add.empty() || user == kNoNode || g[user].op != "Add" || g[g[user].output()].type != g[m.last].type) return;
  const ValueId other = g[user].input(g[user].input(0) == m.last ? 1 : 0);
  if (auto c = column_constant(g, other, m.scale.size())) {
    m.add = *c;
    m.last = g[user].output();
  }
}

// The bias in units of the sums; empty when one is out of range.
std::optional<std::vector<int32_t>> levels(const IntegerMatMul& m) {
  std::vector<int32_t> bias;
  for (size_t j = 0; j < m.add.size(); ++j) {
    const double level = std::nearbyint(m.add[j] / double{m.scale[j]});
    if (!(std::abs(level) < 1073741824.0)) return {};
    bias.push_back(static_cast<int32_t>(level));
  }
  return bias;
}

// Whether no sum, its bias with it, leaves int32: products are 255 * 255 at most, with this constant 255 * |b - z_b|.
bool sums_fit(const IntegerMatMul& m, const std::vector<int32_t>& bias, int64_t depth) {
  int64_t most = 0;
  for (int32_t b : bias) most = std::max(most, std::abs(int64_t{b}));
  if (most + 255 * 255 * depth < int64_t{1} << 31 || m.scale.empty()) return true;
  if (!m.b.constant) return false;
  const std::vector<int32_t> zero(m.b.zero.begin(), m.b.zero.end());
  const std::optional<Tensor> b = centered_bytes(*m.b.constant, zero, m.b.constant->shape().size() - 1);
  const size_t columns = m.scale.size(), matrix = static_cast<size_t>(depth) * columns;
  std::vector<int32_t> biases(static_cast<size_t>(m.b.constant->count()) / matrix * columns, 0);
  for (size_t i = 0; i < biases.size() && !bias.empty(); ++i) biases[i] = bias[i % columns];
  return b && sums_fit_int32(*b, biases, [&](size_t i) { return i / matrix * columns + i % columns; });
}

std::optional<Node> make_node(Graph& g, const Node& from, const IntegerMatMul& m, const QuantizedOutput* out) {
  const Shape columns{static_cast<int64_t>(m.scale.size())};
  Node node{from.name, "ql.MatMul", {}, {m.a.q, m.b.q, kNoValue}};
  const std::optional<std::vector<int32_t>> bias = out ? levels(m) : std::vector<int32_t>();
  if (!bias || !sums_fit(m, *bias, g[m.a.q].type.shape.back())) return {};
  if (m.b.constant) node.inputs[1] = g.add_constant(from.name + ".b", *m.b.constant);
  std::vector<double> mult;
  for (float s : m.scale) mult.push_back(out ? s / out->scale : s);
  node.inputs[2] = add_floats(g, from.name + ".mult", columns, mult);
  if (!m.add.empty()) {
    node.inputs.resize(out ? 4 : 5, kNoValue);
    node.inputs.back() = out ? g.add_constant(from.name + ".bias", Tensor::from<int32_t>(columns, *bias))
                             : add_floats(g, from.name + ".shift", columns, m.add);
  }
  node.attrs.set("a_zero", int64_t{m.a.zero()});
  node.attrs.set("b_zero", m.b.zero);
  node.attrs.set("dtype", std::string(out ? "u8" : "f32"));
  if (out) set_output_range(node, *out);
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node product = g[id];
    std::optional<IntegerMatMul> m = match(g, product);
    if (!m) continue;
    take_added(g, *m);
    std::optional<QuantizedOutput> out = quantized_output(g, m->last);
    std::optional<Node> node = make_node(g, product, *m, out ? &*out : nullptr);
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out ? out->q : m->last, *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerMatMul{"integer_matmul", "MatMul, Gemm of dequantized => ql.MatMul", run};

}  // namespace quadlane
