// Bytes read as a list of decisions; after their end every decision is the first one.
#pragma once

#include "tests/fuzz/targets/target.h"

namespace quadlane::fuzz {

class Choices {
 public:
  explicit Choices(Bytes bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t value = rest_[0];
    rest_ = rest_.subspan(1);
    return value;
  }
  uint32_t word() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | byte();
    return value;
  }
  int between(int low, int high) { return low + byte() % (high - low + 1); }
  bool yes() { return byte() & 1; }
  template <class T, size_t N>
  T of(const T (&options)[N]) {
    return options[byte() % N];
  }

 private:
  Bytes rest_;
};

}  // namespace quadlane::fuzz
