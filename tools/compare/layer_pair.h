// A convolution in Quadlane and as a primitive of oneDNN, one thread, in turn.
#pragma once

#include "tools/measure/deviation.h"
#include "tools/measure/statistics.h"
#include "tools/peers/conv_layer.h"
#include "tools/peers/onednn.h"

namespace quadlane::tools {

struct LayerPair {
  peers::CountedLayer layer;
  std::string kernel, implementation = "-";
  std::vector<double> our_us, their_us;  // the mean of the runs of each round
  measure::Deviation deviation;          // of our output from theirs
  measure::Spread ours() const { return measure::spread(our_us); }
  measure::Spread theirs() const { return measure::spread(their_us); }
  double speedup() const { return theirs().median / ours().median; }
};

// `budget`: seconds of a round for each. Both find their input where the run before left it; oneDNN's time is the
// primitive alone, in layouts of its own choice. Without a peer only our times are filled.
Result<LayerPair> time_layer_pair(const peers::CountedLayer&, const peers::OneDnn* peer, int rounds, double budget);

}  // namespace quadlane::tools
