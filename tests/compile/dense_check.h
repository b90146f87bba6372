// What the tests of operators on dense tensors share: random shapes, graphs of one operator, and the check of their
// plans on both instruction sets and several threads. None of them may fall back.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {

using Rng = std::mt19937;
inline int64_t pick(Rng& rng, int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng); }

inline Shape random_shape(Rng& rng, int64_t rank, int64_t most = 9) {
  Shape shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(rng() % 4 ? pick(rng, 1, most) : 1);
  if (rng() % 3 == 0) shape[rng() % shape.size()] = pick(rng, 10, 300);
  return shape;
}

// A shape that broadcasts to `to`.
inline Shape narrower(const Shape& to, Rng& rng) {
  Shape shape(to.begin() + pick(rng, 0, static_cast<int64_t>(to.size())), to.end());
  for (int64_t& extent : shape)
    if (rng() % 3 == 0) extent = 1;
  return shape;
}

struct Builder {
  Graph g;
  Rng& rng;

  ValueId input(const Shape& shape, DType dtype = DType::f32) { return g.add_input("x", {dtype, shape}); }
  ValueId ints(const std::vector<int64_t>& values) {
    return g.add_constant("ints", Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  ValueId add(Node node) { return *add_op(g, op_table(), std::move(node)); }
  Graph done(std::vector<ValueId> outputs) {
    g.set_outputs(std::move(outputs));
    return std::move(g);
  }
};

using Make = std::function<Graph(Rng&)>;
inline void check(const Make& make, int trials, double tolerance = 1e-5) {
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni}) {
    Rng rng(7);
    for (int i = 0; i < trials; ++i) {
      PlanCheck c{.isa = isa, .threads = 1 + i % 3, .runs = 2, .tolerance = tolerance, .expect_no_reference = true};
      c.seed = static_cast<unsigned>(i);
      ASSERT_EQ(check_plan(make(rng), c), "") << "trial " << i << " on " << to_string(isa);
    }
  }
}

inline DType element(Rng& rng) { return rng() % 3 ? DType::f32 : DType::u8; }

}  // namespace quadlane::testing
