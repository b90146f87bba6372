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

void Histogram::add(const float* values, int64_t count) {
  if (count <= 0) return;
  const auto [low, high] = std::minmax_element(values, values + count);
  reach(index_of(*low));
  reach(index_of(*high));
  for (int64_t i = 0; i < count; ++i) ++counts_[static_cast<size_t>(index_of(values[i]) - first_)];
}

void Histogram::merge(const Histogram& other) {
  if (other.counts_.empty()) return;
  reach(other.first_);
  reach(other.first_ + static_cast<int>(other.counts_.size()) - 1);
  for (size_t i = 0; i < other.counts_.size(); ++i)
    counts_[i + static_cast<size_t>(other.first_ - first_)] += other.counts_[i];
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
