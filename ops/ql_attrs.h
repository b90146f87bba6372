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

// act and its parameters: what an f32 result goes through.
struct F32Activation {
  enum class Kind : uint8_t { none, clip, leaky, hard_sigmoid, hard_swish, sigmoid, swish } kind = Kind::none;
  float lo = 0, hi = 0, alpha = 0, beta = 0;

  float operator()(float v) const {
    auto sigmoid = [](float x) { return 1 / (1 + std::exp(-x)); };
    switch (kind) {
      case Kind::none: return v;
      case Kind::clip: return std::min(std::max(v, lo), hi);
      case Kind::leaky: return v < 0 ? v * alpha : v;
      case Kind::hard_sigmoid: return std::clamp(v * alpha + beta, 0.0f, 1.0f);
      case Kind::hard_swish: return v * std::clamp(v / 6 + 0.5f, 0.0f, 1.0f);
      case Kind::sigmoid: return sigmoid(v);
      case Kind::swish: return v * sigmoid(v * alpha);
    }
    return v;
  }
};
inline Result<F32Activation> f32_activation(const Attrs& attrs) {
  using Kind = F32Activation::Kind;
  F32Activation a;
  QL_TRY(std::string kind, string_attr(attrs, "act", ""));
  if (kind == "clip") {
    a.kind = Kind::clip;
    QL_TRY(a.lo, float_attr(attrs, "act_lo", -HUGE_VALF));
    QL_TRY(a.hi, float_attr(attrs, "act_hi", HUGE_VALF));
    if (!(a.lo <= a.hi)) return invalid_model("act_lo is ", a.lo, ", above act_hi ", a.hi);
    return a;
  }
  QL_TRY(a.alpha, float_attr(attrs, "alpha", 0.01f));
  QL_TRY(a.beta, float_attr(attrs, "beta", 0));
  constexpr std::pair<const char*, Kind> kKinds[] = {{"", Kind::none},
                                                     {"leaky", Kind::leaky},
                                                     {"hard_sigmoid", Kind::hard_sigmoid},
                                                     {"hard_swish", Kind::hard_swish},
                                                     {"sigmoid", Kind::sigmoid},
                                                     {"swish", Kind::swish}};
  for (const auto& [name, value] : kKinds)
    if (kind == name) {
      a.kind = value;
      return a;
    }
  return unsupported("act is '", kind, "', expected one of clip, leaky, hard_sigmoid, hard_swish, sigmoid, swish");
}

}  // namespace quadlane
