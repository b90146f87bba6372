#include "graph/quant/quantize.h"

#include <algorithm>

#include "graph/passes/rewrite.h"
#include "graph/quant/any_form.h"
#include "graph/quant/quadlane_form.h"
#include "graph/verify.h"

namespace quadlane {

Result<std::vector<Range>> QuantPolicy::ranges(const std::string& value, const ValueProfile& seen, bool shared) const {
  const RangeMethod chosen = method_of(value);
  auto ranges =
      memory ? memory->choose(value, seen, chosen, shared, parallel) : choose_ranges(seen, chosen, shared, parallel);
  return std::move(ranges).context(cat("value '", value, "'"));
}

bool has_quantizers(const Graph& g) {
  const std::vector<NodeId> order = g.order();
  return std::any_of(order.begin(), order.end(), [&](NodeId id) {
    return is_one_of(g[id].op, {"QuantizeLinear", "DequantizeLinear"});
  });
}

Result<Graph> quantize(const Graph& simplified, const OpTable& ops, const Profile& profile, const QuantPolicy& policy,
                       QuantReport* report) {
  QuantReport unused;
  QuantReport& notes = report ? *report : unused;
  bool for_any = policy.form == QuantForm::for_any;
  QL_TRY(Graph g, for_any ? quantize_for_any(simplified, ops, profile, policy, notes)
                          : quantize_for_quadlane(simplified, ops, profile, policy, notes));
  QL_CHECK_OK(verify(g, ops).context("the quantized graph"));
  return g;
}

}  // namespace quadlane
