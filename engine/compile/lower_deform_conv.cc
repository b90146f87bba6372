// DeformConv of dense images: what its taps read, pixel by pixel, times the weights. Both sides of the product have
// channels last, so that a place between pixels is a weighted sum of vectors.
#include "engine/compile/gemm_product.h"
#include "engine/run/dense/deform_rows.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {
namespace {

// Rows of [taps, channels] times weights, for each image and group.
Product product_of(const ConvAttrs& a, const Shape& x, const Shape& w) {
  Product p;
  p.m = a.out[0] * a.out[1], p.k = w[1] * w[2] * w[3], p.n = w[0] / a.group;
  p.a_matrices = x[0] * a.group, p.b_matrices = a.group;
  p.b = {1, p.k};
  for (int64_t i = 0; i < p.a_matrices; ++i) p.a_matrix.push_back(i), p.b_matrix.push_back(i % a.group);
  return p;
}

// [O, channels, taps] as [O, taps, channels].
Tensor channels_last(const Tensor& weights) {
  const Shape& w = weights.shape();
  const int64_t taps = w[2] * w[3];
  std::vector<float> moved(static_cast<size_t>(weights.count()));
  for (int64_t i = 0; i < weights.count(); ++i) {
    const int64_t o = i / (w[1] * taps), c = i / taps % w[1], t = i % taps;
    moved[static_cast<size_t>((o * taps + t) * w[1] + c)] = weights.as<float>()[i];
  }
  return Tensor::from<float>({w[0], taps, w[1]}, moved);
}

Result<DenseRef> emit_rows(Lowering& l, const Node& node, const ConvAttrs& a, const Product& p) {
  const Shape& in = l.shape(node.input(0));
  run::DeformRowsStep made;
  made.isa = l.loops();
  made.groups = node.attrs.int_or("offset_group", 1), made.products = a.group;
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
  reads[0].type.shape = {in[0], in[1], in[2] * in[3]};
  reads[0] = transposed_copy(l, node, reads[0], "deformed taps read all channels of a pixel");
  const DenseRef rows = scratch(l, static_cast<size_t>(p.a_matrices * p.m * p.k) * 4);
  run::StepInfo info = make_info(node);
  info.op = "deformed taps";
  info.kernel = cat("taps ", a.kernel[0], "x", a.kernel[1], " between pixels");
  emit_dense(l, std::move(info), reads, {rows}, [=](const Addresses& addresses) {
    auto step = std::make_unique<run::DeformRowsStep>(made);
    step->from = addresses.dense(reads[0]), step->offset = addresses.dense(reads[1]);
    if (made.has_mask) step->mask = addresses.dense(reads[2]);
    step->to = addresses.dense(rows);
    return step;
  });
  return rows;
}

}  // namespace

Result<Verdict> lower_deform_conv(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &w = l.shape(node.input(1));
  const Tensor* weights = l.graph.constant(node.input(1));
  if (!weights || weights->dtype() != DType::f32) return declined("the weights are no constant of f32");
  if (in[2] * in[3] > int64_t{1} << 30) return declined("an image of more than 2^30 pixels");
  QL_TRY(ConvAttrs a, conv_attrs(node, in, w));
  const Product p = product_of(a, in, w);
  const GemmLayout layout{l.isa, false, p.k, p.n};
  if (auto why = refuse(p, layout)) return declined(*why);
  F32Operands operands;
  if (node.input(3) != kNoValue) {
    if (a.group > 1) return declined("a bias for each of several products");
    QL_TRY(operands.c, l.dense(node.input(3)));
    operands.c_column = 1;
  }
  QL_TRY(operands.a, emit_rows(l, node, a, p));
  operands.b = packed_constant(l, channels_last(*weights), p, layout, 1);
  operands.y = scratch(l, static_cast<size_t>(p.a_matrices * p.m * p.n) * 4);
  emit_f32_product(l, node, p, layout, operands);
  operands.y.type = {DType::f32, {p.a_matrices, p.m, p.n}};
  emit_transposed(l, node, operands.y, l.define_dense(node.output()), "channels were last");
  return Verdict{};
}

}  // namespace quadlane::compile
