// Operators of two inputs with broadcasting: y = Op::apply(a, b) for a stateless Op on inputs of one type T.
#pragma once

#include "ops/broadcast.h"
#include "ops/dispatch.h"

namespace quadlane {

// Three loops instead of one with steps: each of them vectorizes.
template <class Op, class T, class R = T>
void binary_run(const Run& run) {
  const T *a = run.in<T>(0), *b = run.in<T>(1);
  R* y = run.out<R>();
  int64_t n = run.n;
  if (run.step[0] && run.step[1]) {
    for (int64_t i = 0; i < n; ++i) y[i] = Op::apply(a[i], b[i]);
  } else if (run.step[0]) {
    const T scalar = *b;
    for (int64_t i = 0; i < n; ++i) y[i] = Op::apply(a[i], scalar);
  } else {
    const T scalar = *a;
    for (int64_t i = 0; i < n; ++i) y[i] = Op::apply(scalar, b[i * run.step[1]]);
  }
}

template <class Op>
RunFn modular_run(DType dtype) {
  return dispatch_modular(dtype, []<class T>(T) -> RunFn { return binary_run<Op, T>; });
}
template <class Op>
RunFn number_run(DType dtype) {
  return dispatch_number(dtype, []<class T>(T) -> RunFn { return binary_run<Op, T>; });
}

// One element type, shapes that broadcast.
template <Types Allowed>
Result<std::vector<TensorType>> infer_broadcast(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Allowed));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_TRY(Shape shape, broadcast_shape(ctx));
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

// Arithmetic modulo 2^n for integers, where T is unsigned: 16-bit factors would overflow int.
struct AddOp {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a + b);
  }
};
struct SubOp {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a - b);
  }
};
struct MulOp {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a * b;
    else
      return static_cast<T>(uint64_t{a} * b);
  }
};
// NaN wins, as in numpy.
struct MinOp {
  template <class T>
  static T apply(T a, T b) {
    return b < a || b != b ? b : a;
  }
};
struct MaxOp {
  template <class T>
  static T apply(T a, T b) {
    return a < b || b != b ? b : a;
  }
};

}  // namespace quadlane
