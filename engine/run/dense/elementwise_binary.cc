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
QL_COMPARISON(Greater, a > b)
QL_COMPARISON(GreaterOrEqual, a >= b)
#undef QL_COMPARISON

template <class Op>
ElementFn modular(DType dtype) {
  if (dtype == DType::f32) return binary_rows<Op, float, float>;
  if (dtype == DType::s32 || dtype == DType::u32) return binary_rows<Op, uint32_t, uint32_t>;
  if (dtype == DType::s64 || dtype == DType::u64) return binary_rows<Op, uint64_t, uint64_t>;
  return nullptr;
}

template <class Op>
ElementFn ordered(DType dtype) {
  switch (dtype) {
    case DType::f32: return binary_rows<Op, float, float>;
    case DType::s32: return binary_rows<Op, int32_t, int32_t>;
    case DType::s64: return binary_rows<Op, int64_t, int64_t>;
    default: return nullptr;
  }
}

template <class Op>
ElementFn comparison(DType dtype) {
  switch (dtype) {
    case DType::f32: return binary_rows<Op, float, uint8_t>;
    case DType::s32: return binary_rows<Op, int32_t, uint8_t>;
    case DType::s64: return binary_rows<Op, int64_t, uint8_t>;
    default: return nullptr;
  }
}

// Where(condition, x, y)
template <class T>
void where_rows(Isa isa, const ElementRows& e) {
  const auto* condition = static_cast<const uint8_t*>(e.in[0]);
  const auto *x = static_cast<const T*>(e.in[1]), *y = static_cast<const T*>(e.in[2]);
  auto* out = static_cast<T*>(e.out);
  const int64_t rows = e.rows, n = e.n, c_step = e.step[0], x_step = e.step[1], y_step = e.step[2];
  const int64_t c_row = e.row[0], x_row = e.row[1], y_row = e.row[2];
  auto loop = [=](auto c_walks, auto x_walks, auto y_walks) {
    on_isa(isa, [=] {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < n; ++i) {
          const T from_x = x[r * x_row + i * x_walks], from_y = y[r * y_row + i * y_walks];
          out[r * n + i] = condition[r * c_row + i * c_walks] ? from_x : from_y;
        }
    });
  };
  constexpr std::integral_constant<int64_t, 1> kWalks;
  constexpr std::integral_constant<int64_t, 0> kStands;
  if (c_step && x_step && y_step)
    loop(kWalks, kWalks, kWalks);
  else if (c_step && x_step)
    loop(kWalks, kWalks, kStands);
  else if (c_step && y_step)
    loop(kWalks, kStands, kWalks);
  else if (c_step)
    loop(kWalks, kStands, kStands);
  else
    loop(c_step, x_step, y_step);
}

}  // namespace

ElementFn find_binary(std::string_view name, DType in) {
  const bool f32 = in == DType::f32, logic = in == DType::boolean;
  if (name == "Add") return modular<Add>(in);
  if (name == "Sub") return modular<Sub>(in);
  if (name == "Mul") return modular<Mul>(in);
  if (name == "Min") return ordered<Min>(in);
  if (name == "Max") return ordered<Max>(in);
  if (name == "Div" && f32) return binary_rows<Div, float, float>;
  if (name == "Pow" && f32) return binary_rows<Pow, float, float>;
  if (name == "PRelu" && f32) return binary_rows<PRelu, float, float>;
  if (name == "And" && logic) return binary_rows<And, uint8_t, uint8_t>;
  if (name == "Or" && logic) return binary_rows<Or, uint8_t, uint8_t>;
  if (name == "Xor" && logic) return binary_rows<Xor, uint8_t, uint8_t>;
  return nullptr;
}

ElementFn find_where(DType in) {
  switch (size_of(in)) {
    case 1: return where_rows<uint8_t>;
    case 4: return where_rows<uint32_t>;
    case 8: return where_rows<uint64_t>;
    default: return nullptr;
  }
}

ElementFn find_comparison(std::string_view name, DType in) {
  if (name == "Equal") return comparison<Equal>(in);
  if (name == "Less") return comparison<Less>(in);
  if (name == "LessOrEqual") return comparison<LessOrEqual>(in);
  if (name == "Greater") return comparison<Greater>(in);
  if (name == "GreaterOrEqual") return comparison<GreaterOrEqual>(in);
  return nullptr;
}

}  // namespace quadlane::run
