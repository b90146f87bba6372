// Max and average pools on planes, and the average of a whole map.
#include <cmath>

#include "engine/compile/lowering.h"
#include "engine/run/row_steps.h"
#include "jit/kernels/pool.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {
namespace {

struct U8Range {
  float v_lo = 0, v_hi = 0;
  int32_t out_zero = 0;
};

U8Range u8_range(const Attrs& attrs) {
  U8Range r;
  r.out_zero = static_cast<int32_t>(attrs.int_or("out_zero", 0));
  r.v_lo = static_cast<float>(attrs.int_or("out_lo", 0) - r.out_zero);
  r.v_hi = static_cast<float>(attrs.int_or("out_hi", 255) - r.out_zero);
  return r;
}

}  // namespace

Result<Verdict> lower_pool(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out_shape = l.shape(node.output());
  if (node.outputs.size() > 1) return declined("a second output (indices) is asked for");
  if (!can_be_planar(l.graph.at(node.input(0)).type))
    return declined("only 4-dimensional u8 and f32 values have planes");
  const bool integer_average = node.op == "ql.AveragePool";
  if (node.op == "AveragePool" && l.dtype(node.input(0)) != DType::f32)
    return declined("an average of integers without a rounding rule");
  QL_TRY(PoolAttrs attrs, pool_attrs(node, in));
  PoolSpec spec;
  spec.isa = l.isa;
  spec.op = node.op == "MaxPool" ? PoolOp::max : PoolOp::average;
  spec.f32 = l.dtype(node.input(0)) == DType::f32;
  spec.kh = static_cast<int>(attrs.kernel[0]), spec.kw = static_cast<int>(attrs.kernel[1]);
  spec.stride_h = static_cast<int>(attrs.strides[0]), spec.stride_w = static_cast<int>(attrs.strides[1]);
  spec.dilation_h = static_cast<int>(attrs.dilations[0]), spec.dilation_w = static_cast<int>(attrs.dilations[1]);
  spec.pad_top = static_cast<int>(attrs.pad_begin(0)), spec.pad_left = static_cast<int>(attrs.pad_begin(1));
  spec.src_h = static_cast<int>(in[2]), spec.src_w = static_cast<int>(in[3]),
  spec.dst_h = static_cast<int>(out_shape[2]);
  spec.dst.w = static_cast<int>(out_shape[3]);
  if (spec.op == PoolOp::max && has_empty_window(spec)) return declined("a window without a pixel");
  QL_TRY(auto found, l.planar(node.input(0)));
  if (!found) return declined("the input has no planes");
  PlanarValue x = *found, out = l.layouts.fresh_like(x, l.layouts.add(out_shape[0], out_shape[2], out_shape[3]));
  l.define(node.output(), out);
  const int pad_bottom = static_cast<int>(attrs.pad_end(0)), pad_right = static_cast<int>(attrs.pad_end(1));
  const float mult = node.attrs.float_or("mult", 1.0f);
  const int in_zero = static_cast<int>(node.attrs.int_or("in_zero", 0));
  const bool count_pad = attrs.count_include_pad;
  U8Range range = integer_average ? u8_range(node.attrs) : U8Range{};
  if (integer_average) {
    spec.rounding = rounding_facts(255 * std::fabs(double{mult}), range.v_lo, range.v_hi, range.out_zero);
    spec.no_in_zero = in_zero == 0;
  }
  run::StepInfo info = make_info(node);
  l.emit([=, &l](Emitter& e) -> Status {
    PoolSpec final_spec = spec;
    const Geometry &src = e.geometry(x), &dst = e.geometry(out);
    final_spec.dst = {dst.w, dst.gap};
    QL_TRY(KernelId kernel, e.kernel(describe(final_spec), [&] { return generate(final_spec); }));
    std::vector<PoolRow> rows = pool_rows(final_spec, src.pitch);
    size_t factors = 0;
    if (final_spec.op == PoolOp::average)
      factors = e.constant(pool_factors(final_spec, count_pad, mult, in_zero, rows, pad_bottom, pad_right));
    size_t rows_at = e.constant(rows);
    run::StepInfo step = info;
    step.kernel = describe(final_spec);
    step.bytes_read = e.pixel_bytes(x);
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), buffers_of({&x, &out}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::PoolStep>();
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->kernel = a.kernel(kernel);
      s->tap_row_bytes = int64_t{final_spec.dilation_h} * s->src.pitch * kPixelBytes;
      s->rows = rows_at;
      s->factors = factors;
      s->v_lo = range.v_lo, s->v_hi = range.v_hi, s->out_zero = range.out_zero;
      return s;
    });
    return {};
  });
  return Verdict{};
}

Result<Verdict> lower_global_pool(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out_shape = l.shape(node.output());
  if (!can_be_planar(l.graph.at(node.input(0)).type))
    return declined("only 4-dimensional u8 and f32 values have planes");
  const bool integer = node.op == "ql.GlobalAveragePool";
  if (!integer && l.dtype(node.input(0)) != DType::f32)
    return declined("an average of integers without a rounding rule");
  if (in[2] * in[3] * 255 >= (int64_t{1} << 31))
    return declined(cat("a map of ", in[2], "x", in[3], " overflows a 32-bit sum"));
  QL_TRY(auto found, l.planar(node.input(0)));
  if (!found) return declined("the input has no planes");
  PlanarValue x = *found, out = l.layouts.fresh_like(x, l.layouts.add(out_shape[0], out_shape[2], out_shape[3]));
  l.define(node.output(), out);
  const float count = static_cast<float>(in[2] * in[3]);
  const float m = integer ? node.attrs.float_or("mult", 1.0f) / count : count;
  const int32_t bias = integer ? static_cast<int32_t>(-in[2] * in[3] * node.attrs.int_or("in_zero", 0)) : 0;
  U8Range range = integer ? u8_range(node.attrs) : U8Range{};
  run::StepInfo info = make_info(node);
  l.emit([=, &l](Emitter& e) -> Status {
    GlobalPoolSpec spec{l.isa, x.dtype == DType::f32, e.geometry(x).w, e.geometry(out).gap};
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    run::StepInfo step = info;
    step.kernel = describe(spec);
    step.bytes_read = e.pixel_bytes(x);
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), buffers_of({&x, &out}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::GlobalPoolStep>();
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->kernel = a.kernel(kernel);
      s->m = m, s->bias = bias;
      s->v_lo = range.v_lo, s->v_hi = range.v_hi, s->out_zero = range.out_zero;
      return s;
    });
    return {};
  });
  return Verdict{};
}

}  // namespace quadlane::compile
