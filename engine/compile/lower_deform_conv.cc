// DeformConv of dense images: what its taps read, packed, times the weights.
#include "engine/compile/gemm_product.h"
#include "engine/run/dense/deform_columns.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {
namespace {

// Weights times columns, for each image and group of channels.
Product product_of(const ConvAttrs& a, const Shape& x, const Shape& w) {
  Product p;
  p.m = w[0] / a.group, p.k = w[1] * w[2] * w[3], p.n = a.out[0] * a.out[1];
  p.a_matrices = a.group, p.b_matrices = x[0] * a.group;
  for (int64_t i = 0; i < p.b_matrices; ++i) p.a_matrix.push_back(i % a.group), p.b_matrix.push_back(i);
  return p;
}

Result<std::shared_ptr<Packed>> emit_columns(Lowering& l, const Node& node, const ConvAttrs& a, const Product& p,
                                             const GemmLayout& layout) {
  const Shape& in = l.shape(node.input(0));
  run::DeformColumnsStep made;
  made.isa = l.loops(), made.layout = layout;
  made.groups = node.attrs.int_or("offset_group", 1);
  made.images = in[0], made.channels = in[1] / made.groups;
  for (size_t i = 0; i < 2; ++i)
    made.axes[i] = {in[i + 2], a.out[i], a.kernel[i], a.strides[i], a.pad_begin(i), a.dilations[i]};
  made.has_mask = node.input(4) != kNoValue;
  std::vector<DenseRef> reads;
  for (size_t i : {0, 2, 4}) {
    if (node.input(i) == kNoValue) continue;
    QL_TRY(DenseRef ref, l.dense(node.input(i)));
    reads.push_back(std::move(ref));
  }
  auto packed = std::make_shared<Packed>();
  packed->ref = scratch(l, static_cast<size_t>(layout.b_bytes() * p.b_matrices));
  run::StepInfo info = make_info(node);
  info.op = "deformed columns";
  info.kernel = cat("taps ", a.kernel[0], "x", a.kernel[1], " between pixels");
  emit_dense(l, std::move(info), reads, {packed->ref}, [=](const Addresses& addresses) {
    auto step = std::make_unique<run::DeformColumnsStep>(made);
    step->from = addresses.dense(reads[0]), step->offset = addresses.dense(reads[1]);
    if (made.has_mask) step->mask = addresses.dense(reads[2]);
    step->to = addresses.dense(packed->ref);
    return step;
  });
  return packed;
}

}  // namespace

Result<Verdict> lower_deform_conv(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &w = l.shape(node.input(1));
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  if (in[2] * in[3] > int64_t{1} << 30) return declined("an image of more than 2^30 pixels");
  QL_TRY(ConvAttrs a, conv_attrs(node, in, w));
  const Product p = product_of(a, in, w);
  const GemmLayout layout{l.isa, false, p.k, p.n};
  if (auto why = refuse(p, layout)) return declined(*why);
  F32Operands operands;
  QL_TRY(operands.a, l.dense(node.input(1)));
  if (node.input(3) != kNoValue) {
    // The product's rows are outputs of a group: a bias for each matrix needs more than one product.
    if (a.group > 1) return declined("a bias and groups of channels");
    QL_TRY(operands.c, l.dense(node.input(3)));
    operands.c_row = 1;
  }
  QL_TRY(operands.b, emit_columns(l, node, a, p, layout));
  operands.y = l.define_dense(node.output());
  emit_f32_product(l, node, p, layout, operands);
  return Verdict{};
}

}  // namespace quadlane::compile
