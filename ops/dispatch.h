// From an element type known at run time to a C++ type, with as few instantiations as a function needs.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "graph/op_table.h"

namespace quadlane {

// Groups of element types an operator accepts.
enum class Types : uint8_t { floats, integers, numbers, signed_numbers, booleans, all };
bool is_in(DType, Types);
const char* to_string(Types);  // "a float", "an integer", ...
// Refuses an input of another group; an absent one passes.
Status expect_types(const OpContext&, size_t input, Types);
Status expect_same_dtype(const OpContext&);  // of all present inputs

// f(T{}) with T = float or double.
template <class F>
auto dispatch_float(DType dtype, F f) {
  return dtype == DType::f64 ? f(double{}) : f(float{});
}

// f(T{}) with any type but f16 and bool.
template <class F>
auto dispatch_number(DType dtype, F f) {
  switch (dtype) {
    case DType::f64: return f(double{});
    case DType::u8: return f(uint8_t{});
    case DType::s8: return f(int8_t{});
    case DType::u16: return f(uint16_t{});
    case DType::s16: return f(int16_t{});
    case DType::s32: return f(int32_t{});
    case DType::u32: return f(uint32_t{});
    case DType::s64: return f(int64_t{});
    case DType::u64: return f(uint64_t{});
    default: return f(float{});
  }
}

// As dispatch_number, with integers as their unsigned bits: for operations that are the same modulo 2^n.
template <class F>
auto dispatch_modular(DType dtype, F f) {
  if (is_float(dtype)) return dispatch_float(dtype, f);
  switch (size_of(dtype)) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

// f(T{}) with an unsigned type of the element's size: for operators that only move elements.
template <class F>
auto dispatch_bits(DType dtype, F f) {
  switch (size_of(dtype)) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

// A floating-point number as an integer: truncated, saturated, NaN as 0. Other conversions as C++ defines them.
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
    if (std::isnan(value)) return 0;
    // 2^digits is the first value above the range and exact in From, which the largest integer may not be.
    constexpr int kDigits = std::numeric_limits<To>::digits;
    if (value >= std::ldexp(From{1}, kDigits)) return std::numeric_limits<To>::max();
    if constexpr (std::is_signed_v<To>) {
      if (value < -std::ldexp(From{1}, kDigits)) return std::numeric_limits<To>::min();
    } else {
      if (value < 0) return 0;
    }
  }
  return static_cast<To>(value);
}

using EvalFn = Status (*)(const OpContext&, std::span<const MutView>);

// Runs an eval that knows no f16: inputs of that type are widened to f32, outputs rounded once.
Status through_float(const OpContext&, std::span<const MutView> outputs, EvalFn eval);
bool has_half(const OpContext&);

template <EvalFn Eval>
Status with_half(const OpContext& ctx, std::span<const MutView> outputs) {
  return has_half(ctx) ? through_float(ctx, outputs, Eval) : Eval(ctx, outputs);
}

}  // namespace quadlane
