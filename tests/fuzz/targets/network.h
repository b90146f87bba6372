#pragma once

#include "tests/fuzz/targets/choices.h"

namespace quadlane::fuzz {

// A small quantized network in the graph's text form: a sequence of u8 operators, each written as dequantize, compute,
// quantize. Every list of choices gives one that parses.
std::string quantized_network(Choices&);

}  // namespace quadlane::fuzz
