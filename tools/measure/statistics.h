// What a set of timings says: order statistics, spread, and whether two sets differ.
#pragma once

#include <vector>

namespace quadlane::measure {

// The value below which the share `q` of all lies, interpolated between neighbours; NaN of nothing.
double quantile(std::vector<double> values, double q);
inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }

struct Spread {
  double median = 0, min = 0, max = 0;
};
Spread spread(const std::vector<double>& values);

double mean(const std::vector<double>& values);
// Standard deviation over mean; 0 for fewer than two values.
double variation(const std::vector<double>& values);
// exp(mean(log x)) of positive values.
double geometric_mean(const std::vector<double>& values);

}  // namespace quadlane::measure
