#include "tools/cli/equalize.h"

#include "tools/cli/calibrate.h"

namespace quadlane::tools {

Result<std::optional<Equalized>> equalize(Graph& graph, CalibrationSource& source, Rebind& rebind,
                                          const std::string& method, const QuantPolicy& policy, bool histograms) {
  if (!can_equalize(graph, policy.form)) return std::optional<Equalized>();
  Equalized result;
  QL_TRY(result.before, calibrate(graph, source, histograms || needs_histograms(method), &result.notes));
  const ChannelFactors factors = equalizing_factors(graph, result.before, policy);
  equalize(graph, factors);
  if (rebind)
    rebind = [plain = std::move(rebind), factors](std::span<const Shape> shapes) -> Result<Graph> {
      QL_TRY(Graph other, plain(shapes));
      equalize(other, factors);
      return other;
    };
  result.after = equalized(result.before, factors);
  if (method != "auto" || source.profile) source.profile = result.after;
  return std::optional<Equalized>(std::move(result));
}

}  // namespace quadlane::tools
