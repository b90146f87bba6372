// The loops of elementwise operators: y = Op::apply(operands, p) for a stateless Op, compiled for each instruction set.
#pragma once

#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/on_isa.h"

namespace quadlane::run {

template <class Op, class T, class R>
void unary_rows(Isa isa, const ElementRows& e) {
  const auto* x = static_cast<const T*>(e.in[0]);
  auto* y = static_cast<R*>(e.out);
  const int64_t rows = e.rows, n = e.n, row = e.row[0];
  const float p0 = e.p[0], p1 = e.p[1];
  on_isa(isa, [=] {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i) y[r * n + i] = Op::apply(x[r * row + i], p0, p1);
  });
}

// Three loops instead of one with steps: each of them vectorizes.
template <class Op, class T, class R>
void binary_rows(Isa isa, const ElementRows& e) {
  const auto *a = static_cast<const T*>(e.in[0]), *b = static_cast<const T*>(e.in[1]);
  auto* y = static_cast<R*>(e.out);
  const int64_t rows = e.rows, n = e.n, a_row = e.row[0], b_row = e.row[1];
  if (e.step[0] && e.step[1]) {
    on_isa(isa, [=] {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < n; ++i) y[r * n + i] = Op::apply(a[r * a_row + i], b[r * b_row + i]);
    });
  } else if (e.step[0]) {
    on_isa(isa, [=] {
      for (int64_t r = 0; r < rows; ++r) {
        const T scalar = b[r * b_row];
        for (int64_t i = 0; i < n; ++i) y[r * n + i] = Op::apply(a[r * a_row + i], scalar);
      }
    });
  } else {  // n may be 1, where b does not walk either
    const int64_t b_step = e.step[1];
    on_isa(isa, [=] {
      for (int64_t r = 0; r < rows; ++r) {
        const T scalar = a[r * a_row];
        if (b_step)
          for (int64_t i = 0; i < n; ++i) y[r * n + i] = Op::apply(scalar, b[r * b_row + i]);
        else
          for (int64_t i = 0; i < n; ++i) y[r * n + i] = Op::apply(scalar, b[r * b_row]);
      }
    });
  }
}

}  // namespace quadlane::run
