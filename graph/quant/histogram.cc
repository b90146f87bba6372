#include "graph/quant/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace quadlane {
namespace {

constexpr int kPerOctave = 16, kMantissaBits = 4, kSmallestExponent = -32;

int index_of(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  // Exponent and leading mantissa bits as one number that grows with the magnitude.
  const int magnitude = static_cast<int>((bits & 0x7fffffffu) >> (23 - kMantissaBits));
  const int index = magnitude - (127 + kSmallestExponent) * kPerOctave + 1;
  if (index <= 0) return 0;
  return bits >> 31 ? -index : index;
}

double edge(int k) {  // k >= 1
  return std::ldexp(1 + ((k - 1) % kPerOctave) / double{kPerOctave}, kSmallestExponent + (k - 1) / kPerOctave);
}

Histogram::Bin bin_of(int index, uint64_t count) {
  if (index == 0) return {0, -edge(1), edge(1), count};
  const double near = edge(std::abs(index)), far = edge(std::abs(index) + 1);
  return index > 0 ? Histogram::Bin{index, near, far, count} : Histogram::Bin{index, -far, -near, count};
}

}  // namespace

void Histogram::reach(int index) {
  if (counts_.empty()) {
    first_ = index;
    counts_.assign(1, 0);
  } else if (index < first_) {
    counts_.insert(counts_.begin(), static_cast<size_t>(first_ - index), 0);
    first_ = index;
  } else if (size_t size = static_cast<size_t>(index - first_) + 1; size > counts_.size()) {
    counts_.resize(size, 0);
  }
}

void Histogram::add_bin(int index, uint64_t count) {
  reach(index);
  counts_[static_cast<size_t>(index - first_)] += count;
}

// Neighbouring values often fall into one bin, and an increment waits for the one before it at the same address: they
// go to tables in turn.
void Histogram::add(const float* values, int64_t count) {
  constexpr int kTables = 4;
  if (count <= 0) return;
  float low[kTables], high[kTables];
  std::fill_n(low, kTables, values[0]);
  std::fill_n(high, kTables, values[0]);
  const int64_t whole = count / kTables * kTables;
  for (int64_t i = 0; i < whole; i += kTables)
    for (int t = 0; t < kTables; ++t) {
      low[t] = values[i + t] < low[t] ? values[i + t] : low[t];
      high[t] = values[i + t] > high[t] ? values[i + t] : high[t];
    }
  for (int64_t i = whole; i < count; ++i) low[0] = std::min(low[0], values[i]), high[0] = std::max(high[0], values[i]);
  const int first = index_of(*std::min_element(low, low + kTables));
  const int last = index_of(*std::max_element(high, high + kTables));
  reach(first);
  reach(last);
  const size_t bins = static_cast<size_t>(last - first) + 1;
  std::vector<uint64_t> tables(bins * kTables);
  for (int64_t i = 0; i < whole; i += kTables)
    for (int t = 0; t < kTables; ++t)
      ++tables[static_cast<size_t>(t) * bins + static_cast<size_t>(index_of(values[i + t]) - first)];
  for (int64_t i = whole; i < count; ++i) ++tables[static_cast<size_t>(index_of(values[i]) - first)];
  for (size_t i = 0; i < tables.size(); ++i) counts_[static_cast<size_t>(first - first_) + i % bins] += tables[i];
}

void Histogram::merge(const Histogram& other) {
  if (other.counts_.empty()) return;
  reach(other.first_);
  reach(other.first_ + static_cast<int>(other.counts_.size()) - 1);
  for (size_t i = 0; i < other.counts_.size(); ++i)
    counts_[i + static_cast<size_t>(other.first_ - first_)] += other.counts_[i];
}

Histogram Histogram::divided(double factor) const {
  Histogram result;
  for (const Bin& bin : bins()) {
    const double low = bin.low / factor, high = bin.high / factor;
    const int last = index_of(static_cast<float>(high));
    uint64_t given = 0;
    for (int i = index_of(static_cast<float>(low)); i <= last && given < bin.count; ++i) {
      const double share = std::clamp((bin_of(i, 0).high - low) / (high - low), 0.0, 1.0);
      const uint64_t below = i == last ? bin.count : static_cast<uint64_t>(static_cast<double>(bin.count) * share);
      if (below > given) result.add_bin(i, below - given);
      given = std::max(given, below);
    }
  }
  return result;
}

std::vector<Histogram::Bin> Histogram::bins() const {
  std::vector<Bin> bins;
  for (size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i]) bins.push_back(bin_of(first_ + static_cast<int>(i), counts_[i]));
  return bins;
}

uint64_t Histogram::total() const {
  uint64_t total = 0;
  for (uint64_t count : counts_) total += count;
  return total;
}

double Histogram::quantile(double share) const {
  const std::vector<Bin> all = bins();
  const double wanted = std::clamp(share, 0.0, 1.0) * static_cast<double>(total());
  double below = 0;
  for (const Bin& bin : all) {
    const double count = static_cast<double>(bin.count);
    if (below + count >= wanted) return bin.low + (bin.high - bin.low) * (wanted - below) / count;
    below += count;
  }
  return all.back().high;
}

bool Histogram::operator==(const Histogram& other) const {
  const std::vector<Bin> a = bins(), b = other.bins();
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Bin& x, const Bin& y) { return x.index == y.index && x.count == y.count; });
}

}  // namespace quadlane
