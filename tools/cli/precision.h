// From a MODEL argument to a compiled model of the precision asked for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/api/engine.h"
#include "graph/quant/profile.h"
#include "tools/cli/model_args.h"

namespace quadlane::tools {

struct PrecisionArgs {
  std::string precision;           // f32, int8, or empty: as the file is
  std::vector<std::string> calib;  // folders and files of real inputs, or saved statistics
  std::string prep;                // preprocessing of pictures among them, see find_preprocessing()
  // Inputs the verb can offer itself when --calib is not given; null: random normal ones.
  std::function<Result<std::vector<Tensor>>(const std::vector<run::TensorInfo>&)> own_samples;

  void add_to(CLI::App&);
};

// Statistics over a few random normal inputs: good for measuring speed, not for results.
Result<Profile> random_profile(const Graph& simplified);

// An fp32 model with precision int8 is quantized by the calibration inputs, or else by random normal ones, which is
// good for measuring speed only and told on stderr. A quantized model cannot be turned back into fp32: an error.
// `inputs`: tensors for the model's inputs, whose shapes it takes where the options give none; may be empty.
// A plan file is what it is: precision and calibration are refused.
struct LoadedModel {
  Model model;
  std::string calibration;          // the statistics as text; empty: not quantized here
  bool random_calibration = false;  // they are of random inputs
};
Result<LoadedModel> load_model(const ModelArgs&, const PrecisionArgs&, std::span<const Tensor> inputs = {});

// The graph of that precision before it is compiled.
struct LoadedGraph {
  Graph graph;
  std::string calibration;
  bool random_calibration = false;
};
Result<LoadedGraph> load_graph(const ModelArgs&, const PrecisionArgs&, std::span<const Tensor> inputs = {});

}  // namespace quadlane::tools
