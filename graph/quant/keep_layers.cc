#include "graph/quant/keep_layers.h"

#include <algorithm>

namespace quadlane {
namespace {

class Search {
 public:
  Search(const std::vector<std::string>& convs, const KeepOptions& options, const MeasureLoss& tuning,
         const MeasureLoss& held_out)
      : convs_(convs), options_(options), tuning_(tuning), held_out_(held_out) {}

  Result<KeptLayers> run() {
    QL_TRY(found_.int8, measure({}));
    QL_TRY(found_.int8_held_out, held_out_({}));
    found_.loss = found_.int8;
    found_.held_out = found_.int8_held_out;
    found_.met = fits(found_.loss) && fits(found_.held_out);
    if (found_.met) return std::move(found_);
    QL_CHECK_OK(rank());
    QL_CHECK_OK(shortest_prefix());
    QL_CHECK_OK(put_back());
    QL_CHECK_OK(satisfy_held_out());
    found_.met = fits(found_.loss) && fits(found_.held_out);
    return std::move(found_);
  }

 private:
  bool fits(const NetworkLoss& loss) const { return loss.drop <= options_.max_drop; }
  size_t most() const { return std::min(options_.most, convs_.size()); }

  Result<NetworkLoss> measure(const std::set<std::string>& keep) {
    ++found_.trials;
    return tuning_(keep);
  }

  Status rank() {
    for (const std::string& conv : convs_) {
      QL_TRY(NetworkLoss loss, measure({conv}));
      found_.ranking.push_back({conv, loss});
    }
    std::stable_sort(found_.ranking.begin(), found_.ranking.end(),
                     [](const auto& a, const auto& b) { return a.without.noise < b.without.noise; });
    return {};
  }

  std::set<std::string> prefix(size_t count) const {
    std::set<std::string> keep;
    for (size_t i = 0; i < count; ++i) keep.insert(found_.ranking[i].conv);
    return keep;
  }

  Status shortest_prefix() {
    size_t low = 0, high = most();  // low does not meet the bound, unless only the held-out inputs exceed it
    QL_CHECK_OK(keep(prefix(fits(found_.int8) ? 0 : high)));
    while (low + 1 < high && !found_.keep.empty() && !fits(found_.int8)) {
      const size_t middle = (low + high) / 2;
      QL_TRY(NetworkLoss loss, measure(prefix(middle)));
      (fits(loss) ? high : low) = middle;
      if (fits(loss)) found_.keep = prefix(middle), found_.loss = loss;
    }
    return {};
  }

  // From the least gain up.
  Status put_back() {
    for (size_t i = found_.ranking.size(); i-- > 0 && fits(found_.loss) && found_.keep.size() > 1;) {
      if (!found_.keep.count(found_.ranking[i].conv)) continue;
      std::set<std::string> fewer = found_.keep;
      fewer.erase(found_.ranking[i].conv);
      QL_TRY(NetworkLoss loss, measure(fewer));
      if (fits(loss)) found_.keep = fewer, found_.loss = loss;
    }
    return {};
  }

  Status satisfy_held_out() {
    QL_TRY(found_.held_out, held_out_(found_.keep));
    for (size_t i = 0; i < found_.ranking.size() && !fits(found_.held_out) && found_.keep.size() < most(); ++i) {
      std::set<std::string> more = found_.keep;
      if (!more.insert(found_.ranking[i].conv).second) continue;
      QL_CHECK_OK(keep(std::move(more)));
      QL_TRY(found_.held_out, held_out_(found_.keep));
    }
    return {};
  }

  Status keep(std::set<std::string> convs) {
    found_.keep = std::move(convs);
    QL_TRY(found_.loss, measure(found_.keep));
    return {};
  }

  const std::vector<std::string>& convs_;
  const KeepOptions& options_;
  const MeasureLoss& tuning_;
  const MeasureLoss& held_out_;
  KeptLayers found_;
};

}  // namespace

Result<KeptLayers> keep_layers(const std::vector<std::string>& convs, const KeepOptions& options,
                               const MeasureLoss& tuning, const MeasureLoss& held_out) {
  return Search(convs, options, tuning, held_out).run();
}

}  // namespace quadlane
