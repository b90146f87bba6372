// Matrix products against their reference: every tile and tail, batches that broadcast, transposed operands, on both
// instruction sets and several threads.
#include <gtest/gtest.h>

#include <random>

#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {
namespace {

using Rng = std::mt19937;
int64_t pick(Rng& rng, int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng); }

Tensor random_f32(const Shape& shape, Rng& rng) {
  Tensor t = *Tensor::allocate({DType::f32, shape});
  for (int64_t i = 0; i < t.count(); ++i) t.mutate<float>()[i] = std::normal_distribution<float>(0, 1)(rng);
  return t;
}

ValueId operand(Graph& g, const char* name, const Shape& shape, bool constant, Rng& rng) {
  return constant ? g.add_constant(name, random_f32(shape, rng)) : g.add_input(name, {DType::f32, shape});
}

Shape transposed(Shape s, bool swap) {
  if (swap) std::swap(s[0], s[1]);
  return s;
}

Graph random_gemm(Rng& rng) {
  Graph g;
  const int64_t m = rng() % 3 ? pick(rng, 1, 8) : pick(rng, 9, 40), k = pick(rng, 1, rng() % 4 ? 70 : 600);
  const int64_t n = pick(rng, 1, 150);
  Node node{"gemm", "Gemm", {}, {}, {}};
  const bool trans_a = rng() % 4 == 0, trans_b = rng() % 2;
  node.attrs.set("transA", int64_t{trans_a}), node.attrs.set("transB", int64_t{trans_b});
  if (rng() % 2) node.attrs.set("alpha", 0.75f);
  if (rng() % 2) node.attrs.set("beta", -1.5f);
  node.inputs.push_back(operand(g, "a", transposed({m, k}, trans_a), false, rng));
  node.inputs.push_back(operand(g, "b", transposed({k, n}, trans_b), rng() % 3, rng));
  const Shape c[] = {{}, {n}, {1, n}, {m, 1}, {m, n}, {1}};
  if (rng() % 4) node.inputs.push_back(operand(g, "c", c[rng() % 6], rng() % 2, rng));
  g.set_outputs({*add_op(g, op_table(), std::move(node))});
  return g;
}

Graph random_matmul(Rng& rng) {
  Graph g;
  const int64_t m = pick(rng, 1, 20), k = pick(rng, 1, 40), n = pick(rng, 1, 50);
  const int64_t x = pick(rng, 1, 3), y = pick(rng, 1, 3);
  const Shape as[] = {{k}, {m, k}, {x, m, k}, {x, 1, m, k}, {1, y, m, k}, {x, y, m, k}};
  const Shape bs[] = {{k}, {k, n}, {1, k, n}, {1, y, k, n}, {x, y, k, n}, {x, 1, k, n}};
  const Shape a = as[rng() % 6], b = a.size() == 3 ? Shape{x, k, n} : bs[rng() % 6];
  Node node{"matmul", "MatMul", {}, {}, {}};
  node.inputs.push_back(operand(g, "a", a, false, rng));
  node.inputs.push_back(operand(g, "b", b, rng() % 2, rng));
  g.set_outputs({*add_op(g, op_table(), std::move(node))});
  return g;
}

PlanCheck check_of(Isa isa, int trial) {
  PlanCheck check{.isa = isa, .threads = 1 + trial % 3, .runs = 1, .tolerance = 1e-5};
  return check;
}

ValueId bytes(Graph& g, const char* name, const Shape& shape, bool is_signed, bool constant, Rng& rng) {
  const DType dtype = is_signed ? DType::s8 : DType::u8;
  if (constant) {
    Tensor t = *Tensor::allocate({dtype, shape});
    for (int64_t i = 0; i < t.count(); ++i) static_cast<uint8_t*>(t.mutable_data())[i] = static_cast<uint8_t>(rng());
    return g.add_constant(name, t);
  }
  const ValueId x = g.add_input(name, {DType::u8, shape});
  if (!is_signed) return x;
  Node cast{cat(name, "_signed"), "Cast", {}, {x}, {}};
  cast.attrs.set("to", int64_t{3});
  return *add_op(g, op_table(), std::move(cast));
}

// Any bytes on both sides; zero points known beforehand or when it runs.
Graph random_integer_matmul(Rng& rng) {
  Graph g;
  const int64_t m = pick(rng, 1, rng() % 3 ? 7 : 30), k = pick(rng, 1, rng() % 3 ? 40 : 400), n = pick(rng, 1, 100);
  const int64_t batch = rng() % 3 ? 1 : 2;
  const bool a_signed = rng() % 2, b_signed = rng() % 2;
  Node node{"matmul", "MatMulInteger", {}, {}, {}};
  node.inputs.push_back(bytes(g, "a", {batch, m, k}, a_signed, false, rng));
  node.inputs.push_back(bytes(g, "b", {rng() % 2 ? batch : 1, k, n}, b_signed, rng() % 2, rng));
  node.inputs.push_back(rng() % 3 ? bytes(g, "a_zero", {}, a_signed, rng() % 2, rng) : kNoValue);
  if (rng() % 3) node.inputs.push_back(bytes(g, "b_zero", {}, b_signed, true, rng));
  g.set_outputs({*add_op(g, op_table(), std::move(node))});
  return g;
}

class GemmPlan : public ::testing::TestWithParam<Isa> {};

TEST_P(GemmPlan, Gemm) {
  Rng rng(11);
  for (int i = 0; i < (GetParam() == Isa::avx2 ? 120 : 30); ++i)
    EXPECT_EQ(check_plan(random_gemm(rng), check_of(GetParam(), i)), "") << "trial " << i;
}

TEST_P(GemmPlan, MatMul) {
  Rng rng(12);
  for (int i = 0; i < (GetParam() == Isa::avx2 ? 120 : 30); ++i)
    EXPECT_EQ(check_plan(random_matmul(rng), check_of(GetParam(), i)), "") << "trial " << i;
}

TEST_P(GemmPlan, IntegerMatMul) {
  Rng rng(13);
  for (int i = 0; i < (GetParam() == Isa::avx2 ? 120 : 40); ++i) {
    PlanCheck check = check_of(GetParam(), i);
    check.expect_no_reference = true;
    EXPECT_EQ(check_plan(random_integer_matmul(rng), check), "") << "trial " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(AllIsas, GemmPlan, ::testing::Values(Isa::avx2, Isa::avx512, Isa::avx512_vnni),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace quadlane::testing
