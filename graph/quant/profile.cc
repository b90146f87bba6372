#include "graph/quant/profile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/base/on_isa.h"

namespace quadlane {
namespace {

// What one tensor adds to one channel, in lanes: element i in lane i mod 8, what is left over in lane 0. So the sums
// do not depend on the width of the machine's registers.
struct ChannelSum {
  static constexpr int kLanes = 8;
  float min[kLanes], max[kLanes];
  double sum[kLanes] = {};
  int64_t positive = 0;

  ChannelSum() {
    std::fill_n(min, kLanes, HUGE_VALF);
    std::fill_n(max, kLanes, -HUGE_VALF);
  }
  void add(const float* x, int64_t count) {
    const int64_t whole = count / kLanes * kLanes;
    on_this_cpu([=, this] { add_lanes(x, whole); });
    for (int64_t i = whole; i < count; ++i) {
      min[0] = std::min(min[0], x[i]);
      max[0] = std::max(max[0], x[i]);
      sum[0] += x[i];
      positive += x[i] > 0;
    }
  }
  double total() const { return std::accumulate(sum, sum + kLanes, 0.0); }

 private:
  // Compilers vectorize no loop over lanes in a loop over elements.
  using Floats [[gnu::vector_size(4 * kLanes)]] = float;
  using Integers [[gnu::vector_size(4 * kLanes)]] = int32_t;
  using Doubles [[gnu::vector_size(8 * kLanes)]] = double;
  void add_lanes(const float* x, int64_t count) {
    Floats low, high, v;
    Doubles total;
    Integers above = {};
    std::memcpy(&low, min, sizeof low), std::memcpy(&high, max, sizeof high), std::memcpy(&total, sum, sizeof total);
    for (int64_t i = 0; i < count; i += kLanes) {
      std::memcpy(&v, x + i, sizeof v);
      low = v < low ? v : low;
      high = v > high ? v : high;
      total += __builtin_convertvector(v, Doubles);
      above -= v > 0;  // true is -1
    }
    std::memcpy(min, &low, sizeof low), std::memcpy(max, &high, sizeof high), std::memcpy(sum, &total, sizeof total);
    for (int lane = 0; lane < kLanes; ++lane) positive += above[lane];
  }
};

// The statistics of both; `into` may be empty.
void combine(ValueProfile& into, const ValueProfile& other) {
  if (into.count == 0) {
    into = other;
    return;
  }
  double total = static_cast<double>(into.count + other.count);
  double a = static_cast<double>(into.count) / total, b = static_cast<double>(other.count) / total;
  double tensors = static_cast<double>(into.observations + other.observations);
  double e = static_cast<double>(into.observations) / tensors, f = static_cast<double>(other.observations) / tensors;
  for (size_t c = 0; c < into.channels(); ++c) {
    into.min[c] = std::min(into.min[c], other.min[c]);
    into.max[c] = std::max(into.max[c], other.max[c]);
    // Clamped: rounding must not carry the mean of equal extremes beyond them.
    const double low = into.average_min[c] * e + other.average_min[c] * f;
    const double high = into.average_max[c] * e + other.average_max[c] * f;
    into.average_min[c] = std::clamp<double>(low, into.min[c], into.max[c]);
    into.average_max[c] = std::clamp<double>(high, into.min[c], into.max[c]);
    into.mean[c] = into.mean[c] * a + other.mean[c] * b;
    into.positive[c] = into.positive[c] * a + other.positive[c] * b;
  }
  for (size_t c = 0; c < into.histograms.size(); ++c) into.histograms[c].merge(other.histograms[c]);
  into.count += other.count;
  into.observations += other.observations;
}

Result<ValueProfile> profile_of(const Tensor& t, bool histograms, const ParallelFor& parallel) {
  if (t.dtype() != DType::f32) return invalid_argument("is ", to_string(t.type()), ", expected f32");
  const Shape& shape = t.shape();
  int64_t channels = shape.size() < 2 ? 1 : shape[1], batch = shape.size() < 2 ? 1 : shape[0];
  if (t.count() == 0) return invalid_argument("is empty: ", to_string(t.type()));
  int64_t inner = t.count() / batch / channels;
  ValueProfile p;
  p.count = batch * inner;
  p.observations = 1;
  const auto all = static_cast<size_t>(channels);
  p.min.resize(all), p.max.resize(all), p.mean.resize(all), p.positive.resize(all);
  if (histograms) p.histograms.resize(all);
  parallel(channels, [&](int64_t channel) {
    const auto c = static_cast<size_t>(channel);
    ChannelSum sum;
    for (int64_t n = 0; n < batch; ++n) sum.add(t.as<float>() + (n * channels + channel) * inner, inner);
    p.min[c] = *std::min_element(sum.min, std::end(sum.min));
    p.max[c] = *std::max_element(sum.max, std::end(sum.max));
    p.mean[c] = sum.total() / static_cast<double>(p.count);
    p.positive[c] = static_cast<double>(sum.positive) / static_cast<double>(p.count);
    if (!histograms || !std::isfinite(p.mean[c])) return;
    for (int64_t n = 0; n < batch; ++n) p.histograms[c].add(t.as<float>() + (n * channels + channel) * inner, inner);
  });
  for (int64_t c = 0; c < channels; ++c)
    if (!std::isfinite(p.mean[static_cast<size_t>(c)])) return invalid_argument("is not finite in channel ", c);
  p.average_min.assign(p.min.begin(), p.min.end());
  p.average_max.assign(p.max.begin(), p.max.end());
  return p;
}

}  // namespace

float ValueProfile::lowest() const { return *std::min_element(min.begin(), min.end()); }
float ValueProfile::highest() const { return *std::max_element(max.begin(), max.end()); }

Status Profile::observe(const std::string& value, const Tensor& t, const ParallelFor& parallel) {
  auto seen = profile_of(t, histograms_, parallel).context(cat("value '", value, "'"));
  if (!seen.ok()) return seen.error();
  ValueProfile& into = values_[value];
  if (into.count && into.channels() != seen->channels())
    return invalid_argument("value '", value, "' has ", seen->channels(), " channels, the profile has ",
                            into.channels());
  combine(into, *seen);
  return {};
}

Status Profile::merge(const Profile& other) {
  if (empty() && samples_ == 0) histograms_ = other.histograms_;
  if (histograms_ != other.histograms_)
    return invalid_argument("one of the profiles has histograms, the other has none");
  for (const auto& [name, value] : other.values_) {
    auto mine = values_.find(name);
    if (mine != values_.end() && mine->second.channels() != value.channels())
      return invalid_argument("value '", name, "' has ", value.channels(), " channels in one profile and ",
                              mine->second.channels(), " in the other");
  }
  for (const auto& [name, value] : other.values_) combine(values_[name], value);
  samples_ += other.samples_;
  return {};
}

void Profile::divide(const std::string& value, std::span<const double> factors, const std::string& renamed) {
  auto it = values_.find(value);
  if (it == values_.end() || it->second.channels() != factors.size()) return;
  ValueProfile p = std::move(it->second);
  values_.erase(it);
  for (size_t c = 0; c < factors.size(); ++c) {
    p.min[c] = static_cast<float>(p.min[c] / factors[c]);
    p.max[c] = static_cast<float>(p.max[c] / factors[c]);
    p.average_min[c] = std::max<double>(p.min[c], p.average_min[c] / factors[c]);
    p.average_max[c] = std::min<double>(p.max[c], p.average_max[c] / factors[c]);
    p.mean[c] /= factors[c];
    if (!p.histograms.empty()) p.histograms[c] = p.histograms[c].divided(factors[c]);
  }
  values_[renamed] = std::move(p);
}

const ValueProfile* Profile::find(const std::string& value) const {
  auto it = values_.find(value);
  return it == values_.end() ? nullptr : &it->second;
}

}  // namespace quadlane
