// Calibration inputs on the command line.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/quant/profile.h"

namespace quadlane::tools {

// What --calib names: tensors for each sample, or statistics saved earlier.
struct CalibrationSource {
  // The graph for samples of other shapes; empty: all have the same.
  std::function<Result<Graph>(std::span<const Shape>)> rebind;
  std::vector<std::vector<std::string>> samples;  // a file for each input of the graph
  std::optional<Profile> profile;
};

// A path is a folder, a tensor file (.npy, .pb) or saved statistics. In a folder, tensor files are one sample each when
// the graph has one input; otherwise every subfolder is a sample and holds NAME.npy or input_K.npy (or .pb) for each
// input. Nothing usable in a folder is an error.
Result<CalibrationSource> find_calibration(const std::vector<std::string>& paths, const Graph&);

// The tensors of one sample, checked against the graph's inputs. A file with several times the model's batch is cut
// into that many samples.
Result<std::vector<std::vector<Tensor>>> read_samples(const std::vector<std::string>& files, const Graph&);

}  // namespace quadlane::tools
