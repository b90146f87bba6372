// Attributes that the ql.* operators share.
#pragma once

#include "ops/attr.h"
#include "ops/rounding.h"

namespace quadlane {

// A zero point or another byte.
inline Result<int32_t> u8_attr(const Attrs& attrs, const std::string& name, int64_t otherwise) {
  QL_TRY(int64_t value, int_attr_in(attrs, name, otherwise, 0, 255));
  return static_cast<int32_t>(value);
}

// out_zero, out_lo and out_hi.
inline Result<U8Range> u8_range_attr(const Attrs& attrs) {
  U8Range r;
  QL_TRY(r.zero, u8_attr(attrs, "out_zero", 0));
  QL_TRY(r.lo, u8_attr(attrs, "out_lo", 0));
  QL_TRY(r.hi, u8_attr(attrs, "out_hi", 255));
  if (r.lo > r.hi) return invalid_model("out_lo is ", r.lo, ", above out_hi ", r.hi);
  return r;
}

// A float that must be finite and must be there: multipliers have no useful default.
inline Result<float> mult_attr(const Attrs& attrs, const std::string& name) {
  if (!attrs.has(name)) return invalid_model("attribute '", name, "' is absent");
  QL_TRY(float value, float_attr(attrs, name, 0));
  if (!std::isfinite(value)) return invalid_model("attribute '", name, "' is ", value, ", expected a finite number");
  return value;
}

// act, act_lo, act_hi, alpha: what an f32 result goes through.
struct F32Activation {
  enum class Kind : uint8_t { none, clip, leaky } kind = Kind::none;
  float lo = 0, hi = 0, alpha = 0;

  float operator()(float v) const {
    switch (kind) {
      case Kind::none: return v;
      case Kind::clip: return std::min(std::max(v, lo), hi);
      case Kind::leaky: return v < 0 ? v * alpha : v;
    }
    return v;
  }
};
inline Result<F32Activation> f32_activation(const Attrs& attrs) {
  F32Activation a;
  QL_TRY(std::string kind, string_attr(attrs, "act", ""));
  if (kind == "clip") {
    a.kind = F32Activation::Kind::clip;
    QL_TRY(a.lo, float_attr(attrs, "act_lo", -HUGE_VALF));
    QL_TRY(a.hi, float_attr(attrs, "act_hi", HUGE_VALF));
    if (!(a.lo <= a.hi)) return invalid_model("act_lo is ", a.lo, ", above act_hi ", a.hi);
  } else if (kind == "leaky") {
    a.kind = F32Activation::Kind::leaky;
    QL_TRY(a.alpha, float_attr(attrs, "alpha", 0.01f));
  } else if (!kind.empty()) {
    return unsupported("act is '", kind, "', expected '', clip or leaky");
  }
  return a;
}

}  // namespace quadlane
