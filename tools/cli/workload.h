// What bench, profile and compare run: a model, the tensors it is given, and how many requests are in flight.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/cli/model_args.h"
#include "tools/cli/precision.h"
#include "tools/cli/streams.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {

struct WorkloadArgs {
  ModelArgs model;
  PrecisionArgs precision;
  std::vector<std::string> inputs;
  std::string streams = "1", threads = "1", pin = "off";
  double seconds = 3;

  void add_to(CLI::App&);
};

struct Workload {
  Model model;
  std::vector<Tensor> given;  // for the first inputs; the others are random
  StreamSettings settings;
  int usable_cores = 1;
  bool random_calibration = false;  // quantized here, by inputs that say nothing about real ones

  int64_t images_per_request() const;
  int cores() const { return std::min(settings.streams * settings.threads, usable_cores); }
};

// Remarks about the topology and the instruction set go to stderr.
Result<Workload> prepare(const WorkloadArgs&);

// The tensors of one stream.
struct Lane {
  std::vector<Tensor> inputs;
  Outputs outputs;

  static Result<Lane> make(const Model&, std::span<const Tensor> given, int seed);
};

}  // namespace quadlane::tools
