#include "graph/quant/keep_layers.h"

#include <algorithm>
#include <map>
#include <tuple>

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
    QL_CHECK_OK(one_alone());
    QL_CHECK_OK(grow([&]() -> Result<bool> { return fits(found_.loss); }));
    QL_CHECK_OK(complete());
    QL_CHECK_OK(put_back());
    if (!fits(found_.loss)) found_.keep = best_, found_.loss = measured_.at(best_);
    QL_TRY(found_.held_out, held_out_(found_.keep));
    if (fits(found_.loss)) QL_CHECK_OK(satisfy_held_out());
    found_.trials = static_cast<int>(measured_.size());
    found_.met = fits(found_.loss) && fits(found_.held_out);
    return std::move(found_);
  }

 private:
  bool fits(const NetworkLoss& loss) const { return loss.drop <= options_.max_drop; }
  size_t most() const { return std::min(options_.most, convs_.size()); }

  Result<NetworkLoss> measure(const std::set<std::string>& keep) {
    if (auto known = measured_.find(keep); known != measured_.end()) return known->second;
    QL_TRY(const NetworkLoss loss, tuning_(keep));
    measured_[keep] = loss;
    const NetworkLoss& least = measured_.at(best_);  // of nothing kept, which comes first
    if (keep.size() <= most() && std::tie(loss.drop, loss.noise) < std::tie(least.drop, least.noise)) best_ = keep;
    return loss;
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

  Status one_alone() {
    for (const auto& [conv, without] : found_.ranking)
      if (most() > 0 && fits(without) && !fits(found_.loss)) found_.keep = {conv}, found_.loss = without;
    return {};
  }

  // Keeps one after the other of the ranking, if that lowers the noise, until it is enough.
  template <class Enough>
  Status grow(const Enough& enough) {
    for (const auto& [conv, without] : found_.ranking) {
      QL_TRY(const bool done, enough());
      if (done || found_.keep.size() >= most()) return {};
      std::set<std::string> more = found_.keep;
      if (!more.insert(conv).second) continue;
      QL_TRY(const NetworkLoss loss, measure(more));
      if (loss.noise < found_.loss.noise || loss.drop < found_.loss.drop) found_.keep = more, found_.loss = loss;
    }
    return {};
  }

  // Where no further one helps by itself: with the shortest beginning of the rest, by bisection.
  Status complete() {
    const std::set<std::string> grown = found_.keep;
    std::vector<std::string> rest;
    for (const auto& [conv, without] : found_.ranking)
      if (!grown.count(conv)) rest.push_back(conv);
    size_t low = 0, high = std::min(rest.size(), most() - grown.size());  // low does not meet the bound
    if (fits(found_.loss) || high == 0) return {};
    auto with = [&](size_t count) {
      std::set<std::string> more = grown;
      more.insert(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(count));
      return more;
    };
    QL_TRY(const NetworkLoss all, measure(with(high)));
    if (!fits(all)) return {};
    while (low + 1 < high) {
      const size_t middle = (low + high) / 2;
      QL_TRY(const NetworkLoss loss, measure(with(middle)));
      (fits(loss) ? high : low) = middle;
    }
    found_.keep = with(high), found_.loss = measured_.at(found_.keep);
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
    std::set<std::string> measured = found_.keep;
    auto enough = [&]() -> Result<bool> {
      if (found_.keep != measured) {
        QL_TRY(found_.held_out, held_out_(measured = found_.keep));
      }
      return fits(found_.held_out) && fits(found_.loss);
    };
    QL_CHECK_OK(grow(enough));
    QL_TRY([[maybe_unused]] const bool done, enough());
    return {};
  }

  const std::vector<std::string>& convs_;
  const KeepOptions& options_;
  const MeasureLoss& tuning_;
  const MeasureLoss& held_out_;
  KeptLayers found_;
  std::map<std::set<std::string>, NetworkLoss> measured_;
  std::set<std::string> best_;  // measured, of no more than may be kept
};

}  // namespace

Result<KeptLayers> keep_layers(const std::vector<std::string>& convs, const KeepOptions& options,
                               const MeasureLoss& tuning, const MeasureLoss& held_out) {
  return Search(convs, options, tuning, held_out).run();
}

}  // namespace quadlane
