// A short text that stands for a long list of numbers in a kernel's description: equal lists stay equal (FNV-1a).
#pragma once

#include <cstdint>
#include <string>

namespace quadlane {

class SpecHash {
 public:
  void add(uint64_t value) {
    for (int i = 0; i < 8; ++i) hash_ = (hash_ ^ (value >> 8 * i & 255)) * 1099511628211ull;
  }
  std::string text() const {
    std::string s;
    for (int shift = 60; shift >= 0; shift -= 4) s += "0123456789abcdef"[hash_ >> shift & 15];
    return s;
  }

 private:
  uint64_t hash_ = 14695981039346656037ull;
};

}  // namespace quadlane
