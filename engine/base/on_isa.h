// Loops of C++ compiled for each instruction set: the one place that knows how.
//
//   on_isa(isa, [=] { for (int64_t i = 0; i < n; ++i) y[i] = x[i] + 1; });
//
// Capture by value: what a body holds by reference may change with every store, as far as the compiler can tell.
//
// The body and everything it calls is inlined into a function compiled for the instruction set, where the compiler
// vectorizes it. Multiplication and addition are never contracted (-ffp-contract=off) and sums keep the order they are
// written in, so all instruction sets give the same bits; std::fma is one instruction on each of them.
#pragma once

#include "engine/base/cpu.h"

namespace quadlane {

#define QL_AVX2 gnu::target("avx2,fma,f16c"), gnu::flatten, gnu::noinline
#define QL_AVX512 \
  gnu::target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512"), gnu::flatten, gnu::noinline

template <class Body>
[[QL_AVX2]] void on_avx2(const Body& body) {
  Body local = body;
  local();
}
template <class Body>
[[QL_AVX512]] void on_avx512(const Body& body) {
  Body local = body;
  local();
}
#undef QL_AVX2
#undef QL_AVX512

// `isa` is one this machine runs, and not the reference.
template <class Body>
void on_isa(Isa isa, const Body& body) {
  if (has_avx512(isa))
    on_avx512(body);
  else
    on_avx2(body);
}

// The best this machine runs, or as the compiler was told to build the file.
template <class Body>
void on_this_cpu(const Body& body) {
  static const Isa isa = detect_cpu().best_isa();
  if (isa == Isa::reference)
    body();
  else
    on_isa(isa, body);
}

}  // namespace quadlane
