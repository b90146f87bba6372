// The networks that the side-by-side programs run on, as files.
#pragma once

#include <string>

#include "engine/base/status.h"

namespace quadlane::bench {

struct NetworkFiles {
  std::string models;   // folder of the dense networks: NAME.onnx and NAME.qdq.onnx
  std::string scratch;  // where files are made that are not there yet

  // The fp32 file: in `models`, the showcase, or resnet50 and mobilenet_v2 with random weights as
  // bench/make_network.py writes them.
  Result<std::string> fp32(const std::string& name) const;
  // The quantized file beside the model, or empty.
  std::string quantized(const std::string& name) const;
};

// Where a checkout has them.
NetworkFiles default_network_files();

}  // namespace quadlane::bench
