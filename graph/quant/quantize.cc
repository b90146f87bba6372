#include "graph/quant/quantize.h"

#include "graph/quant/any_form.h"
#include "graph/quant/quadlane_form.h"
#include "graph/verify.h"

namespace quadlane {

Result<Graph> quantize(const Graph& simplified, const OpTable& ops, const Profile& profile, const QuantPolicy& policy,
                       QuantReport* report) {
  QuantReport unused;
  QuantReport& notes = report ? *report : unused;
  bool for_any = policy.form == QuantForm::for_any;
  QL_TRY(Graph g, for_any ? quantize_for_any(simplified, ops, profile, policy, notes)
                          : quantize_for_quadlane(simplified, ops, profile, policy, notes));
  if (Status s = verify(g, ops); !s.ok()) return std::move(s).context("the quantized graph").error();
  return g;
}

}  // namespace quadlane
