// Rules of reductions, and the loop along one contiguous line.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace quadlane::run {

// Sum: what many elements are added up in; a strand of a line stays in f32 for kLineBlock elements of it.
struct SumOf {
  using Sum = double;
  static constexpr float kFirst = 0;
  template <class T>
  static T add(T sum, T x) {
    return sum + x;
  }
  template <class T>
  static T join(T a, T b) {
    return a + b;
  }
};
struct SumOfMagnitudes : SumOf {
  template <class T>
  static T add(T sum, T x) {
    return sum + std::fabs(x);
  }
};
struct SumOfSquares : SumOf {
  template <class T>
  static T add(T sum, T x) {
    return sum + x * x;
  }
};
struct ProductOf {
  using Sum = double;
  static constexpr float kFirst = 1;
  template <class T>
  static T add(T product, T x) {
    return product * x;
  }
  template <class T>
  static T join(T a, T b) {
    return a * b;
  }
};
// NaN wins, as in numpy.
struct MaxOf {
  using Sum = float;
  static constexpr float kFirst = -std::numeric_limits<float>::infinity();
  static float add(float most, float x) { return (x > most) | (x != x) ? x : most; }
  static float join(float a, float b) { return add(a, b); }
};
struct MinOf {
  using Sum = float;
  static constexpr float kFirst = std::numeric_limits<float>::infinity();
  static float add(float least, float x) { return (x < least) | (x != x) ? x : least; }
  static float join(float a, float b) { return add(a, b); }
};

inline constexpr int kStrands = 32;
inline constexpr int64_t kLineBlock = 4096;

// Strand j takes elements j, j + 32, j + 64, ...; after every block strands are joined pairwise.
template <class Rule>
float reduce_line(const float* x, int64_t n) {
  typename Rule::Sum total = Rule::kFirst;
  while (n > 0) {
    float strands[kStrands];
    const int64_t block = n < kLineBlock ? n : kLineBlock, whole = block / kStrands * kStrands;
    for (int j = 0; j < kStrands; ++j) strands[j] = Rule::kFirst;
    for (int64_t i = 0; i < whole; i += kStrands)
#pragma GCC unroll 1
      for (int j = 0; j < kStrands; ++j) strands[j] = Rule::add(strands[j], x[i + j]);
    for (int64_t i = whole; i < block; ++i) strands[i - whole] = Rule::add(strands[i - whole], x[i]);
    for (int width = kStrands / 2; width > 0; width /= 2)
      for (int j = 0; j < width; ++j) strands[j] = Rule::join(strands[j], strands[j + width]);
    total = Rule::join(total, static_cast<typename Rule::Sum>(strands[0]));
    x += block, n -= block;
  }
  return static_cast<float>(total);
}

// Index of the first element equal to `value`, which occurs.
inline int64_t find_first(const float* x, int64_t n, float value) {
  int64_t at = 0;
  for (; at + kStrands <= n; at += kStrands) {
    int found = 0;
    for (int j = 0; j < kStrands; ++j) found |= x[at + j] == value;
    if (found) break;
  }
  while (x[at] != value) ++at;
  return at;
}

}  // namespace quadlane::run
