// MatMul and Gemm on f32: y = alpha * a b + beta * c. Alpha goes into the packed b, c into the tiles' epilogue.
#include "engine/compile/gemm_product.h"

namespace quadlane::compile {
namespace {

struct F32Product {
  ValueId a{}, b{}, c = kNoValue;
  bool trans_a = false, trans_b = false;
  float alpha = 1, beta = 1;
};

// op(B) * alpha in panels.
Result<std::shared_ptr<Packed>> pack_b(Lowering& l, const Node& node, const F32Product& f, const Product& p,
                                       const GemmLayout& layout) {
  if (const Tensor* b = l.graph.constant(f.b)) return packed_constant(l, *b, p, layout, f.alpha);
  auto packed = std::make_shared<Packed>();
  QL_TRY(DenseRef from, l.dense(f.b));
  packed->ref = scratch(l, static_cast<size_t>(layout.b_bytes() * p.b_matrices));
  emit_dense(l, packing_info(node, "pack b"), {from}, {packed->ref}, [=](const Addresses& a) {
    auto step = std::make_unique<run::PackBStep>();
    step->layout = layout, step->strides = p.b, step->matrices = p.b_matrices, step->alpha = f.alpha;
    step->from = a.dense(from), step->to = a.dense(packed->ref);
    return step;
  });
  return packed;
}

Result<Verdict> lower_f32(Lowering& l, const Node& node, const F32Product& f) {
  if (l.dtype(f.a) != DType::f32) return declined(cat("products of ", to_string(l.dtype(f.a))));
  Product p = product(l.shape(f.a), l.shape(f.b), f.trans_a, f.trans_b);
  GemmLayout layout{l.isa, false, p.k, p.n};
  if (auto why = refuse(p, layout)) return declined(*why);
  QL_TRY(DenseRef a_ref, l.dense(f.a));
  if (f.trans_a && p.m != 1 && p.k != 1)
    a_ref = transposed_copy(l, node, a_ref, "a matrix product reads its left operand row by row");
  F32Operands operands{.a = a_ref, .beta = f.beta};
  if (f.c != kNoValue) {
    QL_TRY(operands.c, l.dense(f.c));
    const Shape& shape = operands.c->type.shape;
    operands.c_column = !shape.empty() && shape.back() != 1 ? 1 : 0;
    operands.c_row = shape.size() == 2 && shape[0] != 1 ? shape[1] : 0;
  }
  QL_TRY(operands.b, pack_b(l, node, f, p, layout));
  operands.y = l.define_dense(node.output());
  emit_f32_product(l, node, p, layout, operands);
  return Verdict{};
}

}  // namespace

std::shared_ptr<Packed> packed_constant(Lowering& l, const Tensor& b, const Product& p, const GemmLayout& layout,
                                        float alpha) {
  auto packed = std::make_shared<Packed>();
  packed->ref.place = Place::constant;
  l.emit([=](Emitter& e) -> Status {
    std::vector<std::byte> panels(static_cast<size_t>(layout.b_bytes() * p.b_matrices));
    for (int64_t i = 0; i < p.b_matrices; ++i)
      run::pack_b(layout, b.as<float>() + i * p.k * p.n, p.b, alpha, 0, layout.panels(),
                  panels.data() + i * layout.b_bytes());
    packed->offset = e.constant(panels);
    return {};
  });
  return packed;
}

void emit_f32_product(Lowering& l, const Node& node, const Product& p, const GemmLayout& layout, const F32Operands& f,
                      const std::string& op) {
  l.emit([=, &l, &node](Emitter& e) -> Status {
    const GemmProblem problem{l.isa, false};
    QL_TRY(Tiles tiles, generate_tiles(e, problem, p, layout));
    run::StepInfo info = product_info(node, p, problem, tiles.schedule);
    if (!op.empty()) info.op = op;
    info.bytes_read = static_cast<int64_t>(f.a.type.bytes()) + layout.b_bytes() * p.b_matrices;
    info.bytes_written = static_cast<int64_t>(f.y.type.bytes());
    const DenseRef none{Place::constant, {}, 0};
    e.step(std::move(info), arena_buffers({&f.a, f.c ? &*f.c : &none, &f.b->ref, &f.y}), [=, &l](const Addresses& a) {
      auto step = std::make_unique<run::GemmF32Step>();
      fill(*step, l, p, layout, tiles, a);
      step->a = a.dense(f.a), step->b = f.b->at(a), step->y = a.dense(f.y);
      step->has_c = f.c.has_value();
      if (f.c) step->c = a.dense(*f.c);
      step->beta = f.beta, step->c_row = f.c_row, step->c_column = f.c_column;
      return step;
    });
    return {};
  });
}

Result<Verdict> lower_matmul(Lowering& l, const Node& node) {
  return lower_f32(l, node, {node.input(0), node.input(1)});
}

Result<Verdict> lower_gemm(Lowering& l, const Node& node) {
  F32Product f{node.input(0), node.input(1), node.input(2)};
  f.trans_a = node.attrs.int_or("transA", 0) != 0, f.trans_b = node.attrs.int_or("transB", 0) != 0;
  f.alpha = node.attrs.float_or("alpha", 1), f.beta = node.attrs.float_or("beta", 1);
  return lower_f32(l, node, f);
}

}  // namespace quadlane::compile
