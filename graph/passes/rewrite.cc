#include "graph/passes/rewrite.h"

#include <algorithm>

namespace quadlane {

const Node* producer_of(const Graph& g, ValueId v, std::string_view op) {
  const Node* node = g.producer(v);
  return node && node->op == op ? node : nullptr;
}

NodeId only_user(const Graph& g, ValueId v) {
  const Use* use = g.single_use(v);
  return use ? use->node : kNoNode;
}

int64_t axis_of(const Graph& g, const Node& node) {
  const int64_t axis = node.attrs.int_or("axis", 1);
  return axis < 0 ? axis + static_cast<int64_t>(g[node.output()].type.shape.size()) : axis;
}

bool is_one_of(std::string_view op, std::initializer_list<std::string_view> ops) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

bool is_function(std::string_view op) {
  return is_one_of(
      op, {"Abs",   "Ceil",           "Celu",      "Clip",      "Cos", "Elu",      "Erf",      "Exp",        "Floor",
           "Gelu",  "HardSigmoid",    "HardSwish", "LeakyRelu", "Log", "Mish",     "Neg",      "Reciprocal", "Relu",
           "Round", "Selu",           "Sigmoid",   "Sign",      "Sin", "Softplus", "Softsign", "Sqrt",       "Swish",
           "Tanh",  "ThresholdedRelu"});
}

bool is_elementwise(std::string_view op) {
  return is_function(op) || is_one_of(op, {"Add", "Div", "Max", "Min", "Mul", "PRelu", "Pow", "Sub"});
}

std::optional<std::vector<double>> channel_constant(const Graph& g, ValueId v, const Shape& like) {
  const Tensor* t = g.constant(v);
  if (!t || t->dtype() != DType::f32 || like.size() < 2 || t->shape().size() > like.size()) return {};
  int64_t channels = like[1];
  size_t skipped = like.size() - t->shape().size();  // axes the constant does not have
  for (size_t i = 0; i < t->shape().size(); ++i)
    if (t->shape()[i] != 1 && !(i + skipped == 1 && t->shape()[i] == channels)) return {};
  std::vector<double> values(static_cast<size_t>(channels));
  for (size_t c = 0; c < values.size(); ++c) values[c] = t->as<float>()[t->count() == 1 ? 0 : c];
  return values;
}

std::optional<double> scalar_constant(const Graph& g, ValueId v) {
  const Tensor* t = g.constant(v);
  if (!t || t->count() != 1) return {};
  return element_as_double(t->view(), 0);
}

std::optional<std::vector<const Tensor*>> constant_inputs(const Graph& g, const Node& node) {
  std::vector<const Tensor*> inputs;
  for (ValueId v : node.inputs) {
    inputs.push_back(g.constant(v));
    if (v != kNoValue && !inputs.back()) return {};
  }
  return inputs;
}

std::optional<Window2d> window2d(const Graph& g, const Node& node) {
  if (node.inputs.empty() || g[node.input(0)].type.shape.size() != 4) return {};
  std::string implicit = node.attrs.string_or("auto_pad", "NOTSET");
  if (implicit != "NOTSET" && implicit != "") return {};
  Window2d w;
  w.kernel = node.attrs.ints_or("kernel_shape", {});
  if (w.kernel.empty() && node.input(1) != kNoValue) {
    const Shape& weights = g[node.input(1)].type.shape;
    if (weights.size() != 4) return {};
    w.kernel = {weights[2], weights[3]};
  }
  w.strides = node.attrs.ints_or("strides", {1, 1});
  w.dilations = node.attrs.ints_or("dilations", {1, 1});
  w.pads = node.attrs.ints_or("pads", {0, 0, 0, 0});
  w.group = node.attrs.int_or("group", 1);
  if (w.kernel.size() != 2 || w.strides.size() != 2 || w.dilations.size() != 2 || w.pads.size() != 4) return {};
  if (*std::min_element(w.pads.begin(), w.pads.end()) < 0) return {};
  return w;
}

Result<ValueId> replace_with(Graph& g, const OpTable& ops, ValueId old, Node node) {
  std::string name = g[old].name;
  QL_TRY(ValueId fresh, add_op(g, ops, std::move(node)));
  if (g[fresh].type != g[old].type)
    return make_error(Code::internal, "rewriting '", name, "' would turn ", to_string(g[old].type), " into ",
                      to_string(g[fresh].type));
  g.replace_uses(old, fresh);
  g.erase_dead();  // frees the old name, unless the old value is a graph input or still part of the new one
  if (g[fresh].name != name && !g.is_output(fresh)) {
    if (g[old].name == name) g.rename(old, name + ".replaced");
    g.rename(fresh, name);
  }
  return fresh;
}

bool bypass(Graph& g, ValueId old, ValueId with) {
  bool interface = g.is_output(with) || g.constant(with) ||
                   std::find(g.inputs().begin(), g.inputs().end(), with) != g.inputs().end();
  if (g.is_output(old) && interface) return false;
  g.replace_uses(old, with);
  g.erase_dead();
  return true;
}

ValueId add_floats(Graph& g, std::string name, const Shape& shape, const std::vector<double>& values) {
  return g.add_constant(std::move(name), Tensor::from<float>(shape, std::vector<float>(values.begin(), values.end())));
}

ValueId add_bytes(Graph& g, std::string name, const std::vector<int32_t>& values) {
  return g.add_constant(std::move(name), Tensor::from<uint8_t>({static_cast<int64_t>(values.size())},
                                                               std::vector<uint8_t>(values.begin(), values.end())));
}

std::vector<double> floats_of(const Graph& g, ValueId v) {
  const Tensor* t = g.constant(v);
  if (!t || t->dtype() != DType::f32) return {};
  return {t->as<float>(), t->as<float>() + t->count()};
}

Result<int> fuse_functions(Graph& g, const OpTable& table, std::initializer_list<std::string_view> ops,
                           std::optional<Node> (*match)(const Graph&, const Node&)) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, ops)) continue;
    const TensorType type = g[g[id].output()].type;
    std::optional<Node> node = type.dtype == DType::f32 ? match(g, g[id]) : std::nullopt;
    if (!node || g[node->input(0)].type != type) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, table, g[id].output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace quadlane
