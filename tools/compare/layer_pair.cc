#include "tools/compare/layer_pair.h"

#include <chrono>
#include <optional>

#include "tools/compare/difference.h"
#include "tools/compare/layer_case.h"

namespace quadlane::tools {
namespace {

// Microseconds of a run: the mean of as many as fit into the budget.
Result<double> time_round(const std::function<Result<double>()>& run, double budget) {
  double sum = 0;
  int count = 0;
  do {
    QL_TRY(double seconds, run());
    sum += seconds;
    ++count;
  } while (sum < budget);
  return 1e6 * sum / count;
}

Result<double> seconds_of(peers::OneDnnConv& conv) {
  const auto start = std::chrono::steady_clock::now();
  QL_CHECK_OK(conv.run());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<LayerPair> time_layer_pair(const peers::CountedLayer& layer, const peers::OneDnn* peer, int rounds,
                                  double budget) {
  LayerPair pair{layer};
  QL_TRY(LayerCase ours, LayerCase::make(layer.layer));
  pair.kernel = ours.kernel();
  std::optional<peers::OneDnnConv> theirs;
  if (peer) {
    QL_TRY(theirs, peers::OneDnnConv::make(*peer, layer.layer));
    pair.implementation = theirs->implementation();
    QL_CHECK_OK(ours.run());
    QL_TRY(Tensor wanted, theirs->compute(layer.layer, ours.input(), peers::layer_weights(layer.layer)));
    add_elements(wanted, ours.output(), pair.deviation);
  }
  for (int round = -1; round < rounds; ++round) {  // the first does not count
    QL_TRY(double a, time_round([&] { return ours.run(); }, budget));
    if (round >= 0) pair.our_us.push_back(a);
    if (!theirs) continue;
    QL_TRY(double b, time_round([&] { return seconds_of(*theirs); }, budget));
    if (round >= 0) pair.their_us.push_back(b);
  }
  return pair;
}

}  // namespace quadlane::tools
