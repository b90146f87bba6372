#include "graph/quant/keep_layers.h"

#include <algorithm>
#include <map>

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
    QL_CHECK_OK(rank_in_f32());
    QL_CHECK_OK(one_alone());
    if (!fits(found_.loss)) QL_CHECK_OK(shorter_list());
    QL_TRY(found_.held_out, held_out_(found_.keep));
    if (fits(found_.loss) && !fits(found_.held_out)) QL_CHECK_OK(satisfy_held_out());
    found_.trials = static_cast<int>(measured_.size());
    found_.met = fits(found_.loss) && fits(found_.held_out);
    return std::move(found_);
  }

 private:
  bool fits(const NetworkLoss& loss) const { return loss.bounded() <= options_.max_drop; }
  size_t most() const { return std::min(options_.most, convs_.size()); }

  Result<NetworkLoss> measure(const std::set<std::string>& keep) {
    if (auto known = measured_.find(keep); known != measured_.end()) return known->second;
    QL_TRY(const NetworkLoss loss, tuning_(keep));
    measured_[keep] = loss;
    const NetworkLoss& least = measured_.at(best_);  // of nothing kept, which comes first
    const auto rank = [](const NetworkLoss& l) { return std::pair(l.bounded(), l.noise); };
    if (keep.size() <= most() && rank(loss) < rank(least)) best_ = keep;
    return loss;
  }

  Status rank_in_f32() {
    for (const std::string& conv : convs_) {
      QL_TRY(NetworkLoss loss, measure({conv}));
      found_.ranking.push_back({conv, loss});
    }
    std::stable_sort(found_.ranking.begin(), found_.ranking.end(),
                     [](const auto& a, const auto& b) { return a.without.noise < b.without.noise; });
    return {};
  }

  Status one_alone() {
    for (const auto& [conv, without, adds] : found_.ranking)
      if (most() > 0 && fits(without) && !fits(found_.loss)) found_.keep = {conv}, found_.loss = without;
    return {};
  }

  Status shorter_list() {
    using Keep = std::set<std::string>;
    QL_TRY(Keep one_by_one, grow());
    QL_TRY(const std::vector<std::string> loudest, rank_in_int8());
    QL_TRY(Keep together, shortest({}, loudest, [&](const Keep& keep) -> Result<bool> {
      QL_TRY(const NetworkLoss loss, measure(keep));
      return fits(loss);
    }));
    for (const Keep& keep : {one_by_one, together}) {
      QL_TRY(const NetworkLoss loss, measure(keep));
      if (!fits(loss) || keep.size() > most()) continue;
      QL_TRY(Keep fewer, without_needless(keep));
      QL_TRY(const NetworkLoss left, measure(fewer));
      const auto cost = std::pair(fewer.size(), left.noise), known = std::pair(found_.keep.size(), found_.loss.noise);
      if (!fits(found_.loss) || cost < known) QL_CHECK_OK(take(fewer));
    }
    return fits(found_.loss) ? Status() : take(best_);
  }

  Status take(const std::set<std::string>& keep) {
    found_.keep = keep;
    QL_TRY(found_.loss, measure(keep));
    return {};
  }

  // One after the other of the ranking, if that lowers the noise, until it is enough.
  Result<std::set<std::string>> grow() {
    std::set<std::string> keep;
    NetworkLoss now = found_.int8;
    for (const auto& [conv, without, adds] : found_.ranking) {
      if (fits(now) || keep.size() >= most()) break;
      std::set<std::string> more = keep;
      more.insert(conv);
      QL_TRY(const NetworkLoss loss, measure(more));
      if (loss.noise < now.noise || loss.bounded() < now.bounded()) keep = more, now = loss;
    }
    return keep;
  }

  // By the noise that each adds to a network that is fp32 but for it, most first.
  Result<std::vector<std::string>> rank_in_int8() {
    if (!loudest_.empty()) return loudest_;
    std::map<std::string, double> noise;
    const std::set<std::string> all(convs_.begin(), convs_.end());
    for (const std::string& conv : convs_) {
      std::set<std::string> others = all;
      others.erase(conv);
      QL_TRY(const NetworkLoss loss, measure(others));
      noise[conv] = loss.noise;
    }
    for (KeptLayers::Layer& layer : found_.ranking) layer.adds = noise[layer.conv];
    loudest_ = convs_;
    std::stable_sort(loudest_.begin(), loudest_.end(), [&](auto& a, auto& b) { return noise[a] > noise[b]; });
    return loudest_;
  }

  // `keep` and the shortest beginning of `order` that is enough with it, by bisection; of all that may be, if none is.
  template <class Enough>
  Result<std::set<std::string>> shortest(const std::set<std::string>& keep, std::vector<std::string> order,
                                         const Enough& enough) {
    std::erase_if(order, [&](const std::string& conv) { return keep.count(conv) > 0; });
    auto with = [&](size_t count) {
      std::set<std::string> more = keep;
      more.insert(order.begin(), order.begin() + static_cast<ptrdiff_t>(count));
      return more;
    };
    size_t low = 0, high = std::min(order.size(), most() - std::min(most(), keep.size()));
    QL_TRY(const bool all, enough(with(high)));
    if (!all) return with(high);
    while (low < high) {
      const size_t middle = (low + high) / 2;
      QL_TRY(const bool met, enough(with(middle)));
      if (met)
        high = middle;
      else
        low = middle + 1;
    }
    return with(high);
  }

  // What it can do without, from the least gain up, goes back to int8.
  Result<std::set<std::string>> without_needless(std::set<std::string> keep) {
    for (size_t i = found_.ranking.size(); i-- > 0 && keep.size() > 1;) {
      if (!keep.count(found_.ranking[i].conv)) continue;
      std::set<std::string> fewer = keep;
      fewer.erase(found_.ranking[i].conv);
      QL_TRY(const NetworkLoss loss, measure(fewer));
      if (fits(loss)) keep = std::move(fewer);
    }
    return keep;
  }

  Status satisfy_held_out() {
    QL_TRY(const std::vector<std::string> loudest, rank_in_int8());
    QL_TRY(const std::set<std::string> more,
           shortest(found_.keep, loudest, [&](const std::set<std::string>& keep) -> Result<bool> {
             QL_TRY(const NetworkLoss loss, measure(keep));
             QL_TRY(const NetworkLoss held_out, held_out_(keep));
             return fits(loss) && fits(held_out);
           }));
    QL_CHECK_OK(take(more));
    QL_TRY(found_.held_out, held_out_(more));
    return {};
  }

  const std::vector<std::string>& convs_;
  const KeepOptions& options_;
  const MeasureLoss& tuning_;
  const MeasureLoss& held_out_;
  KeptLayers found_;
  std::map<std::set<std::string>, NetworkLoss> measured_;
  std::vector<std::string> loudest_;
  std::set<std::string> best_;  // measured, of no more than may be kept
};

}  // namespace

Result<KeptLayers> keep_layers(const std::vector<std::string>& convs, const KeepOptions& options,
                               const MeasureLoss& tuning, const MeasureLoss& held_out) {
  return Search(convs, options, tuning, held_out).run();
}

}  // namespace quadlane
