// Cast between element types: integers wrap modulo 2^n; f32 is truncated and saturated to integers, NaN becomes 0.
#include <limits>
#include <type_traits>

#include "engine/base/truth.h"
#include "engine/run/dense/element_loops.h"

namespace quadlane::run {
namespace {

template <class To>
struct CastTo {
  template <class From>
  static To apply(From x, float, float) {
    if constexpr (std::is_same_v<From, float> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
      // The first value above the range is a power of two and exact; the last one below it may not be.
      constexpr float kAbove = static_cast<float>(uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2.0f;
      constexpr float kLowest = std::is_signed_v<To> ? -kAbove : 0.0f;
      const bool above = x >= kAbove, inside = x >= kLowest && x < kAbove;
      const To value = static_cast<To>(inside ? x : 0.0f);
      const To outside = above ? std::numeric_limits<To>::max() : std::numeric_limits<To>::lowest();
      return inside ? value : x != x ? To{0} : outside;
    } else {
      return static_cast<To>(x);
    }
  }
};

template <class From>
ElementFn cast_from(DType to) {
  switch (to) {
    case DType::f32: return unary_block<CastTo<float>, From, float>;
    case DType::u8: return unary_block<CastTo<uint8_t>, From, uint8_t>;
    case DType::s8: return unary_block<CastTo<int8_t>, From, int8_t>;
    case DType::s32: return unary_block<CastTo<int32_t>, From, int32_t>;
    case DType::s64: return unary_block<CastTo<int64_t>, From, int64_t>;
    case DType::boolean: return unary_block<CastTo<bool>, From, bool>;
    default: return nullptr;
  }
}

}  // namespace

ElementFn find_cast(DType in, DType out) {
  switch (in) {
    case DType::f32: return cast_from<float>(out);
    case DType::u8: return cast_from<uint8_t>(out);
    case DType::s8: return cast_from<int8_t>(out);
    case DType::s32: return cast_from<int32_t>(out);
    case DType::s64: return cast_from<int64_t>(out);
    case DType::boolean: return cast_from<Truth>(out);
    default: return nullptr;
  }
}

}  // namespace quadlane::run
