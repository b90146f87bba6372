#pragma once

#include "tests/fuzz/targets/target.h"

namespace quadlane::fuzz {

// Changes one field of one message of the model, so that the file still parses.
size_t change_onnx(uint8_t* data, size_t size, size_t most, unsigned seed, Target::Mutate);

}  // namespace quadlane::fuzz
