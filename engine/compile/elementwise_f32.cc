// Elementwise operators on f32 planes: functions of one value, and a value with a constant for each channel. What is
// affine in x (batch norm, scale, bias) is one step of two constants a plane.
#include <cmath>
#include <limits>

#include "engine/compile/elementwise.h"

namespace quadlane::compile {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct FunctionCall {
  Activation act;
  ElementwiseScalars scalars;
};

FunctionCall call(Activation act, float alpha = 0, float beta = 0) {
  FunctionCall c{act, {}};
  const bool clip = act == Activation::clip;
  (clip ? c.scalars.v_lo : c.scalars.alpha) = alpha;
  (clip ? c.scalars.v_hi : c.scalars.beta) = beta;
  return c;
}

// x ** exponent for the exponents that are other functions.
std::optional<FunctionCall> power(double exponent) {
  if (exponent == 2) return call(Activation::square);
  if (exponent == 3) return call(Activation::cube);
  if (exponent == 0.5) return call(Activation::sqrt);
  if (exponent == -1) return call(Activation::reciprocal);
  return std::nullopt;
}

// Operators without attributes.
std::optional<Activation> plain_function(const std::string& op) {
  static const std::map<std::string, Activation> functions = {
      {"Abs", Activation::abs},           {"Ceil", Activation::ceil},
      {"Erf", Activation::erf},           {"Exp", Activation::exp},
      {"Floor", Activation::floor},       {"HardSwish", Activation::hard_swish},
      {"Log", Activation::log},           {"Mish", Activation::mish},
      {"Neg", Activation::neg},           {"Reciprocal", Activation::reciprocal},
      {"Round", Activation::round},       {"Sigmoid", Activation::sigmoid},
      {"Softplus", Activation::softplus}, {"Softsign", Activation::softsign},
      {"Sqrt", Activation::sqrt},         {"Tanh", Activation::tanh},
  };
  auto found = functions.find(op);
  return found == functions.end() ? std::nullopt : std::optional(found->second);
}

std::optional<FunctionCall> function_of(const Lowering& l, const Node& node) {
  auto scalar = [&](size_t i, float otherwise) -> std::optional<float> {
    if (node.input(i) == kNoValue) return otherwise;
    const Tensor* t = l.graph.constant(node.input(i));
    return t && t->count() == 1 ? std::optional(static_cast<float>(element_as_double(t->view(), 0))) : std::nullopt;
  };
  const Attrs& attrs = node.attrs;
  if (auto plain = plain_function(node.op)) return call(*plain);
  if (node.op == "Relu") return call(Activation::clip, 0, kInfinity);
  if (node.op == "Clip") {
    auto lo = scalar(1, -kInfinity), hi = scalar(2, kInfinity);
    return lo && hi ? std::optional(call(Activation::clip, *lo, *hi)) : std::nullopt;
  }
  if (node.op == "Pow") {
    auto exponent = scalar(1, 0);
    return exponent ? power(*exponent) : std::nullopt;
  }
  if (node.op == "LeakyRelu") return call(Activation::leaky, attrs.float_or("alpha", 0.01f));
  if (node.op == "HardSigmoid")
    return call(Activation::hard_sigmoid, attrs.float_or("alpha", 0.2f), attrs.float_or("beta", 0.5f));
  if (node.op == "Swish") return call(Activation::swish, attrs.float_or("alpha", 1.0f));
  if (node.op == "Gelu")
    return call(attrs.string_or("approximate", "none") == "tanh" ? Activation::gelu_tanh : Activation::gelu);
  if (node.op == "Elu") return call(Activation::elu, attrs.float_or("alpha", 1.0f));
  if (node.op == "Celu") return call(Activation::celu, attrs.float_or("alpha", 1.0f));
  if (node.op == "Selu")
    return call(Activation::selu, attrs.float_or("alpha", 1.67326319217681884765625f),
                attrs.float_or("gamma", 1.05070102214813232421875f));
  return std::nullopt;
}

// One value for each channel from a constant of 1 or C elements that broadcasts along channels; empty when it does not.
std::vector<float> per_channel(const Tensor& t, int64_t channels) {
  const Shape& s = t.shape();
  const bool scalar = t.count() == 1, along = t.count() == channels && s.size() >= 3 && s[s.size() - 3] == channels;
  if (t.dtype() != DType::f32 || !(scalar || along)) return {};
  std::vector<float> values(static_cast<size_t>(channels));
  for (size_t c = 0; c < values.size(); ++c) values[c] = t.as<float>()[scalar ? 0 : c];
  return values;
}

}  // namespace

