// fuse_gelu: x * (Erf(x / sqrt(2)) + 1) / 2  =>  Gelu(x);  x * (Tanh(...) + 1) / 2  =>  Gelu(x) approximate="tanh"
//
// The factors in any order; the argument of Tanh is sqrt(2 / pi) * (x + 0.044715 * x^3).
#include "graph/passes/list.h"
#include "graph/passes/product.h"

namespace quadlane {
namespace {

bool is_cube(const Graph& g, ValueId v, ValueId x) {
  if (const Node* pow = producer_of(g, v, "Pow")) return pow->input(0) == x && scalar_constant(g, pow->input(1)) == 3.0;
  return product_of(g, v).factors == std::vector<ValueId>{x, x, x} && nearly(product_of(g, v).constant, 1);
}

// v = x + 0.044715 * x^3.
bool is_cubic(const Graph& g, ValueId v, ValueId x) {
  const Node* add = producer_of(g, v, "Add");
  for (size_t side = 0; add && side < 2; ++side) {
    if (add->input(side) != x) continue;
    Product p = product_of(g, add->input(1 - side));
    if (!nearly(p.constant, 0.044715)) continue;
    if (p.factors == std::vector<ValueId>{x, x, x} || (p.factors.size() == 1 && is_cube(g, p.factors[0], x)))
      return true;
  }
  return false;
}

// "none" or "tanh" where gate = 1 + Erf(...) or 1 + Tanh(...) of x.
const char* form_of(const Graph& g, ValueId gate, ValueId x) {
  std::optional<ValueId> function = minus(g, gate, 1);
  if (!function) return nullptr;
  if (const Node* erf = producer_of(g, *function, "Erf"))
    return divided_by(g, erf->input(0), 0.70710678118654752) == x ? "none" : nullptr;
  const Node* tanh = producer_of(g, *function, "Tanh");
  if (!tanh) return nullptr;
  std::optional<ValueId> cubic = divided_by(g, tanh->input(0), 0.79788456080286536);
  return cubic && is_cubic(g, *cubic, x) ? "tanh" : nullptr;
}

std::optional<Node> rewrite(const Graph& g, const Node& mul) {
  Product p = product_of(g, mul.output());
  if (p.factors.size() != 2 || !nearly(p.constant, 0.5)) return {};
  for (size_t i : {0u, 1u})
    if (const char* form = form_of(g, p.factors[1 - i], p.factors[i])) {
      Node node{mul.name, "Gelu", {}, {p.factors[i]}};
      node.attrs.set("approximate", std::string(form));
      return node;
    }
  return {};
}

Result<int> run(Graph& g, const OpTable& ops) { return fuse_functions(g, ops, {"Mul", "Div"}, rewrite); }

}  // namespace

const Pass kFuseGelu{"fuse_gelu", "x * (1 + Erf(x / sqrt(2))) / 2 => Gelu(x), by Tanh likewise", run};

}  // namespace quadlane
