// What a channel's range must hold, and how its 256 levels lie in it.
//
// A range [low, high] of a channel has the step s = (high - low) / 255 and costs each reader the rounding noise
// A^2 s^2 / 12, where A^2 = factor^2 * sum w^2 is the reader's sensitivity. A reader with a threshold t below the range
// (a channel that is always live) reads through a constant instead, exact but for padded taps, which then count
// t - low too much each; the range is widened to t where that is the smaller error:
//   reaching t:      sum over readers A^2 (s'^2 - s^2) / 12
//   not reaching t:  kBorderWeight * A^2 (t - low)^2 * (share of taps in the padding)
#include "graph/quant/scales.h"

#include <algorithm>
#include <cmath>

#include "graph/quant/bounds.h"
#include "graph/quant/told_apart.h"

namespace quadlane {
namespace {

constexpr double kLevels = 255;
// Border rows show a systematic error, not noise: it counts more than its share of pixels.
constexpr double kBorderWeight = 8;
// The smallest range of a channel, relative to its tensor's largest value: dead channels need some scale.
constexpr double kSmallestRange = 1e-4;

struct ThresholdReader {
  double t, sensitivity, padding;
  bool negative;    // min instead of max: always live means above the range
  double kink = 0;  // what an error of t costs: see place_free
};

struct ChannelDemand {
  double low, high;  // observed
  double noise = 0;  // sum of the sensitivities
  std::vector<ThresholdReader> readers;
};

struct WeightPower {
  double white = 0;     // sum over outputs and taps of w^2: what noise without correlation is multiplied with
  double constant = 0;  // sum over outputs of (sum over taps of w)^2: the same for an error equal at all taps
};

WeightPower weight_power(const Graph& g, const QuantConv& conv, size_t c) {
  const Tensor& w = *g.constant(g[conv.node].input(1));
  const Shape& shape = w.shape();
  size_t taps = static_cast<size_t>(shape[2] * shape[3]), columns = static_cast<size_t>(shape[1]);
  size_t per_group = static_cast<size_t>(shape[0] / conv.window.group);
  // The kernels of input channel c: a row of a transposed convolution's weights, a column of its group else.
  size_t count = conv.transposed ? columns : per_group, step = conv.transposed ? taps : columns * taps;
  size_t first = conv.transposed ? c * columns * taps : (c / columns * per_group * columns + c % columns) * taps;
  WeightPower power;
  for (size_t i = 0; i < count; ++i) {
    const float* kernel = w.as<float>() + first + i * step;
    double sum = 0;
    for (size_t k = 0; k < taps; ++k) {
      power.white += double{kernel[k]} * kernel[k];
      sum += kernel[k];
    }
    power.constant += sum * sum;
  }
  return power;
}

// The share of (output pixel, tap) pairs that lie in the padding, about.
double padding_share(const Graph& g, const QuantConv& conv) {
  if (conv.transposed) return 1;
  const Shape& in = g[conv.x].type.shape;
  double share = 0;
  for (size_t axis : {0u, 1u}) {
    double pads = static_cast<double>(conv.window.pads[axis] + conv.window.pads[axis + 2]);
    share += pads / (static_cast<double>(conv.window.kernel[axis]) * static_cast<double>(in[axis + 2]));
  }
  return std::min(share, 1.0);
}

// Levels that every reader clamps to its threshold alike need not be told apart: the range shrinks to what some reader
// tells apart. Not behind an interpolation, which mixes them with others.
class NeededRange {
 public:
  void reader(const QuantConv& conv, const Reader& r, double low, double high) {
    double a = conv.pre.factor[r.channel];
    if (a == 0) return;
    if (conv.clamps && !r.averaged) (a > 0 ? low : high) = conv.pre.z[r.channel];
    if (low >= high) return;  // dead in this reader
    low_ = std::min(low_, low);
    high_ = std::max(high_, high);
  }
  void cut(ChannelDemand& d) const {
    if (low_ >= high_) return;
    d.low = std::max(d.low, low_);
    d.high = std::min(d.high, high_);
  }

