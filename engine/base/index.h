// Indices into axes, which count from the end when negative.
#pragma once

#include "engine/base/status.h"

namespace quadlane {

// What is wrong with element `position` of a tensor of indices into an axis of `extent` elements.
inline Error bad_index(int64_t position, int64_t index, int64_t extent) {
  if (extent == 0) return invalid_argument("element ", position, " of the indices is ", index, ", the axis is empty");
  return invalid_argument("element ", position, " of the indices is ", index, ", expected ", -extent, " to ",
                          extent - 1);
}

}  // namespace quadlane
