// Calibration statistics: what values a network's activations take on real inputs, for each channel (axis 1).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/base/tensor.h"
#include "graph/quant/histogram.h"
#include "graph/quant/parallel.h"

namespace quadlane {

// One value of the graph; vectors have an element for each channel.
struct ValueProfile {
  int64_t count = 0;         // elements seen in each channel
  int64_t observations = 0;  // tensors seen
  std::vector<float> min, max;
  std::vector<double> average_min, average_max;  // of the tensors' extremes
  std::vector<double> mean;
  std::vector<double> positive;       // share of the elements that are > 0
  std::vector<Histogram> histograms;  // empty when the profile is kept without

  size_t channels() const { return min.size(); }
  float lowest() const;
  float highest() const;
  bool operator==(const ValueProfile&) const = default;
};

// Statistics by value name. Merging two profiles gives the statistics of all their samples.
class Profile {
 public:
  explicit Profile(bool histograms = false) : histograms_(histograms) {}

  // Adds the elements of one f32 tensor [N, C, ...] (rank 1 and 0: one channel). NaN and infinity are errors.
  Status observe(const std::string& value, const Tensor&, const ParallelFor& = one_by_one);
  // Counts one more calibration input.
  void add_sample() { ++samples_; }
  Status merge(const Profile&);

  // The statistics of a value whose channels were divided by factors > 0 and that has another name now; those of its
  // histograms as if the elements of a bin lay evenly in it. Nothing happens without such a value.
  void divide(const std::string& value, std::span<const double> factors, const std::string& renamed);

  const ValueProfile* find(const std::string& value) const;
  int64_t samples() const { return samples_; }
  bool empty() const { return values_.empty(); }
  bool histograms() const { return histograms_; }

  // A text file: "quadlane-profile 2", "samples 20 histograms 1", then for each value `value 3 36864 20 "name"`
  // (channels, count, observations, name with \\ and \n escaped), and for each channel a line `min max average_min
  // average_max mean positive` and, with histograms, the line `bins index:count ...`. Numbers are written so that they
  // read back unchanged.
  std::string to_text() const;
  static Result<Profile> from_text(std::string_view);
  Status save(const std::string& path) const;  // replaces the file only when it is complete
  static Result<Profile> load(const std::string& path);

  bool operator==(const Profile&) const = default;

 private:
  std::map<std::string, ValueProfile> values_;
  int64_t samples_ = 0;
  bool histograms_ = false;
};

}  // namespace quadlane