std::optional<BatchNormAffine> batch_norm_affine(const Graph& g, const Node& node) {
  const Tensor* p[4];
  for (size_t i = 0; i < 4; ++i)
    if (!(p[i] = g.constant(node.input(i + 1)))) return std::nullopt;
  const double epsilon = node.attrs.float_or("epsilon", 1e-5f);
  BatchNormAffine affine;
  for (int64_t c = 0; c < p[0]->count(); ++c) {
    auto at = [&](int i) { return element_as_double(p[i]->view(), c); };
    const double factor = at(0) / std::sqrt(at(3) + epsilon);
    affine.mult.push_back(static_cast<float>(factor));
    affine.bias.push_back(static_cast<float>(at(1) - at(2) * factor));
  }
  return affine;
}

Elementwise affine_f32(std::vector<float> mult, std::vector<float> bias) {
  Elementwise e;
  e.op = ElementwiseOp::affine_f32;
  e.params = [mult = std::move(mult), bias = std::move(bias)](const PlanarValue& planes) {
    std::vector<AffineChannel> channels;
    for (const PlaneRef& p : planes.planes) {
      size_t c = static_cast<size_t>(p.channels[0]);
      channels.push_back({mult[c], bias[c]});
    }
    return as_bytes(channels);
  };
  return e;
}

std::optional<Elementwise> unary_f32(Lowering& l, const Node& node) {
  if (node.op == "BatchNormalization") {
    auto affine = batch_norm_affine(l.graph, node);
    return affine ? std::optional(affine_f32(std::move(affine->mult), std::move(affine->bias))) : std::nullopt;
  }
  std::optional<FunctionCall> f = function_of(l, node);
  if (!f) return std::nullopt;
  Elementwise e;
  e.op = ElementwiseOp::unary_f32;
  e.act = f->act;
  e.scalars = f->scalars;
  return e;
}

std::optional<Following> following_activation(Lowering& l, ValueId v) {
  const Value& value = l.graph.at(v);
  if (!l.graph.single_use(v) || value.type.dtype != DType::f32) return std::nullopt;
  const Node& reader = l.graph.at(value.uses[0].node);
  if (value.uses[0].input != 0 || reader.outputs.size() != 1) return std::nullopt;
  std::optional<FunctionCall> f = function_of(l, reader);
  if (!f) return std::nullopt;
  return Following{reader.output(), f->act, f->scalars};
}

std::optional<Elementwise> with_constant_f32(Lowering& l, const Node& node, size_t& operand) {
  const int64_t channels = l.shape(node.output())[1];
  for (size_t i : {size_t{1}, size_t{0}}) {
    const Tensor* t = node.inputs.size() == 2 ? l.graph.constant(node.input(i)) : nullptr;
    if (!t || l.shape(node.input(1 - i)) != l.shape(node.output())) continue;
    std::vector<float> values = per_channel(*t, channels), ones(static_cast<size_t>(channels), 1.0f),
                       zeros(ones.size(), 0.0f);
    std::optional<ElementwiseOp> op = binary_f32(node.op);
    if (values.empty() || !op || (node.op == "PRelu" && i == 0)) continue;
    operand = 1 - i;
    if (node.op == "Add") return affine_f32(ones, values);
    if (node.op == "Mul") return affine_f32(values, zeros);
    Elementwise e = affine_f32(values, zeros);  // the constants of the planes
    e.op = *op;
    e.second = Second::channel;
    e.reversed = i == 0;
    return e;
  }
  return std::nullopt;
}

std::optional<ElementwiseOp> binary_f32(const std::string& op) {
  if (op == "Add") return ElementwiseOp::add_f32;
  if (op == "Sub") return ElementwiseOp::sub_f32;
  if (op == "Mul") return ElementwiseOp::mul_f32;
  if (op == "Div") return ElementwiseOp::div_f32;
  if (op == "Min") return ElementwiseOp::min_f32;
  if (op == "Max") return ElementwiseOp::max_f32;
  if (op == "PRelu") return ElementwiseOp::prelu_f32;
  return std::nullopt;
}

}  // namespace quadlane::compile
