// Whether a network gives the same bytes however it is run: threads x streams x positions in the batch x ways to come
// by its code, repeated.
#pragma once

#include <string>
#include <vector>

#include "engine/base/cpu.h"
#include "graph/graph.h"

namespace quadlane::testing {

// A network for one image and for kBatch of them, with the same weights: standard operators, quantized or not.
struct DeterminismCase {
  std::string name;
  Graph one, batch;
  bool int8;  // then all instruction sets and the scalar reference agree; fp32 sums have one order in each of them
};
inline constexpr int kDeterminismBatch = 4;
DeterminismCase random_case(uint32_t seed, bool resnet, bool int8);

struct DeterminismMatrix {
  std::vector<int> threads, streams;
  int repeats = 3;
};
struct DeterminismCount {
  long combinations = 0, inferences = 0;
};
// What differs first, or nothing.
std::string check_determinism(const DeterminismCase&, const DeterminismMatrix&, DeterminismCount&);

}  // namespace quadlane::testing
