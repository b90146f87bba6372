// Cross-layer equalization (graph/quant/equalize.h) of the network that is to be quantized.
#pragma once

#include "graph/quant/equalize.h"
#include "tools/cli/open_shapes.h"
#include "tools/cli/range_choice.h"

namespace quadlane::tools {

struct Equalized {
  Profile before, after;  // of the values as they were and as they are now
  std::vector<std::string> notes;
};

// Makes the channels alike that share a scale, in the graph and in what `rebind` returns for other shapes. But for
// method auto the samples are seen once only: the source has their statistics then, of the graph as it is now. None if
// there is nothing to do; nothing was read then.
Result<std::optional<Equalized>> equalize(Graph&, CalibrationSource&, Rebind& rebind, const std::string& method,
                                          const QuantPolicy&, bool histograms);

}  // namespace quadlane::tools
