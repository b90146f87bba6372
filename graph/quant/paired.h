// Two networks measured on the same inputs: what differs between them, apart from how hard the inputs are.
#pragma once

#include <cstddef>
#include <span>

namespace quadlane {

// Signal to noise of each input in dB -> that of the mean share of noise, which the worst inputs decide.
double level_db(std::span<const double>);

struct PairedGain {
  double mean = 0, error = 0;  // dB, and the mean's standard error; infinite for a single input
  size_t better = 0, worse = 0, inputs = 0;

  // More than chance would give the best of a handful: the mean exceeds two standard errors.
  bool beyond_noise() const { return inputs > 1 && mean > 2 * error; }
  bool worse_beyond_noise() const { return inputs > 1 && mean < -error; }
};

// `runs`: of so many equal runs the inputs are neighbours, which are alike; the error is at least that of the mean of the
// runs' means. 1: inputs are independent.
PairedGain paired_gain(std::span<const double> db, std::span<const double> before, size_t runs = 1);

}  // namespace quadlane
