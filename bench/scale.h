// One network in int8 over image size (96 to 1024), batch (1 to 64), threads and streams (1 to 14), beside ONNX
// Runtime.
#pragma once

#include <string>

#include "engine/base/status.h"
#include "tools/peers/ort.h"

namespace quadlane::bench {

// `ort` may be null. Prints as it goes.
Status print_scale(const std::string& fp32_path, const peers::Ort* ort, bool quick);

}  // namespace quadlane::bench
