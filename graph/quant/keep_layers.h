// Which convolutions stay in fp32 so that a network loses no more than a bound: the fewest that measuring finds.
//
// Every convolution alone is taken out of int8 and the network measured; they are ranked by the noise that is left at
// the outputs, which falls steadily where a task's score moves in steps. If one alone is enough, it is; else one after
// the other of the ranking is kept if that lowers the noise, until the bound is met; where single ones no longer do,
// with them the shortest beginning of the others that meets it, found by bisection. Members it can do without are put
// back. Inputs that took no part in any of this have the last word: while they exceed the bound, more are kept. Where
// nothing meets it, the best that was measured is named. Nothing depends on time, so equal inputs give equal choices.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

struct NetworkLoss {
  double drop = 0;   // of the task's score against fp32
  double noise = 0;  // at the outputs, relative to the signal's power
  double ms = 0;     // of one run; reported, never decided by
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