 private:
  double low_ = HUGE_VAL, high_ = -HUGE_VAL;
};

ChannelDemand demand_of(const Graph& g, const Profile& profile, const StoragePlan& plan, size_t s, size_t c, double low,
                        double high) {
  ChannelDemand d{low, high};
  NeededRange needed;
  for (const Reader& r : plan.readers[s][c]) {
    const QuantConv& conv = plan.convs[r.conv];
    ValueId input = g[conv.node].input(0);
    const ValueProfile* read = profile.find(g[input].name);
    double a = conv.pre.factor[r.channel], live = conv.clamps && read ? read->positive[r.channel] : 1;
    WeightPower power = weight_power(g, conv, r.channel);
    d.noise += a * a * power.white * live;
    needed.reader(conv, r, low, high);
    if (conv.x != input && a != 0)
      d.readers.push_back({conv.pre.z[r.channel], a * a * power.white, padding_share(g, conv), a < 0,
                           a * a * power.constant * live * (1 - live)});
  }
  if (plan.sources[s].free) needed.cut(d);
  return d;
}

// Widens [low, high] to the thresholds of always-live readers where that is the smaller error.
void reach_thresholds(ChannelDemand& d) {
  std::sort(d.readers.begin(), d.readers.end(), [&](const ThresholdReader& a, const ThresholdReader& b) {
    auto distance = [&](const ThresholdReader& r) { return std::max(d.low - r.t, r.t - d.high); };
    return distance(a) < distance(b);
  });
  for (const ThresholdReader& r : d.readers) {
    bool live_beyond = r.negative ? r.t > d.high : r.t < d.low;
    if (!live_beyond || r.padding == 0) continue;
    double low = std::min(d.low, r.t), high = std::max(d.high, r.t), beyond = r.negative ? r.t - d.high : d.low - r.t;
    double wide = (high - low) / kLevels, narrow = (d.high - d.low) / kLevels;
    double cost = d.noise * (wide * wide - narrow * narrow) / 12;
    if (cost < kBorderWeight * r.sensitivity * beyond * beyond * r.padding) d.low = low, d.high = high;
  }
}

// The threshold that should be a whole level: the most sensitive reader's, of those inside the range.
const ThresholdReader* most_sensitive(const ChannelDemand& d) {
  const ThresholdReader* best = nullptr;
  for (const ThresholdReader& r : d.readers)
    if (r.t >= d.low && r.t <= d.high && (!best || r.sensitivity > best->sensitivity)) best = &r;
  return best;
}

// Any low is possible. A reader whose threshold t lies between two levels uses the nearest, t'. The bias takes back the
// mean of the error, so what is left is a (t' - t) (live - P(live)): the same for all live pixels of a region, of the
// variance a^2 (t' - t)^2 P (1 - P), times the square of the kernel's sum. The steps up to kWiden wider than needed and
// the positions of the levels are searched for the least of that and the rounding noise.
void place_free(const ChannelDemand& d, bool on_grid, double& scale, double& low) {
  constexpr int kScales = 24, kPositions = 24;
  constexpr double kWiden = 0.06;
  scale = static_cast<float>((d.high - d.low) / kLevels);
  low = d.low;
  if (!on_grid) return;
  double least = HUGE_VAL;
  for (int i = 0; i < kScales; ++i) {
    double s = static_cast<float>((d.high - d.low) / (kLevels - 1) * (1 + kWiden * i / kScales));
    for (int j = 0; j < kPositions; ++j) {
      double start = d.low - s * j / kPositions, cost = d.noise * s * s / 12;
      for (const ThresholdReader& r : d.readers) {
        if (r.t < start || r.t > d.high) continue;
        double level = (r.t - start) / s, error = (std::nearbyint(level) - level) * s;
        cost += r.kink * error * error;
      }
      if (cost < least) least = cost, scale = s, low = start;
    }
  }
}

// The scale with which `zero` means 0 and [low, high] fits.
double fitting_scale(const ChannelDemand& d, int zero) {
  double scale = 0;
  if (d.high > 0) scale = zero < 255 ? d.high / (255 - zero) : HUGE_VAL;
  if (d.low < 0) scale = std::max(scale, zero > 0 ? -d.low / zero : HUGE_VAL);
  return scale;
}

// The byte that comes nearest to 0 where the range gets all levels; either side of 0 keeps one if there is something.
int32_t nearest_zero(const ChannelDemand& d) {
  const double level = std::nearbyint(kLevels * -d.low / (d.high - d.low));
  return static_cast<int32_t>(std::clamp(level, d.low < 0 ? 1.0 : 0.0, d.high > 0 ? kLevels - 1 : kLevels));
}

// One zero point for all channels of a source, a scale for each: the zero point of the least noise.
int common_zero(const std::vector<ChannelDemand>& channels) {
  int best = 0;
  double least = HUGE_VAL;
  for (int zero = 0; zero <= 255; ++zero) {
    double noise = 0;
    for (const ChannelDemand& d : channels) {
      double scale = fitting_scale(d, zero);
      noise += (d.noise + 1e-30) * scale * scale;
    }
    if (noise < least) least = noise, best = zero;
  }
  return best;
}

// Stretches the scale by up to a fortieth, so that the threshold lies on a whole level.
double stretched(const ChannelDemand& d, double scale) {
  constexpr double kFewestLevels = 40;
  const ThresholdReader* r = most_sensitive(d);
  double levels = r ? std::abs(r->t) / scale : 0;
  return levels < kFewestLevels ? scale : std::abs(r->t) / std::floor(levels);
}

class ScaleChooser {
 public:
  ScaleChooser(const Graph& g, const OpTable& ops, const Profile& profile, const QuantPolicy& policy, StoragePlan& plan)
      : g_(g), ops_(ops), profile_(profile), policy_(policy), plan_(plan) {}

