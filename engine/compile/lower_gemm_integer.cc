// Products of integers. A is packed at run time (rows are cheap beside the product), a constant B while compiling.
#include "engine/compile/gemm.h"
#include "engine/compile/gemm_product.h"

namespace quadlane::compile {
namespace {

constexpr uint8_t kTopBit = 0x80;

// A is stored unsigned, B signed.
uint8_t flip_of_a(DType dtype) { return dtype == DType::s8 ? kTopBit : 0; }
uint8_t flip_of_b(DType dtype) { return dtype == DType::u8 ? kTopBit : 0; }
bool is_byte(DType dtype) { return dtype == DType::u8 || dtype == DType::s8; }

// One value for each column, the last one's panel filled up; a single one serves all.
template <class T>
std::vector<T> columns(const std::vector<T>& given, const GemmLayout& layout, T otherwise) {
  std::vector<T> result(static_cast<size_t>(layout.padded_n()), given.size() == 1 ? given[0] : otherwise);
  if (given.size() > 1) std::copy(given.begin(), given.end(), result.begin());
  return result;
}

// Offsets of the epilogue's numbers in the weights.
struct Epilogue {
  size_t bias, b_zero, mult, add;
  bool has_b_zero;
};

Epilogue write_epilogue(Emitter& e, const IntegerGemm& g, const GemmLayout& layout, uint8_t b_flip) {
  std::vector<int32_t> zeros = columns(g.b_zero, layout, 0);
  for (int32_t& zero : zeros) zero -= b_flip;  // unsigned bytes are stored less 128
  Epilogue to;
  to.has_b_zero = std::any_of(zeros.begin(), zeros.end(), [](int32_t zero) { return zero != 0; });
  to.b_zero = e.constant(zeros);
  to.bias = e.constant(columns(g.bias, layout, 0));
  to.mult = e.constant(columns(g.mult, layout, 1.0f));
  to.add = e.constant(columns(g.add, layout, 0.0f));
  return to;
}

Result<std::shared_ptr<Packed>> pack_b(Lowering& l, const Node& node, ValueId b, const Product& p,
                                       const GemmLayout& layout) {
  auto packed = std::make_shared<Packed>();
  const uint8_t flip = flip_of_b(l.dtype(b));
  const auto bytes = static_cast<size_t>(layout.b_bytes() * p.b_matrices);
  const auto sums = static_cast<size_t>(layout.padded_n() * p.b_matrices);
  if (const Tensor* constant = l.graph.constant(b)) {
    packed->ref.place = packed->sums.place = Place::constant;
    l.emit([=](Emitter& e) -> Status {
      std::vector<std::byte> panels(bytes);
      std::vector<int32_t> column_sums(sums);
      for (int64_t i = 0; i < p.b_matrices; ++i)
        run::pack_b(layout, constant->as<uint8_t>() + i * p.k * p.n, p.b, flip, 0, layout.panels(),
                    panels.data() + i * layout.b_bytes(), column_sums.data() + i * layout.padded_n());
      packed->offset = e.constant(panels);
      packed->sums_offset = e.constant(column_sums);
      return {};
    });
    return packed;
  }
  QL_TRY(DenseRef from, l.dense(b));
  packed->ref = scratch(l, bytes);
  packed->sums = scratch(l, sums * sizeof(int32_t));
  emit_dense(l, packing_info(node, "pack b"), {from}, {packed->ref, packed->sums}, [=](const Addresses& a) {
    auto step = std::make_unique<run::PackBStep>();
    step->layout = layout, step->strides = p.b, step->matrices = p.b_matrices, step->flip = flip;
    step->from = a.dense(from), step->to = a.dense(packed->ref), step->sums = a.dense(packed->sums);
    return step;
  });
  return packed;
}

Packed pack_a(Lowering& l, const Node& node, const DenseRef& from, const Product& p, const GemmLayout& layout) {
  Packed packed;
  const auto rows = static_cast<size_t>(p.m * p.a_matrices);
  packed.ref = scratch(l, rows * static_cast<size_t>(layout.a_row_bytes()));
  packed.sums = scratch(l, rows * sizeof(int32_t));
  run::StepInfo info = packing_info(node, "pack a");
  info.kernel = has_vnni(layout.isa) ? "bytes" : "bytes widened to 16 bits";
  emit_dense(l, info, {from}, {packed.ref, packed.sums}, [=](const Addresses& a) {
    auto step = std::make_unique<run::PackAStep>();
    step->layout = layout, step->strides = p.a, step->matrices = p.a_matrices, step->rows = p.m;
    step->flip = flip_of_a(from.type.dtype);
    step->from = a.dense(from), step->to = packed.at(a), step->sums = packed.sums_at(a);
    return step;
  });
  return packed;
}

std::optional<std::string> refuse_types(const Lowering& l, const Node& node, const IntegerGemm& g) {
  const DType out = l.dtype(node.output());
  if (l.loops() == Isa::reference) return "this machine lacks AVX2";
  if (!is_byte(l.dtype(g.a)) || !is_byte(l.dtype(g.b)))
    return cat("products of ", to_string(l.dtype(g.a)), " and ", to_string(l.dtype(g.b)));
  if (out != DType::s32 && out != DType::f32 && !is_byte(out)) return cat("a result of ", to_string(out));
  return std::nullopt;
}

}  // namespace

Result<Verdict> lower_integer_gemm(Lowering& l, const Node& node, const IntegerGemm& g) {
  if (auto why = refuse_types(l, node, g)) return declined(*why);
  Product p = product(l.shape(g.a), l.shape(g.b), g.trans_a, g.trans_b);
  GemmProblem problem{l.isa, true};
  GemmLayout layout{l.isa, true, p.k, p.n};
  if (auto why = refuse(p, layout)) return declined(*why);
  QL_TRY(DenseRef a_ref, l.dense(g.a));
  DenseRef zero_ref{Place::constant, {}, 0};
  if (g.a_zero_value != kNoValue) {
    QL_TRY(zero_ref, l.dense(g.a_zero_value));
  }
  const uint8_t a_flip = flip_of_a(l.dtype(g.a)), b_flip = flip_of_b(l.dtype(g.b));
  QL_TRY(auto b, pack_b(l, node, g.b, p, layout));
  Packed a_packed = pack_a(l, node, a_ref, p, layout);
  DenseRef y = l.define_dense(node.output());
  l.emit([=, &l, &node](Emitter& e) -> Status {
    QL_TRY(Tiles tiles, generate_tiles(e, problem, p, layout));
    const Epilogue epilogue = write_epilogue(e, g, layout, b_flip);
    run::StepInfo info = product_info(node, p, problem, tiles.schedule);
    info.bytes_read = static_cast<int64_t>(a_packed.ref.type.bytes()) + layout.b_bytes() * p.b_matrices;
    info.bytes_written = static_cast<int64_t>(y.type.bytes());
    auto touched = arena_buffers({&a_packed.ref, &a_packed.sums, &b->ref, &b->sums, &zero_ref, &y});
    e.step(std::move(info), std::move(touched), [=, &l](const Addresses& a) {
      auto step = std::make_unique<run::GemmIntegerStep>();
      fill(*step, l, p, layout, tiles, a);
      step->a = a_packed.at(a), step->a_sums = a_packed.sums_at(a);
      step->b = b->at(a), step->b_sums = b->sums_at(a), step->y = a.dense(y);
      auto weights = [](size_t offset) { return DenseAddress{Place::constant, offset}; };
      step->bias = weights(epilogue.bias), step->mult = weights(epilogue.mult), step->add = weights(epilogue.add);
      step->b_zero = weights(epilogue.b_zero), step->has_b_zero = epilogue.has_b_zero;
      step->a_zero = g.a_zero + a_flip;  // signed bytes are stored plus 128
      step->a_zero_at_run = g.a_zero_value != kNoValue;
      if (step->a_zero_at_run) step->a_zero_value = a.dense(zero_ref), step->a_flip = a_flip;
      step->out = y.type.dtype;
      step->v_lo = static_cast<float>(g.lo - g.out_zero), step->v_hi = static_cast<float>(g.hi - g.out_zero);
      step->out_zero = g.out_zero;
      return step;
    });
    return {};
  });
  return Verdict{};
}

}  // namespace quadlane::compile
