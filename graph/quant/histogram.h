// How often a value falls where: counts in bins whose edges do not depend on the data, so that histograms of different
// samples and runs merge exactly and no range has to be known in advance.
//
// Sixteen bins to every factor of two, of either sign; everything nearer to 0 than 2^-32 is one bin:
//   index 0: |x| < 2^-32      index +k: [edge(k), edge(k + 1))      index -k: its mirror image
//   edge(k) = 2^(-32 + (k - 1) div 16) * (1 + ((k - 1) mod 16) / 16)
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

class Histogram {
 public:
  // Finite values only.
  void add(const float* values, int64_t count);
  void add_bin(int index, uint64_t count);
  void merge(const Histogram&);
  // Of the elements divided by a factor > 0, as if those of a bin lay evenly in it.
  Histogram divided(double factor) const;

  struct Bin {
    int index;
    double low, high;  // low < high
    uint64_t count;
  };
  std::vector<Bin> bins() const;  // those that are not empty, in rising order
  uint64_t total() const;
  // The value below which this share of all lies, linear inside a bin. Not of an empty histogram.
  double quantile(double share) const;
  bool empty() const { return counts_.empty(); }
  bool operator==(const Histogram& other) const;

  static constexpr int kMaxIndex = (32 + 128) * 16;  // every finite float has an index within +-kMaxIndex

 private:
  void reach(int index);
  int first_ = 0;  // index of counts_[0]
  std::vector<uint64_t> counts_;
};

}  // namespace quadlane
