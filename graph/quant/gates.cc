#include "graph/quant/gates.h"

#include <algorithm>
#include <set>

#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

bool is_pixel(const Graph& g, ValueId v) {
  const Shape& shape = g[v].type.shape;
  return shape.size() == 4 && shape[2] == 1 && shape[3] == 1;
}

// Whether all that is made of v scales channels of maps in the end. `seen`: what was asked before.
bool scales_channels(const Graph& g, ValueId v, std::set<ValueId>& seen) {
  if (!seen.insert(v).second) return true;
  if (g.is_output(v) || g[v].uses.empty()) return false;
  return std::all_of(g[v].uses.begin(), g[v].uses.end(), [&](const Use& use) {
    const Node& reader = g[use.node];
    if (!is_pixel(g, reader.outputs[0])) return reader.op == "Mul" && g[reader.outputs[0]].type.shape.size() == 4;
    return (reader.op == "Conv" || is_elementwise(reader.op)) && scales_channels(g, reader.outputs[0], seen);
  });
}

}  // namespace

bool computes_gates(const Graph& g, const Node& conv) {
  std::set<ValueId> seen;
  return conv.op == "Conv" && is_pixel(g, conv.input(0)) && is_pixel(g, conv.output()) &&
         scales_channels(g, conv.output(), seen);
}

}  // namespace quadlane
