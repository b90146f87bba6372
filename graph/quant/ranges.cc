#include "graph/quant/ranges.h"

#include <algorithm>
#include <cmath>

namespace quadlane {
namespace {

constexpr int kLevels = 255;                 // steps between the levels
constexpr double kPercentileShare = 1e-4;    // at either end
constexpr double kSmallestShare = 1.0 / 16;  // of what was seen, that a side of a range may shrink to

// Counts, sums and sums of squares of everything below a bin, so that the error of clipping there is one expression.
class Moments {
 public:
  explicit Moments(const Histogram& h) : bins_(h.bins()) {
    n_.push_back(0), sum_.push_back(0), square_.push_back(0);
    for (const Histogram::Bin& bin : bins_) {
      const double count = static_cast<double>(bin.count), mid = (bin.low + bin.high) / 2, width = bin.high - bin.low;
      n_.push_back(n_.back() + count);
      sum_.push_back(sum_.back() + count * mid);
      square_.push_back(square_.back() + count * (mid * mid + width * width / 12));
    }
  }

  struct End {
    double at;
    size_t bin;  // the first one whose middle lies above
  };
  End end(double x) const { return {x, first_above(x)}; }

  // Sum of the squared errors of 256 levels over a range: the distance outside; inside step^2 / 12, but for what lies
  // nearest to the level 0, often a peak much narrower than a step, its own square.
  double error(const End& low, const End& high) const {
    const size_t a = low.bin, b = std::max(a, high.bin);
    const double step = (high.at - low.at) / kLevels;
    double sum = distance(0, a, low.at) + distance(b, bins_.size(), high.at);
    double count = n_[b] - n_[a];
    if (low.at <= 0 && high.at >= 0) {
      const size_t c = std::clamp(first_above(-step / 2), a, b), d = std::clamp(first_above(step / 2), a, b);
      sum += square_[d] - square_[c];
      count -= n_[d] - n_[c];
    }
    return sum + count * step * step / 12;
  }

 private:
  size_t first_above(double x) const {
    auto it = std::partition_point(bins_.begin(), bins_.end(),
                                   [x](const Histogram::Bin& bin) { return (bin.low + bin.high) / 2 <= x; });
    return static_cast<size_t>(it - bins_.begin());
  }
  double distance(size_t from, size_t to, double x) const {
    const double n = n_[to] - n_[from], sum = sum_[to] - sum_[from], square = square_[to] - square_[from];
    return std::max(0.0, square - 2 * x * sum + n * x * x);
  }