  Status run() {
    for (const QuantConv& conv : plan_.convs) {
      const std::string& input = g_[g_[conv.node].input(0)].name;
      const ValueProfile* read = profile_.find(input);
      if (read && read->channels() != conv.pre.factor.size())
        return wrong_channels(input, conv.pre.factor.size(), *read);
    }
    for (size_t s = 0; s < plan_.sources.size(); ++s) QL_CHECK_OK(choose(s));
    return {};
  }

 private:
  static Error wrong_channels(const std::string& name, size_t channels, const ValueProfile& seen) {
    return invalid_argument("value '", name, "' has ", channels, " channels, the calibration profile has ",
                            seen.channels());
  }

  Status choose(size_t s) {
    Source& source = plan_.sources[s];
    const std::string& name = g_[source.value].name;
    const ValueProfile* seen = profile_.find(name);
    size_t channels = plan_.readers[s].size();
    if (!seen) return invalid_argument("the calibration profile has no value '", name, "'");
    if (seen->channels() != channels) return wrong_channels(name, channels, *seen);
    QL_TRY(std::vector<Range> ranges, policy_.ranges(name, *seen, !source.per_channel));
    // The network's inputs are taken as they are: their ranges are made, not found.
    if (g_.producer(source.value)) add_headroom(policy_.headroom, *seen, ranges, bounds_of(g_, source.value));
    QL_CHECK_OK(cut_to_told_apart(g_, ops_, plan_, s, ranges));
    double largest = std::max({1e-20, std::abs(double{seen->lowest()}), std::abs(double{seen->highest()})});
    std::vector<ChannelDemand> demands;
    for (size_t c = 0; c < channels; ++c) {
      demands.push_back(demand_of(g_, profile_, plan_, s, c, ranges[c].low, ranges[c].high));
      ChannelDemand& d = demands.back();
      d.high = std::min(d.high, source.most);
      if (!source.free) d.low = std::min(d.low, 0.0), d.high = std::max(d.high, 0.0);
      d.high = std::max(d.high, d.low + kSmallestRange * largest);
      // What a Clip from 0 leaves is between its bounds, and the largest byte must stay the upper one.
      if (source.per_channel && source.most == HUGE_VAL) reach_thresholds(d);
    }
    source.scale.resize(channels);
    source.low.resize(channels);
    source.zero.assign(channels, 0);
    if (source.free) {
      for (size_t c = 0; c < channels; ++c)
        place_free(demands[c], policy_.threshold_on_grid, source.scale[c], source.low[c]);
    } else {
      place_around_zero(source, demands);
    }
    return {};
  }

  void place_around_zero(Source& source, std::vector<ChannelDemand>& demands) {
    if (!source.per_channel) {
      ChannelDemand all = demands[0];
      for (const ChannelDemand& d : demands) all.low = std::min(all.low, d.low), all.high = std::max(all.high, d.high);
      for (ChannelDemand& d : demands) d.low = all.low, d.high = all.high;
      std::fill(source.zero.begin(), source.zero.end(), nearest_zero(all));
    } else if (source.shifted || (!source.in_levels && g_.producer(source.value))) {
      std::transform(demands.begin(), demands.end(), source.zero.begin(), nearest_zero);
    } else {
      std::fill(source.zero.begin(), source.zero.end(), common_zero(demands));
    }
    for (size_t c = 0; c < demands.size(); ++c) {
      double scale = fitting_scale(demands[c], source.zero[c]);
      if (source.per_channel && policy_.threshold_on_grid && source.most == HUGE_VAL)
        scale = stretched(demands[c], scale);
      source.scale[c] = static_cast<float>(scale);
      source.low[c] = -source.zero[c] * source.scale[c];
    }
  }

  const Graph& g_;
  const OpTable& ops_;
  const Profile& profile_;
  const QuantPolicy& policy_;
  StoragePlan& plan_;
};

}  // namespace

Status choose_scales(const Graph& g, const OpTable& ops, const Profile& profile, const QuantPolicy& policy,
                     StoragePlan& plan) {
  return ScaleChooser(g, ops, profile, policy, plan).run();
}

}  // namespace quadlane
