// What the matrix products share: the shapes of MatMul's operands, and the products.
#pragma once

#include <type_traits>
#include <vector>

#include "graph/op_table.h"

namespace quadlane {

// Floats are added up in double, integers modulo 2^n: they come as their unsigned bits.
template <class T>
using SumOf = std::conditional_t<std::is_floating_point_v<T>, double, T>;

// c[i, j] = sum over k of a[i * a_row + k * a_col] * b[k * b_row + j * b_col], row by row; emit(j, sum) takes a row.
template <class T, class Emit>
void multiply(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row,
              int64_t b_col, const Emit& emit) {
  using Sum = SumOf<T>;
  std::vector<Sum> sums(static_cast<size_t>(n));
  for (int64_t i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), Sum{});
    for (int64_t l = 0; l < k; ++l) {
      const Sum left = a[i * a_row + l * a_col];
      const T* right = b + l * b_row;
      for (int64_t j = 0; j < n; ++j) sums[static_cast<size_t>(j)] += left * Sum{right[j * b_col]};
    }
    for (int64_t j = 0; j < n; ++j) emit(i, j, sums[static_cast<size_t>(j)]);
  }
}

// The operands of a MatMul with 1-d ones made 2-d, and its output.
struct MatMulShape {
  Shape a, b, lead, y;  // lead: broadcast leading axes
};

inline Result<MatMulShape> matmul_shape(const Shape& a, const Shape& b) {
  if (a.empty() || b.empty()) return invalid_model("operands ", to_string(a), " and ", to_string(b), " need rank 1");
  MatMulShape s{a, b, {}, {}};
  if (a.size() == 1) s.a.insert(s.a.begin(), 1);
  if (b.size() == 1) s.b.push_back(1);
  size_t ra = s.a.size(), rb = s.b.size();
  if (s.a[ra - 1] != s.b[rb - 2])
    return invalid_model("the left operand ", to_string(a), " has ", s.a[ra - 1], " columns, the right one ",
                         to_string(b), " has ", s.b[rb - 2], " rows");
  for (size_t i = 0, rank = std::max(ra, rb); i + 2 < rank; ++i) {
    int64_t da = i + ra < rank ? 1 : s.a[i + ra - rank], db = i + rb < rank ? 1 : s.b[i + rb - rank];
    if (da != db && da != 1 && db != 1)
      return invalid_model("operands ", to_string(a), " and ", to_string(b), " do not broadcast");
    s.lead.push_back(da == 1 ? db : da);
  }
  s.y = s.lead;
  if (a.size() > 1) s.y.push_back(s.a[ra - 2]);
  if (b.size() > 1) s.y.push_back(s.b[rb - 1]);
  return s;
}

// Offset, in matrices, of the operand's matrix for entry `index` of the broadcast leading axes.
inline int64_t matrix_index(const Shape& operand, const Shape& lead, int64_t index) {
  int64_t offset = 0, step = 1;
  for (size_t i = 0; i < lead.size(); ++i) {
    int64_t extent = lead[lead.size() - 1 - i], at = index % extent;
    index /= extent;
    if (operand.size() < i + 3) continue;
    int64_t own = operand[operand.size() - 3 - i];
    if (own != 1) offset += at * step;
    step *= own;
  }
  return offset;
}

// y = a * b for every entry of the broadcast leading axes; emit(element of y, sum).
template <class T, class Emit>
void multiply_matrices(const MatMulShape& s, const T* a, const T* b, const Emit& emit) {
  int64_t m = s.a[s.a.size() - 2], k = s.a.back(), n = s.b.back(), matrices = elements(s.lead);
  for (int64_t i = 0; i < matrices; ++i)
    multiply(m, n, k, a + matrix_index(s.a, s.lead, i) * m * k, k, 1, b + matrix_index(s.b, s.lead, i) * k * n, n, 1,
             [&](int64_t row, int64_t col, SumOf<T> sum) { emit((i * m + row) * n + col, sum); });
}

}  // namespace quadlane