  std::vector<Histogram::Bin> bins_;
  std::vector<double> n_, sum_, square_;
};

// Where a side of a range may end: what was seen, and the edges of bins down to a share of it. A side that is 0 or has
// the other sign stays: nothing is gained by moving it.
std::vector<double> candidates(const std::vector<Histogram::Bin>& bins, double extreme, bool moves) {
  std::vector<double> ends{extreme};
  for (const Histogram::Bin& bin : bins) {
    const double edge = extreme > 0 ? bin.high : bin.low;
    if (const double share = edge / extreme; moves && share >= kSmallestShare && share < 1) ends.push_back(edge);
  }
  return ends;
}

Range least_squares(const Histogram& h, const Range& seen) {
  const Moments moments(h);
  const std::vector<Histogram::Bin> bins = h.bins();
  std::vector<Moments::End> highs;
  for (double high : candidates(bins, seen.high, seen.high > 0)) highs.push_back(moments.end(high));
  Range best = seen;
  double least = HUGE_VAL;
  for (double at : candidates(bins, seen.low, seen.low < 0)) {
    const Moments::End low = moments.end(at);
    for (const Moments::End& high : highs)
      if (double error = moments.error(low, high); error < least) least = error, best = {low.at, high.at};
  }
  return best;
}

// The distribution over `cells` equal cells of the range; what lies outside counts in the cells at the ends.
std::vector<double> clipped_distribution(const std::vector<Histogram::Bin>& bins, const Range& r, int cells) {
  std::vector<double> mass(static_cast<size_t>(cells), 0.0);
  const double width = (r.high - r.low) / cells;
  auto cell_of = [&](double x) { return std::clamp((x - r.low) / width, 0.0, static_cast<double>(cells)); };
  for (const Histogram::Bin& bin : bins) {
    const double from = cell_of(bin.low), to = cell_of(bin.high), count = static_cast<double>(bin.count);
    if (to <= from) {
      mass[from <= 0 ? 0 : static_cast<size_t>(cells) - 1] += count;
      continue;
    }
    const double inside = (to - from) * width / (bin.high - bin.low);
    if (bin.low < r.low) mass.front() += count * (r.low - bin.low) / (bin.high - bin.low);
    if (bin.high > r.high) mass.back() += count * (bin.high - r.high) / (bin.high - bin.low);
    const double density = count * inside / (to - from);
    const size_t first = static_cast<size_t>(from), last = static_cast<size_t>(to);  // the cells at its ends, in part
    if (first == last) {
      mass[first] += count * inside;
      continue;
    }
    mass[first] += density * (static_cast<double>(first + 1) - from);
    for (size_t c = first + 1; c < last; ++c) mass[c] += density;
    if (last < mass.size()) mass[last] += density * (to - static_cast<double>(last));
  }
  return mass;
}

// Divergence of "every level spreads its mass evenly over its cells that hold any" from the clipped distribution.
double divergence(const std::vector<Histogram::Bin>& bins, const Range& r) {
  constexpr int kCells = 4;  // to a level
  const std::vector<double> p = clipped_distribution(bins, r, (kLevels + 1) * kCells);
  // What the levels know of the values outside is nothing: q is made of the values inside alone.
  double outside_low = 0, outside_high = 0, total = 0;
  for (const Histogram::Bin& bin : bins) {
    const double count = static_cast<double>(bin.count), mid = (bin.low + bin.high) / 2;
    if (mid < r.low) outside_low += count;
    if (mid > r.high) outside_high += count;
    total += count;
  }
  const double inside = total - outside_low - outside_high;
  if (inside <= 0) return HUGE_VAL;
  // sum p / total * log(p / total / q): q is one number for a level, and p for the cells of a bin.
  double sum = -std::log(total), cell = 0, cell_log = 0;
  for (int level = 0; level <= kLevels; ++level) {
    const size_t first = static_cast<size_t>(level * kCells);
    double mass = 0, clipped = 0, logs = 0;
    int used = 0;
    for (size_t c = first; c < first + kCells; ++c) {
      if (p[c] <= 0) continue;
      if (p[c] != cell) cell = p[c], cell_log = std::log(cell);
      mass += c == 0              ? std::max(0.0, p[c] - outside_low)
              : c + 1 == p.size() ? std::max(0.0, p[c] - outside_high)
                                  : p[c];
      clipped += p[c];
      logs += p[c] * cell_log;
      ++used;
    }
    if (used > 0) sum += (logs - clipped * std::log(std::max(1e-12, mass / used / inside))) / total;
  }
  return sum;
}

// One side after the other: the tails are independent, and the search stays linear.
Range least_divergence(const Histogram& h, const Range& seen) {
  const std::vector<Histogram::Bin> bins = h.bins();
  Range best = seen;
  double least = divergence(bins, best);
  auto consider = [&](const Range& r) {
    if (double d = divergence(bins, r); d < least) least = d, best = r;
  };
  for (double high : candidates(bins, seen.high, seen.high > 0)) consider({best.low, high});
  for (double low : candidates(bins, seen.low, seen.low < 0)) consider({low, best.high});
  return best;
}

Range by_histogram(const Histogram& h, const Range& seen, RangeMethod method) {
  if (seen.low >= seen.high || h.empty()) return seen;
  switch (method) {
    case RangeMethod::percentile:
      return {std::clamp(h.quantile(kPercentileShare), seen.low, seen.high),
              std::clamp(h.quantile(1 - kPercentileShare), seen.low, seen.high)};
    case RangeMethod::entropy: return least_divergence(h, seen);
    case RangeMethod::mse: return least_squares(h, seen);
    default: return seen;
  }
}

}  // namespace

std::string_view to_string(RangeMethod method) {
  switch (method) {
    case RangeMethod::minmax: return "minmax";
    case RangeMethod::average: return "average";
    case RangeMethod::percentile: return "percentile";
    case RangeMethod::entropy: return "entropy";
    case RangeMethod::mse: return "mse";
  }
  return "?";
}

std::optional<RangeMethod> range_method(std::string_view name) {
  for (RangeMethod method : kRangeMethods)
    if (to_string(method) == name) return method;
  return std::nullopt;
}

Result<std::vector<Range>> choose_ranges(const ValueProfile& p, RangeMethod method, bool shared,
                                         const ParallelFor& parallel) {
  const bool counts = method != RangeMethod::minmax && method != RangeMethod::average;
  if (counts && p.histograms.empty())
    return invalid_argument("method ", to_string(method), " needs histograms, the calibration statistics have none");
  std::vector<Range> ranges(p.channels());
  for (size_t c = 0; c < ranges.size(); ++c)
    ranges[c] = method == RangeMethod::average ? Range{p.average_min[c], p.average_max[c]} : Range{p.min[c], p.max[c]};
  if (counts && !shared)
    parallel(static_cast<int64_t>(ranges.size()), [&](int64_t channel) {
      const auto c = static_cast<size_t>(channel);
      ranges[c] = by_histogram(p.histograms[c], ranges[c], method);
    });
  if (!shared) return ranges;
  Range all = ranges[0];
  for (const Range& r : ranges) all = {std::min(all.low, r.low), std::max(all.high, r.high)};
  if (counts) {
    Histogram together;
    for (const Histogram& h : p.histograms) together.merge(h);
    all = by_histogram(together, all, method);
  }
  std::fill(ranges.begin(), ranges.end(), all);
  return ranges;
}

Result<std::vector<Range>> RangeMemory::choose(const std::string& value, const ValueProfile& seen, RangeMethod method,
                                               bool shared, const ParallelFor& parallel) {
  const auto key = std::make_tuple(value, method, shared);
  if (auto known = known_.find(key); known != known_.end()) return known->second;
  QL_TRY(std::vector<Range> ranges, choose_ranges(seen, method, shared, parallel));
  return known_[key] = std::move(ranges);
}

double expected_error(const Histogram& h, const Range& r) {
  const uint64_t total = h.total();
  if (total == 0) return 0;
  const Moments moments(h);
  return moments.error(moments.end(r.low), moments.end(r.high)) / static_cast<double>(total);
}

// 0 is a whole level first, then the scale covers both ends: a picture in [-1, 1] would lie on ties otherwise, half a
// level from every byte it came from.
ByteScale byte_scale(const Range& r) {
  const double width = r.high - r.low, level = width > 0 ? std::nearbyint(255 * -r.low / width) : 0;
  const auto zero = static_cast<int32_t>(std::clamp(level, r.low < 0 ? 1.0 : 0.0, r.high > 0 ? 254.0 : 255.0));
  const double scale = std::max(r.low < 0 ? -r.low / zero : 0, r.high > 0 ? r.high / (255 - zero) : 0);
  return {static_cast<float>(scale > 0 ? std::max(scale, 1e-32) : 1e-6 / 255), zero};
}

}  // namespace quadlane
