// What products of f32 and of integers share: which matrices meet, tiles, packed operands.
#pragma once

#include "engine/compile/dense.h"
#include "engine/run/dense/gemm_step.h"
#include "jit/kernels/gemm.h"

namespace quadlane::compile {

using run::GemmLayout;
using run::MatrixStrides;

// y[.., i, j] = sum over k of a[.., i, k] * b[.., k, j]: which matrices meet, and how they lie.
struct Product {
  int64_t m = 1, n = 1, k = 1;
  int64_t a_matrices = 1, b_matrices = 1;
  std::vector<int64_t> a_matrix, b_matrix;  // of each matrix of y
  MatrixStrides a{}, b{};
};

Product product(Shape a, Shape b, bool trans_a, bool trans_b);

// The generated tiles of a product.
struct Tiles {
  GemmSchedule schedule;
  KernelId kernels[2][2];
};

Result<Tiles> generate_tiles(Emitter&, const GemmProblem&, const Product&, const GemmLayout&);
// All of a step but its operands and epilogue.
void fill(run::GemmStep&, const Lowering&, const Product&, const GemmLayout&, const Tiles&, const Addresses&);
run::StepInfo product_info(const Node&, const Product&, const GemmProblem&, const GemmSchedule&);

// Where an operand lies in the end: packed in the weights, or in scratch memory that a step before fills.
struct Packed {
  DenseRef ref;
  std::optional<size_t> offset;  // of a constant
  DenseRef sums;
  std::optional<size_t> sums_offset;

  DenseAddress at(const Addresses& a) const { return offset ? DenseAddress{Place::constant, *offset} : a.dense(ref); }
  DenseAddress sums_at(const Addresses& a) const {
    return sums_offset ? DenseAddress{Place::constant, *sums_offset} : a.dense(sums);
  }
};

// op(B) * alpha of a constant B [matrices, ..] in panels among the weights.
std::shared_ptr<Packed> packed_constant(Lowering&, const Tensor& b, const Product&, const GemmLayout&, float alpha);

// y = a b + beta * c on tiles of f32, as run::GemmF32Step says; an absent c is an empty optional.
struct F32Operands {
  DenseRef a;
  std::shared_ptr<Packed> b;
  std::optional<DenseRef> c;
  DenseRef y;
  float beta = 1;
  int64_t c_row = 0, c_column = 0;
};
// `op` is what the plan calls the step; empty: the node's.
void emit_f32_product(Lowering&, const Node&, const Product&, const GemmLayout&, const F32Operands&,
                      const std::string& op = {});

// Why the product cannot be lowered, if so.
std::optional<std::string> refuse(const Product&, const GemmLayout&);
// The arena's buffers among some operands.
std::vector<BufferId> arena_buffers(std::initializer_list<const DenseRef*>);
run::StepInfo packing_info(const Node&, const char* op);

}  // namespace quadlane::compile
