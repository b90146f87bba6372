#include "graph/passes/product.h"

#include <cmath>

namespace quadlane {
namespace {

void collect(const Graph& g, ValueId v, Product& p, int depth) {
  const Node* node = depth < 6 ? g.producer(v) : nullptr;
  if (node && node->op == "Div")
    if (std::optional<double> k = scalar_constant(g, node->input(1)); k && *k != 0) {
      p.constant /= *k;
      return collect(g, node->input(0), p, depth + 1);
    }
  if (node && node->op == "Mul" && p.factors.size() < 8) {
    for (ValueId in : {node->input(0), node->input(1)}) {
      if (std::optional<double> k = scalar_constant(g, in))
        p.constant *= *k;
      else
        collect(g, in, p, depth + 1);
    }
    return;
  }
  p.factors.push_back(v);
}

}  // namespace

bool nearly(double a, double b) { return std::abs(a - b) <= 2e-5 * std::abs(b); }

Product product_of(const Graph& g, ValueId v) {
  Product p;
  collect(g, v, p, 0);
  return p;
}

std::optional<double> multiple_of(const Graph& g, ValueId v, ValueId x) {
  if (v == x) return 1;
  const Node* node = g.producer(v);
  if (!node || !is_one_of(node->op, {"Mul", "Div"})) return {};
  for (size_t side : {0u, 1u}) {
    std::optional<double> k = scalar_constant(g, node->input(1 - side));
    if (!k || node->input(side) != x) continue;
    if (node->op == "Mul") return k;
    if (side == 0 && *k != 0) return 1 / *k;
  }
  return {};
}

std::optional<ValueId> divided_by(const Graph& g, ValueId v, double k) {
  const Node* node = g.producer(v);
  if (!node || !is_one_of(node->op, {"Mul", "Div"})) return {};
  for (ValueId x : {node->input(0), node->input(1)})
    if (std::optional<double> have = multiple_of(g, v, x); have && !g.constant(x) && nearly(*have, k)) return x;
  return {};
}

std::optional<ValueId> minus(const Graph& g, ValueId v, double k) {
  const Node* node = producer_of(g, v, "Add");
  if (!node) return {};
  for (size_t side : {0u, 1u})
    if (std::optional<double> have = scalar_constant(g, node->input(1 - side)); have && nearly(*have, k))
      return node->input(side);
  return {};
}

}  // namespace quadlane
