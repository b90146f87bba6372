// ql.MatMul and MatMulInteger on the integer matrix product.
#include "engine/compile/gemm.h"

namespace quadlane::compile {
namespace {

template <class T>
std::vector<T> list_of(const Tensor& t) {
  return {t.as<T>(), t.as<T>() + t.count()};
}

std::vector<int32_t> zeros_of(const Tensor& t) {
  std::vector<int32_t> zeros;
  for (int64_t i = 0; i < t.count(); ++i) zeros.push_back(static_cast<int32_t>(element_as_int(t.view(), i)));
  return zeros;
}

}  // namespace

Result<Verdict> lower_ql_matmul(Lowering& l, const Node& node) {
  IntegerGemm gemm;
  gemm.a = node.input(0), gemm.b = node.input(1);
  gemm.a_zero = static_cast<int32_t>(node.attrs.int_or("a_zero", 0));
  for (int64_t zero : node.attrs.ints_or("b_zero", {0})) gemm.b_zero.push_back(static_cast<int32_t>(zero));
  const Tensor *mult = l.graph.constant(node.input(2)), *bias = l.graph.constant(node.input(3)),
               *shift = l.graph.constant(node.input(4));
  if (!mult || (node.input(3) != kNoValue && !bias) || (node.input(4) != kNoValue && !shift))
    return declined("bias or scales are not constants");
  gemm.mult = list_of<float>(*mult);
  if (bias) gemm.bias = list_of<int32_t>(*bias);
  if (shift) gemm.add = list_of<float>(*shift);
  gemm.out_zero = static_cast<int32_t>(node.attrs.int_or("out_zero", 0));
  gemm.lo = static_cast<int32_t>(node.attrs.int_or("out_lo", 0));
  gemm.hi = static_cast<int32_t>(node.attrs.int_or("out_hi", 255));
  return lower_integer_gemm(l, node, gemm);
}

Result<Verdict> lower_matmul_integer(Lowering& l, const Node& node) {
  IntegerGemm gemm;
  gemm.a = node.input(0), gemm.b = node.input(1);
  if (const ValueId zero = node.input(2); zero != kNoValue) {
    if (elements(l.shape(zero)) != 1) return declined("a zero point for each row");
    if (const Tensor* t = l.graph.constant(zero))
      gemm.a_zero = zeros_of(*t)[0];
    else
      gemm.a_zero_value = zero;
  }
  if (const ValueId zero = node.input(3); zero != kNoValue) {
    const Tensor* t = l.graph.constant(zero);
    if (!t) return declined("the zero points of the right operand are no constants");
    gemm.b_zero = zeros_of(*t);
  }
  return lower_integer_gemm(l, node, gemm);
}

}  // namespace quadlane::compile
