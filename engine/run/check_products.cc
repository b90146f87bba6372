// What the steps of matrix products and recurrent layers may touch.
#include <algorithm>

#include "engine/run/checker.h"
#include "engine/run/dense/gemm_step.h"
#include "engine/run/dense/recurrent.h"
#include "engine/run/reach.h"

namespace quadlane::run {
namespace {

void check_layout(Checker& c, const GemmLayout& l, bool integer) {
  constexpr int64_t kMost = int64_t{1} << 31;
  c.that(l.isa != Isa::reference && l.integer == integer, "a product of another kind");
  c.that(l.k >= 1 && l.n >= 1 && l.k < kMost && l.n < kMost, "no product");
}

int64_t matrices_of(Checker& c, std::span<const int64_t> indices) {
  int64_t most = -1;
  for (int64_t i : indices) {
    c.that(i >= 0 && i < kMostExtent, "a matrix that is not there");
    most = std::max(most, i);
  }
  return most + 1;
}

}  // namespace

void GemmStep::check_product(Checker& c, int64_t result_bytes) const {
  c.loops(loops);
  c.that(m >= 1 && m < (int64_t{1} << 31) && a_matrix.size() == b_matrix.size(), "no product");
  c.that(rows >= 1 && rows <= kGemmMaxRows && panels >= 1 && panels <= kGemmMaxColumns &&
             panels * layout.columns() <= kGemmMaxColumns &&
             rows * panels * layout.columns() <= kGemmMaxRows * gemm_columns(Isa::avx512_vnni),
         "a tile of too many sums");
  for (const auto& row : kernels)
    for (KernelFn fn : row) c.kernel(fn);
  const int64_t a_matrices = matrices_of(c, a_matrix), b_matrices = matrices_of(c, b_matrix);
  c.that(a_row_bytes >= layout.a_row_bytes() && a_row_bytes % 4 == 0, "rows that overlap");
  if (!c.ok()) return;
  c.reads(a, Checker::product({a_matrices, m, a_row_bytes}));
  c.reads(b, Checker::product({b_matrices, layout.panels(), layout.panel_bytes()}));
  c.writes(y, Checker::product({static_cast<int64_t>(a_matrix.size()), m, layout.n, result_bytes}));
}

void GemmF32Step::check(Checker& c) const {
  check_layout(c, layout, false);
  if (c.ok()) check_product(c, 4);
  if (!has_c || !c.ok()) return;
  c.that(c_row >= 0 && c_column >= 0 && c_column <= 1 && c_row <= kMostExtent, "an operand that runs backwards");
  Reach reach(0);
  reach.along(m, c_row);
  reach.along(layout.n, c_column);
  c.reads(this->c, 0);
  c.that(reach.within(c.room(this->c), 4), "an operand ends behind its memory");
}

void GemmIntegerStep::check(Checker& c) const {
  check_layout(c, layout, true);
  c.that(out == DType::s32 || out == DType::f32 || size_of(out) == 1, "a result of no such type");
  if (c.ok()) check_product(c, static_cast<int64_t>(size_of(out)));
  if (!c.ok()) return;
  const int64_t n = layout.padded_n();
  c.reads(a_sums, Checker::product({matrices_of(c, a_matrix), m, 4}));
  c.reads(b_sums, Checker::product({matrices_of(c, b_matrix), n, 4}));
  c.reads(bias, Checker::product({n, 4}));
  if (has_b_zero) c.reads(b_zero, Checker::product({n, 4}));
  if (a_zero_at_run) c.reads(a_zero_value, 1);
  if (out != DType::s32) c.reads(mult, Checker::product({n, 4}));
  if (out == DType::f32) c.reads(add, Checker::product({n, 4}));
}

namespace {

// Matrices of rows x columns elements, one behind the other, whose elements lie at these strides.
void check_source(Checker& c, const DenseAddress& from, int64_t matrices, int64_t rows, int64_t columns,
                  MatrixStrides strides, size_t element_bytes) {
  c.that(matrices >= 0 && matrices <= kMostExtent && strides.row >= 0 && strides.column >= 0 &&
             strides.row <= kMostExtent && strides.column <= kMostExtent,
         "a matrix that runs backwards");
  if (!c.ok() || matrices == 0) return;
  Reach reach(0);
  reach.along(matrices, rows * columns);
  reach.along(rows, strides.row);
  reach.along(columns, strides.column);
  c.reads(from, 0);
  c.that(reach.within(c.room(from), element_bytes), "an operand ends behind its memory");
}

}  // namespace

void PackBStep::check(Checker& c) const {
  check_layout(c, layout, layout.integer);
  if (!c.ok()) return;
  check_source(c, from, matrices, layout.k, layout.n, strides, layout.integer ? 1 : 4);
  c.writes(to, Checker::product({matrices, layout.panels(), layout.panel_bytes()}));
  if (layout.integer) c.writes(sums, Checker::product({matrices, layout.padded_n(), 4}));
}

void PackAStep::check(Checker& c) const {
  check_layout(c, layout, true);
  c.that(rows >= 1 && rows < (int64_t{1} << 31), "no rows");
  if (!c.ok()) return;
  check_source(c, from, matrices, rows, layout.k, strides, 1);
  c.writes(to, Checker::product({matrices, rows, layout.a_row_bytes()}));
  c.writes(sums, Checker::product({matrices, rows, 4}));
}

void RecurrentStep::check(Checker& c) const {
  c.loops(isa);
  for (int64_t extent : {positions, batch, hidden, directions})
    c.that(extent >= 1 && extent < (int64_t{1} << 24), "no recurrent layer");
  if (!c.ok()) return;
  c.that(directions <= 2 && rows >= 1 && rows <= kGemmMaxRows, "more directions or rows than there are");
  c.that(static_cast<int64_t>(functions.size()) == directions * functions_each(), "functions are missing");
  c.that(products.size() == (is_split() ? 2 : 1), "products are missing");
  if (!c.ok()) return;
  const int64_t together = is_split() ? 2 : gates();
  for (size_t i = 0; i < products.size(); ++i) {
    const StateProduct& p = products[i];
    check_layout(c, p.layout, false);
    c.that(p.layout.k == hidden && p.layout.n == (i == 0 ? together * hidden : hidden), "a product of other states");
    c.that(p.panels >= 1 && p.panels <= kGemmMaxColumns, "a tile of too many sums");
    for (const auto& row : p.kernels)
      for (KernelFn fn : row) c.kernel(fn);
    if (!c.ok()) return;
    c.reads(p.b, Checker::product({directions, p.layout.panels(), p.layout.panel_bytes()}));
  }
  const size_t states = Checker::product({directions, batch, hidden, 4});
  c.reads(x, Checker::product({positions, batch, directions, gates() * hidden, 4}));
  c.writes(y, Checker::product({positions, batch, directions, hidden, 4}));
  c.writes(last_h, states);
  if (cell == RecurrentCell::lstm) c.writes(last_c, states);
  if (has_h) c.reads(h, states);
  if (has_c) c.reads(this->c, states);
  if (has_peepholes) c.reads(peepholes, Checker::product({directions, 3 * hidden, 4}));
  if (cell == RecurrentCell::gru && reset_after) c.reads(reset_bias, Checker::product({directions, hidden, 4}));
  c.writes(scratch, Checker::product({directions, batch, scratch_row(), 4}));
  if (!has_lengths) return;
  c.that(lengths.place == Place::constant, "lengths that are no constants");
  if (!c.ok()) return;
  for (int32_t n : c.table<int32_t>(lengths.index_or_offset, batch))
    c.that(n >= 0 && n <= positions, "a row longer than the layer");
}

}  // namespace quadlane::run
