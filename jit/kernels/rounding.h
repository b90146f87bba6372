// What is known of the rounding of a u8 result when its code is made; each fact saves instructions.
#pragma once

#include <cstdint>
#include <string>

namespace quadlane {

struct RoundingFacts {
  bool bounded = false;      // no |v| reaches 2^31, which the conversion does not hold
  bool whole_range = false;  // lo 0, hi 255
  bool no_zero = false;      // zero 0
  auto operator<=>(const RoundingFacts&) const = default;
};
std::string describe(const RoundingFacts&);  // "" or " bounded bytes zero0"
// Facts of a rounding to [v_lo + zero, v_hi + zero] of values up to `largest`.
RoundingFacts rounding_facts(double largest, float v_lo, float v_hi, int32_t zero);

}  // namespace quadlane
