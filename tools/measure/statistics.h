// What a set of timings says: order statistics, spread, and whether two sets differ.
#pragma once

#include <cstddef>
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
// Half the width of the 95 % confidence interval of the mean, by Student's distribution; 0 for fewer than two values.
double confidence95(const std::vector<double>& values);
// exp(mean(log x)) of positive values.
double geometric_mean(const std::vector<double>& values);

// The chance of ranks at least as uneven as these if both sets came from one distribution: Mann-Whitney's test,
// two-sided, ties counted half; exact for up to 40 values together, else the normal approximation. 1 for an empty set.
double rank_test(const std::vector<double>& a, const std::vector<double>& b);
// What it gives for sets of so many values where all of one lie above all of the other: no outcome is surer.
double least_rank_p(size_t a, size_t b);
// A difference is sure below this chance; five values against five can show it.
inline constexpr double kSureBelow = 0.01;

}  // namespace quadlane::measure
