// The loops of elementwise operators: y = Op::apply(operands, p) for a stateless Op, compiled for each instruction set.
// They take groups of kElementGroup elements, the last one of a row overlapping the one before: no loop has a
// remainder, and one form serves every shape (element_rows.cc brings them to it).
#pragma once

#include "engine/run/dense/elementwise.h"
#include "engine/base/on_isa.h"

namespace quadlane::run {

// body(r, i) for the first element of each group.
template <class Body>
inline void each_group(int64_t rows, int64_t n, const Body& body) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; i += kElementGroup) body(r, i < n - kElementGroup ? i : n - kElementGroup);
}

template <class Op, class T, class R>
void unary_block(Isa isa, const ElementBlock& e) {
  const auto* x = static_cast<const T*>(e.in[0]);
  auto* y = static_cast<R*>(e.out);
  const int64_t n = e.n;
  const float p0 = e.p[0], p1 = e.p[1];
  on_isa(isa, [=] {
    each_group(1, n, [=](int64_t, int64_t i) {
#pragma GCC unroll 1
#pragma GCC ivdep
      for (int64_t j = 0; j < kElementGroup; ++j) y[i + j] = Op::apply(x[i + j], p0, p1);
    });
  });
}

template <class Op, class T, class R>
void binary_block(Isa isa, const ElementBlock& e) {
  const auto *a = static_cast<const T*>(e.in[0]), *b = static_cast<const T*>(e.in[1]);
  auto* y = static_cast<R*>(e.out);
  const int64_t rows = e.rows, n = e.n, a_row = e.row[0], b_row = e.row[1], a_walk = e.walk[0], b_walk = e.walk[1];
  on_isa(isa, [=] {
    each_group(rows, n, [=](int64_t r, int64_t i) {
      const T *a_group = a + r * a_row + (i & a_walk), *b_group = b + r * b_row + (i & b_walk);
      R* y_group = y + r * n + i;
#pragma GCC unroll 1
#pragma GCC ivdep
      for (int64_t j = 0; j < kElementGroup; ++j) y_group[j] = Op::apply(a_group[j], b_group[j]);
    });
  });
}

}  // namespace quadlane::run
