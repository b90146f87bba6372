#include "engine/compile/gemm_product.h"

namespace quadlane::compile {
namespace {

constexpr int64_t kMostPackedBytes = int64_t{1} << 32;  // a panel of few columns is mostly padding

// Extents of the leading axes, the last one first.
std::vector<int64_t> leading(const Shape& shape) {
  return shape.size() > 2 ? std::vector<int64_t>(shape.rbegin() + 2, shape.rend()) : std::vector<int64_t>{};
}

int64_t product_of(const std::vector<int64_t>& extents) {
  int64_t count = 1;
  for (int64_t e : extents) count *= e;
  return count;
}

// The matrix of an operand that belongs to matrix `index` of the result.
int64_t operand_matrix(const std::vector<int64_t>& own, const std::vector<int64_t>& result, int64_t index) {
  int64_t at = 0, step = 1;
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i] != 1) at += index % result[i] * step;
    step *= own[i];
    index /= result[i];
  }
  return at;
}

}  // namespace

Product product(Shape a, Shape b, bool trans_a, bool trans_b) {
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  Product p;
  const size_t ra = a.size(), rb = b.size();
  p.m = a[ra - (trans_a ? 1 : 2)], p.k = a[ra - (trans_a ? 2 : 1)], p.n = b[rb - (trans_b ? 2 : 1)];
  p.a = trans_a ? MatrixStrides{1, p.m} : MatrixStrides{p.k, 1};
  p.b = trans_b ? MatrixStrides{1, p.k} : MatrixStrides{p.n, 1};
  std::vector<int64_t> la = leading(a), lb = leading(b), ly = la.size() > lb.size() ? la : lb;
  for (size_t i = 0; i < std::min(la.size(), lb.size()); ++i) ly[i] = la[i] == 1 ? lb[i] : la[i];
  p.a_matrices = product_of(la), p.b_matrices = product_of(lb);
  // Rows of all matrices of A meet one B: one tall matrix.
  if (p.b_matrices == 1 && !trans_a) {
    p.m *= p.a_matrices;
    p.a_matrices = 1;
    ly.clear(), la.clear(), lb.clear();
  }
  for (int64_t i = 0; i < product_of(ly); ++i) {
    p.a_matrix.push_back(operand_matrix(la, ly, i));
    p.b_matrix.push_back(operand_matrix(lb, ly, i));
  }
  return p;
}

Result<Tiles> generate_tiles(Emitter& e, const GemmProblem& problem, const Product& p, const GemmLayout& layout) {
  Tiles t{gemm_schedule(problem, p.m), {}};
  t.schedule.panels = static_cast<int>(std::clamp<int64_t>(layout.panels(), 1, t.schedule.panels));
  const int last_rows = static_cast<int>(p.m % t.schedule.rows),
            last_panels = static_cast<int>(layout.panels() % t.schedule.panels);
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 2; ++c) {
      GemmSchedule s = t.schedule;
      if (r && last_rows) s.rows = last_rows;
      if (c && last_panels) s.panels = last_panels;
      QL_TRY(t.kernels[r][c], e.kernel(describe(problem, s), [&] { return generate(problem, s); }));
    }
  return t;
}

void fill(run::GemmStep& step, const Lowering& l, const Product& p, const GemmLayout& layout, const Tiles& tiles,
          const Addresses& a) {
  step.loops = l.loops();
  step.layout = layout;
  step.m = p.m;
  step.a_matrix = p.a_matrix, step.b_matrix = p.b_matrix;
  step.rows = tiles.schedule.rows, step.panels = tiles.schedule.panels;
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 2; ++c) step.kernels[r][c] = a.kernel(tiles.kernels[r][c]);
  step.a_row_bytes = layout.a_row_bytes();
}

run::StepInfo product_info(const Node& node, const Product& p, const GemmProblem& problem, const GemmSchedule& s) {
  run::StepInfo info = make_info(node);
  info.kernel = describe(problem, s);
  info.gmac = info.gmac_executed =
      static_cast<double>(p.a_matrix.size()) * static_cast<double>(p.m) * static_cast<double>(p.n * p.k) * 1e-9;
  info.int8 = problem.integer;
  return info;
}

std::optional<std::string> refuse(const Product& p, const GemmLayout& layout) {
  if (p.m == 0 || p.n == 0 || p.a_matrix.empty()) return "the result is empty";
  if (p.k == 0) return "there is nothing to sum";
  if (layout.b_bytes() / 64 * p.b_matrices > kMostPackedBytes / 64)
    return cat("the right operand packs to ", layout.b_bytes(), " bytes, the limit is ", kMostPackedBytes);
  return std::nullopt;
}

std::vector<BufferId> arena_buffers(std::initializer_list<const DenseRef*> refs) {
  std::vector<BufferId> touched;
  for (const DenseRef* ref : refs)
    if (ref->place == Place::arena) touched.push_back(BufferId(ref->index));
  return touched;
}

run::StepInfo packing_info(const Node& node, const char* op) {
  run::StepInfo info = make_info(node);
  info.op = op;
  info.kernel = "panels";
  info.note = "an operand of a matrix product that is known only at run time";
  return info;
}

}  // namespace quadlane::compile
