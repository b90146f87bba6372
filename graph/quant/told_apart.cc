#include "graph/quant/told_apart.h"

#include <algorithm>

#include "graph/passes/computed_alone.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

constexpr size_t kPoints = 257;  // of each channel's range, its ends among them

std::vector<float> spread_over(const std::vector<Range>& ranges) {
  std::vector<float> x;
  for (const Range& r : ranges)
    for (size_t i = 0; i < kPoints; ++i)
      x.push_back(static_cast<float>(r.low + (r.high - r.low) * static_cast<double>(i) / (kPoints - 1)));
  return x;
}

// The nodes from the root to v, in the graph's order.
std::vector<Node> nodes_between(const Graph& g, ValueId root, ValueId v) {
  std::vector<NodeId> found;
  std::vector<Node> nodes;
  std::vector<ValueId> open{v};
  while (!open.empty()) {
    const ValueId next = open.back();
    open.pop_back();
    if (next == kNoValue || next == root || g.constant(next) || g[next].producer == kNoNode) continue;
    const NodeId id = g[next].producer;
    if (std::find(found.begin(), found.end(), id) != found.end()) continue;
    found.push_back(id);
    open.insert(open.end(), g[id].inputs.begin(), g[id].inputs.end());
  }
  for (NodeId id : g.order())
    if (std::find(found.begin(), found.end(), id) != found.end()) nodes.push_back(g[id]);
  return nodes;
}

struct Span {
  size_t first = kPoints - 1, last = 0;  // points told apart
};

double width_of(std::span<const float> f) {
  const auto [least, most] = std::minmax_element(f.begin(), f.end());
  return double{*most} - *least;
}

// The ends move inwards while all they leave behind is as good as they are.
Span told_apart(std::span<const float> f, double half_step) {
  Span span{0, f.size() - 1};
  auto flat_up_to = [&](size_t end, size_t from, size_t to) {
    return std::all_of(f.begin() + static_cast<ptrdiff_t>(from), f.begin() + static_cast<ptrdiff_t>(to) + 1,
                       [&](float y) { return std::abs(double{y} - f[end]) <= half_step; });
  };
  while (span.first + 1 < f.size() && flat_up_to(span.first + 1, 0, span.first + 1)) ++span.first;
  while (span.last > span.first + 1 && flat_up_to(span.last - 1, span.last - 1, f.size() - 1)) --span.last;
  return span;
}

}  // namespace

Status cut_to_told_apart(const Graph& g, const OpTable& ops, const StoragePlan& plan, size_t source,
                         std::vector<Range>& ranges) {
  const ValueId root = plan.sources[source].value;
  const auto& readers = plan.readers[source];
  const bool convolutions = std::any_of(readers.begin(), readers.end(), [](const auto& all) { return !all.empty(); });
  if (!plan.stored.at(root).only_tables || convolutions) return {};
  const Tensor x = Tensor::from<float>({static_cast<int64_t>(ranges.size()), int64_t{kPoints}}, spread_over(ranges));
  std::vector<Span> needed(ranges.size());
  for (const Source& table : plan.sources) {
    if (table.function_of != root) continue;
    QL_TRY(const Tensor y, computed_alone(g, ops, nodes_between(g, root, table.value), root, x));
    const std::span<const float> all(y.as<float>(), ranges.size() * kPoints);
    double widest = 0;
    for (size_t c = 0; c < ranges.size(); ++c) widest = std::max(widest, width_of(all.subspan(c * kPoints, kPoints)));
    for (size_t c = 0; c < ranges.size(); ++c) {
      const auto f = all.subspan(c * kPoints, kPoints);
      const Span span = told_apart(f, (table.per_channel ? width_of(f) : widest) / 255 / 2);
      needed[c].first = std::min(needed[c].first, span.first);
      needed[c].last = std::max(needed[c].last, span.last);
    }
  }
  for (size_t c = 0; c < ranges.size(); ++c) {
    const Range seen = ranges[c];
    if (needed[c].first >= needed[c].last) continue;
    const double step = (seen.high - seen.low) / (kPoints - 1);
    ranges[c] = {seen.low + step * static_cast<double>(needed[c].first),
                 seen.low + step * static_cast<double>(needed[c].last)};
  }
  return {};
}

}  // namespace quadlane
