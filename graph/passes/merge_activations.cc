// merge_activations: Clip(x, 0, inf)  =>  Relu(x);  Relu(Clip(x, lo, hi))  =>  Clip(x, max(lo, 0), hi)
//
// Relu and Clip are clamps, and a clamp of a clamp is one clamp: clamp(clamp(x, a, b), c, d) has the bounds
// clamp(a, c, d) and clamp(b, c, d). LeakyRelu(alpha 0) is a Relu; Max and Min with a scalar constant are clamps. A
// Clip written without a bound has none: one that is an infinity at the other end stays what it is.
#include <algorithm>
#include <limits>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Clamp {
  ValueId x = kNoValue;
  double lo = -kInf, hi = kInf;

  bool proper() const { return lo <= hi && lo < kInf && hi > -kInf; }
};

bool bound(const Graph& g, ValueId v, double& value) {
  if (v == kNoValue) return true;
  std::optional<double> given = scalar_constant(g, v);
  if (given) value = *given;
  return given.has_value();
}

std::optional<Clamp> as_clamp(const Graph& g, const Node& node) {
  if (node.outputs.size() != 1 || g[node.output()].type.dtype != DType::f32) return {};
  Clamp c{node.input(0)};
  if (node.op == "Relu" || (node.op == "LeakyRelu" && node.attrs.float_or("alpha", 0.01f) == 0)) {
    c.lo = 0;
    return c;
  }
  if (node.op == "Clip" && bound(g, node.input(1), c.lo) && bound(g, node.input(2), c.hi) && c.proper()) return c;
  if (is_one_of(node.op, {"Max", "Min"}) && node.inputs.size() == 2)
    for (size_t side : {0u, 1u}) {
      std::optional<double> k = scalar_constant(g, node.input(1 - side));
      c.x = node.input(side);
      if (!k || g.constant(c.x) || g[c.x].type != g[node.output()].type) continue;
      (node.op == "Max" ? c.lo : c.hi) = *k;
      return c.proper() ? std::optional(c) : std::nullopt;
    }
  return {};
}

Node make_clamp(Graph& g, const Clamp& c, const std::string& name) {
  if (c.lo == 0 && c.hi == kInf) return Node{name, "Relu", {}, {c.x}};
  auto constant = [&](double value, const char* what) {
    if (std::abs(value) == kInf) return kNoValue;
    return g.add_constant(name + what, Tensor::scalar<float>(static_cast<float>(value)));
  };
  return Node{name, "Clip", {}, {c.x, constant(c.lo, ".min"), constant(c.hi, ".max")}};
}

bool canonical(const Node& node, const Clamp& c) {
  return node.op == "Relu" || (node.op == "Clip" && !(c.lo == 0 && c.hi == kInf));
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    const Node& node = g[id];
    std::optional<Clamp> clamp = as_clamp(g, node);
    if (!clamp || (clamp->lo == -kInf && clamp->hi == kInf)) continue;
    std::optional<Clamp> before;
    if (const Node* producer = g.producer(clamp->x)) before = as_clamp(g, *producer);
    if (before)
      clamp =
          Clamp{before->x, std::clamp(before->lo, clamp->lo, clamp->hi), std::clamp(before->hi, clamp->lo, clamp->hi)};
    else if (canonical(node, *clamp))
      continue;
    ValueId old = node.output();
    std::string name = node.name;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old, make_clamp(g, *clamp, name)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kMergeActivations{"merge_activations", "chains of Relu and Clip => one; Clip(0, inf) => Relu", run};

}  // namespace quadlane
