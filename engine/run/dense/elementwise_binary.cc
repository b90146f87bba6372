#include <cmath>

#include "engine/run/dense/element_loops.h"

namespace quadlane::run {
namespace {

// Integers are added and multiplied as unsigned ones, modulo 2^n.
struct Add {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a + b);
  }
};
struct Sub {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a - b);
  }
};
struct Mul {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a * b);
  }
};
struct Div {
  static float apply(float a, float b) { return a / b; }
};
struct Pow {
  static float apply(float a, float b) { return b == 2.0f ? a * a : std::pow(a, b); }
};
struct PRelu {
  static float apply(float x, float slope) { return (0.0f > x ? 0.0f : x) + slope * (0.0f < x ? 0.0f : x); }
};
// NaN wins, as in numpy.
struct Min {
  template <class T>
  static T apply(T a, T b) {
    return (b < a) | (b != b) ? b : a;
  }
};
struct Max {
  template <class T>
  static T apply(T a, T b) {
    return (a < b) | (b != b) ? b : a;
  }
};
struct And {
  static uint8_t apply(uint8_t a, uint8_t b) { return (a != 0) & (b != 0); }
};
struct Or {
  static uint8_t apply(uint8_t a, uint8_t b) { return (a != 0) | (b != 0); }
};
struct Xor {
  static uint8_t apply(uint8_t a, uint8_t b) { return (a != 0) ^ (b != 0); }
};
#define QL_COMPARISON(Name, expression) \
  struct Name {                         \
    template <class T>                  \
    static uint8_t apply(T a, T b) {    \
      return expression;                \
    }                                   \
  };
QL_COMPARISON(Equal, a == b)
QL_COMPARISON(Less, a < b)
QL_COMPARISON(LessOrEqual, a <= b)
#undef QL_COMPARISON

template <class Op>
ElementFn modular(DType dtype) {
  if (dtype == DType::f32) return binary_block<Op, float, float>;
  if (dtype == DType::s32 || dtype == DType::u32) return binary_block<Op, uint32_t, uint32_t>;
  if (dtype == DType::s64 || dtype == DType::u64) return binary_block<Op, uint64_t, uint64_t>;
  return nullptr;
}

template <class Op>
ElementFn ordered(DType dtype) {
  switch (dtype) {
    case DType::f32: return binary_block<Op, float, float>;
    case DType::s32: return binary_block<Op, int32_t, int32_t>;
    case DType::s64: return binary_block<Op, int64_t, int64_t>;
    default: return nullptr;
  }
}

// Greater is Less of the operands exchanged.
template <class Op, class T, bool Exchanged>
void compare_block(Isa isa, const ElementBlock& e) {
  ElementBlock block = e;
  if (Exchanged) {
    std::swap(block.in[0], block.in[1]);
    std::swap(block.row[0], block.row[1]);
    std::swap(block.walk[0], block.walk[1]);
  }
  binary_block<Op, T, uint8_t>(isa, block);
}
template <class Op, bool Exchanged = false>
ElementFn comparison(DType dtype) {
  switch (dtype) {
    case DType::f32: return compare_block<Op, float, Exchanged>;
    case DType::s32: return compare_block<Op, int32_t, Exchanged>;
    case DType::s64: return compare_block<Op, int64_t, Exchanged>;
    default: return nullptr;
  }
}

// Where(condition, x, y)
template <class T>
void where_block(Isa isa, const ElementBlock& e) {
  const auto* condition = static_cast<const uint8_t*>(e.in[0]);
  const auto *x = static_cast<const T*>(e.in[1]), *y = static_cast<const T*>(e.in[2]);
  auto* out = static_cast<T*>(e.out);
  const ElementBlock block = e;
  on_isa(isa, [=] {
    each_group(block.rows, block.n, [=](int64_t r, int64_t i) {
      const uint8_t* c_group = condition + r * block.row[0] + (i & block.walk[0]);
      const T* x_group = x + r * block.row[1] + (i & block.walk[1]);
      const T* y_group = y + r * block.row[2] + (i & block.walk[2]);
      T* out_group = out + r * block.n + i;
#pragma GCC unroll 1
#pragma GCC ivdep
      for (int64_t j = 0; j < kElementGroup; ++j) {
        const T from_x = x_group[j], from_y = y_group[j];
        out_group[j] = c_group[j] ? from_x : from_y;
      }
    });
  });
}

// x * factor + term
void affine_block(Isa isa, const ElementBlock& e) {
  const float* in[3];
  for (int k = 0; k < 3; ++k) in[k] = static_cast<const float*>(e.in[k]);
  auto* out = static_cast<float*>(e.out);
  const ElementBlock block = e;
  on_isa(isa, [=] {
    each_group(block.rows, block.n, [=](int64_t r, int64_t i) {
      const float* x = in[0] + r * block.row[0] + (i & block.walk[0]);
      const float* factor = in[1] + r * block.row[1] + (i & block.walk[1]);
      const float* term = in[2] + r * block.row[2] + (i & block.walk[2]);
      float* y = out + r * block.n + i;
#pragma GCC unroll 1
#pragma GCC ivdep
      for (int64_t j = 0; j < kElementGroup; ++j) y[j] = x[j] * factor[j] + term[j];
    });
  });
}

}  // namespace

ElementFn find_affine(DType in) { return in == DType::f32 ? affine_block : nullptr; }

ElementFn find_binary(std::string_view name, DType in) {
  const bool f32 = in == DType::f32, logic = in == DType::boolean;
  if (name == "Add") return modular<Add>(in);
  if (name == "Sub") return modular<Sub>(in);
  if (name == "Mul") return modular<Mul>(in);
  if (name == "Min") return ordered<Min>(in);
  if (name == "Max") return ordered<Max>(in);
  if (name == "Div" && f32) return binary_block<Div, float, float>;
  if (name == "Pow" && f32) return binary_block<Pow, float, float>;
  if (name == "PRelu" && f32) return binary_block<PRelu, float, float>;
  if (name == "And" && logic) return binary_block<And, uint8_t, uint8_t>;
  if (name == "Or" && logic) return binary_block<Or, uint8_t, uint8_t>;
  if (name == "Xor" && logic) return binary_block<Xor, uint8_t, uint8_t>;
  return nullptr;
}

ElementFn find_where(DType in) {
  switch (size_of(in)) {
    case 1: return where_block<uint8_t>;
    case 4: return where_block<uint32_t>;
    case 8: return where_block<uint64_t>;
    default: return nullptr;
  }
}

ElementFn find_comparison(std::string_view name, DType in) {
  if (name == "Equal") return comparison<Equal>(in);
  if (name == "Less") return comparison<Less>(in);
  if (name == "LessOrEqual") return comparison<LessOrEqual>(in);
  if (name == "Greater") return comparison<Less, true>(in);
  if (name == "GreaterOrEqual") return comparison<LessOrEqual, true>(in);
  return nullptr;
}

}  // namespace quadlane::run
