// An element of a boolean tensor as it is read: callers, files and damaged plans bring any byte, and every one but 0 is
// true. (A C++ bool that is neither 0 nor 1 has no value at all.) What is written is 0 or 1.
#pragma once

#include <cstdint>

namespace quadlane {

struct Truth {
  uint8_t byte;
  operator bool() const { return byte != 0; }
};
static_assert(sizeof(Truth) == 1);

}  // namespace quadlane
