// Which convolutions stay in fp32 so that a network loses no more than a bound: the fewest that measuring finds.
//
// Two rankings of convolutions say what to try. How much noise at the outputs falls with one alone in fp32 is right where
// one or few are to blame; noise falls steadily where a task's score moves in steps. And how much noise there is with
// one alone in int8: small noises of different origin add up, so the quietest can stay in int8 together, and what rounding
// the values between two layers costs shows, as it does not while a neighbour needs the bytes anyway. If one in fp32
// alone is enough, it is; else the shorter of two lists is kept: one after the other of the first ranking that lowers
// the noise until the bound is met, or the loudest of the second, found by bisection; members that a list can do without
// are put back. Inputs that took no part in any of this have the last word: while they exceed the bound, more of the
// second ranking are kept. With all in fp32 nothing is lost, so only a limit on how many stands between a bound and the
// search; then the best that was measured is named. Nothing depends on time, so equal inputs give equal choices.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

struct NetworkLoss {
  double drop = 0;   // of the task's score against fp32
  double noise = 0;  // at the outputs, relative to the signal's power
  // Drop on inputs like these, where more is known than what these show. Bounds hold for both.
  std::optional<double> expected = {};

  double bounded() const { return expected ? std::max(drop, *expected) : drop; }
};
// Of the network with these convolutions in fp32.
using MeasureLoss = std::function<Result<NetworkLoss>(const std::set<std::string>& keep)>;

struct KeepOptions {
  double max_drop = 0;
  size_t most = SIZE_MAX;  // convolutions that may stay in fp32
};

struct KeptLayers {
  struct Layer {
    std::string conv;
    NetworkLoss without;  // this one alone in fp32
    double adds = -1;     // noise of a network in fp32 but for this one; -1: was not needed
  };
  std::vector<Layer> ranking;  // best first; empty: int8 alone met the bound
  std::set<std::string> keep;
  NetworkLoss int8, int8_held_out;  // nothing kept
  NetworkLoss loss, held_out;       // with `keep`
  bool met = false;
  int trials = 0;
};

Result<KeptLayers> keep_layers(const std::vector<std::string>& convs, const KeepOptions&, const MeasureLoss& tuning,
                               const MeasureLoss& held_out);

}  // namespace quadlane
