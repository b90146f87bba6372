// ql.Quantize, ql.Dequantize and ql.DequantizedMean: f32 rows of the caller's tensors or of f32 planes <-> u8 quad
// planes.
#include <algorithm>
#include <variant>

#include "engine/compile/lowering.h"
#include "engine/run/row_steps.h"
#include "jit/kernels/quantize.h"
#include "ops/rounding.h"

namespace quadlane::compile {
namespace {

// The f32 side of the conversion: dense, or planes.
struct FloatSide {
  DenseRef dense;
  std::optional<PlanarValue> planar;
};

// Where each of the quads' bytes finds its f32 row, for `quads` planes in order.
run::FloatRows float_rows(const FloatSide& side, const PlanarValue& quads, const Addresses& a, const Layouts& layouts) {
  run::FloatRows rows;
  rows.channels.assign(quads.planes.size() * 4, 0);
  std::vector<int64_t> channel_offset;
  if (side.planar) {
    const Geometry& g = layouts.geometry(side.planar->layout);
    rows.dense = false;
    rows.image_bytes = g.image_bytes();
    rows.row_bytes = int64_t{g.pitch} * kPixelBytes;
    channel_offset.resize(side.planar->planes.size());
    for (const PlaneRef& p : side.planar->planes) channel_offset[static_cast<size_t>(p.channels[0])] = a.plane(p);
  } else {
    const Shape& s = side.dense.type.shape;
    rows.address = a.dense(side.dense);
    rows.row_bytes = s[3] * 4;
    rows.image_bytes = s[1] * s[2] * rows.row_bytes;
    for (int64_t c = 0; c < s[1]; ++c) channel_offset.push_back(c * s[2] * rows.row_bytes);
  }
  for (size_t p = 0; p < quads.planes.size(); ++p)
    for (size_t lane = 0; lane < 4; ++lane)
      if (int32_t c = quads.planes[p].channels[lane]; c >= 0)
        rows.channels[4 * p + lane] = channel_offset[static_cast<size_t>(c)];
  return rows;
}

int channel_bits(const PlaneRef& p) {
  int bits = 0;
  for (int lane = 0; lane < 4; ++lane) bits |= (p.channels[static_cast<size_t>(lane)] >= 0) << lane;
  return bits;
}

struct Run {
  KernelId kernel;
  int64_t first, count;
};

// Neighbouring planes with the same bytes in use share a kernel call.
template <class Spec>
Result<std::vector<Run>> kernel_runs(Emitter& e, const PlanarValue& quads, Spec spec) {
  std::vector<Run> runs;
  for (size_t p = 0; p < quads.planes.size(); ++p) {
    const int bits = channel_bits(quads.planes[p]);
    if (!runs.empty() && bits == spec.channels) {
      ++runs.back().count;
      continue;
    }
    spec.channels = bits;
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    runs.push_back({kernel, static_cast<int64_t>(p), 1});
  }
  return runs;
}

std::vector<run::PlaneGroup> groups_of(const std::vector<Run>& runs, const Addresses& a) {
  std::vector<run::PlaneGroup> groups;
  for (const Run& r : runs) groups.push_back({a.kernel(r.kernel), r.first, r.count});
  return groups;
}

// Per-channel (or per-tensor) parameters in the order of the quads' bytes.
template <class T>
std::vector<T> by_lane(const Tensor& values, const PlanarValue& quads) {
  std::vector<T> lanes(quads.planes.size() * 4, T{0});
  for (size_t p = 0; p < quads.planes.size(); ++p)
    for (size_t lane = 0; lane < 4; ++lane)
      if (int32_t c = quads.planes[p].channels[lane]; c >= 0)
        lanes[4 * p + lane] = static_cast<T>(element_as_double(values.view(), values.count() == 1 ? 0 : c));
  return lanes;
}

std::vector<BufferId> touched(const FloatSide& side, const PlanarValue& quads) {
  std::vector<BufferId> ids = side.planar ? buffers_of({&quads, &*side.planar}) : buffers_of({&quads});
  if (!side.planar && side.dense.place == Place::arena) ids.push_back(BufferId(side.dense.index));
  return ids;
}

}  // namespace

Result<Verdict> lower_quantize(Lowering& l, const Node& node) {
  const TensorType& type = l.graph.at(node.output()).type;
  const Tensor *inv_scale = l.graph.constant(node.input(1)), *zero = l.graph.constant(node.input(2));
  if (!can_be_planar(type)) return declined("only 4-dimensional values have planes");
  if (!inv_scale || !zero) return declined("scale or zero point is no constant");
  FloatSide src;
  if (const PlanarValue* planes = l.find_planar(node.input(0))) {
    src.planar = *planes;
  } else {
    QL_TRY(src.dense, l.dense(node.input(0)));
  }
  PlanarValue out =
      l.layouts.fresh(DType::u8, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]), type.shape[1]);
  l.define(node.output(), out);
  run::StepInfo info = make_info(node);
  info.bytes_read = type.count() * 4;
  info.note = "fp32 enters the int8 part";
  l.emit([=, &l](Emitter& e) -> Status {
    const Geometry& g = e.geometry(out);
    QL_TRY(auto runs, kernel_runs(e, out, QuantizeSpec{l.isa, {g.w, g.gap}, -1}));
    size_t inv_scale_at = e.constant(by_lane<float>(*inv_scale, out)),
           zero_at = e.constant(by_lane<int32_t>(*zero, out));
    run::StepInfo step = info;
    step.kernel = describe(QuantizeSpec{l.isa, {g.w, g.gap}, channel_bits(out.planes[0])});
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), touched(src, out), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::QuantizeStep>();
      s->src = float_rows(src, out, a, l.layouts);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->groups = groups_of(runs, a);
      s->inv_scale = {Place::constant, inv_scale_at};
      s->zero = {Place::constant, zero_at};
      return s;
    });
    return {};
  });
  return Verdict{};
}

namespace {

// What the three steps of a DynamicQuantizeLinear hand to each other, all dense.
struct DynamicScratch {
  DenseRef ranges;               // f32 [image][plane][2]
  DenseRef scales, zeros, pads;  // for the quantization: f32, s32 [4 * planes], u32 [pad_words]
  DenseRef scale, zero;          // the operator's results
  size_t range_count, planes, pad_words;
};

DynamicScratch dynamic_scratch(Lowering& l, const Node& node, size_t range_count, size_t planes) {
  auto room = [&](DType dtype, size_t count) {
    TensorType t{dtype, {static_cast<int64_t>(count)}};
    return DenseRef{Place::arena, t, static_cast<size_t>(l.layouts.add_dense(t.bytes()))};
  };
  const size_t pad_words = planes * RunTimePadding::kWordsPerPlane;
  return {room(DType::f32, 2 * range_count),
          room(DType::f32, 4 * planes),
          room(DType::s32, 4 * planes),
          room(DType::s32, pad_words),
          l.define_dense(node.outputs[1]),
          l.define_dense(node.outputs[2]),
          range_count,
          planes,
          pad_words};
}

std::vector<BufferId> with_dense(std::vector<BufferId> ids, const std::vector<DenseRef>& refs) {
  for (const DenseRef& ref : refs)
    if (ref.place == Place::arena) ids.push_back(BufferId(ref.index));
  return ids;
}

Status emit_range(Lowering& l, Emitter& e, const std::string& name, const PlanarValue& x, const DynamicScratch& d) {
  RangeSpec spec{l.isa, e.geometry(x).w};
  run::StepInfo info;
  info.name = name + ".range";
  info.op = "range";
  info.note = kWhyRange;
  info.kernel = describe(spec);
  info.bytes_read = e.pixel_bytes(x);
  QL_TRY(KernelId kernel, e.kernel(info.kernel, [&] { return generate(spec); }));
  e.step(std::move(info), with_dense(buffers_of({&x}), {d.ranges}), [=, &l](const Addresses& a) {
    auto s = std::make_unique<run::RangeStep>();
    s->src = l.layouts.geometry(x.layout);
    s->src_planes = a.planes(x);
    s->kernel = a.kernel(kernel);
    s->ranges = a.dense(d.ranges);
    return s;
  });
  return {};
}

void emit_scale(Emitter& e, const std::string& name, const DynamicScratch& d) {
  run::StepInfo info;
  info.name = name + ".scale";
  info.op = "dynamic scale";
  info.kernel = "scalar";
  info.note = kWhyScale;
  auto touched = with_dense({}, {d.ranges, d.scales, d.zeros, d.pads, d.scale, d.zero});
  e.step(std::move(info), std::move(touched), [=](const Addresses& a) {
    auto s = std::make_unique<run::DynamicScaleStep>();
    s->ranges = a.dense(d.ranges);
    s->range_count = static_cast<int64_t>(d.range_count);
    s->scale = a.dense(d.scale);
    s->zero = a.dense(d.zero);
    s->scales = a.dense(d.scales);
    s->zeros = a.dense(d.zeros);
    s->pads = a.dense(d.pads);
    s->planes = static_cast<int64_t>(d.planes);
    s->pad_words = static_cast<int64_t>(d.pad_words);
    return s;
  });
}

Status emit_dynamic_quantize(Lowering& l, Emitter& e, const std::string& name, const PlanarValue& x,
                             const PlanarValue& out, const DynamicScratch& d) {
  const Geometry& g = e.geometry(out);
  QuantizeSpec spec{l.isa, {g.w, g.gap}, -1, true};
  QL_TRY(auto runs, kernel_runs(e, out, spec));
  spec.channels = channel_bits(out.planes[0]);
  run::StepInfo info;
  info.name = name;
  info.op = "DynamicQuantizeLinear";
  info.note = "fp32 enters the int8 part";
  info.kernel = describe(spec);
  info.bytes_read = e.pixel_bytes(x);
  info.bytes_written = e.pixel_bytes(out);
  auto touched = with_dense(buffers_of({&x, &out}), {d.scales, d.zeros, d.pads});
  e.step(std::move(info), std::move(touched), [=, &l](const Addresses& a) {
    auto s = std::make_unique<run::QuantizeStep>();
    s->src = float_rows({{}, x}, out, a, l.layouts);
    s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
    s->groups = groups_of(runs, a);
    s->inv_scale = a.dense(d.scales);
    s->zero = a.dense(d.zeros);
    s->run_time_pads = a.dense(d.pads);
    return s;
  });
  return {};
}

}  // namespace

// Three steps: the range of every plane, the scale they make together, the quantization with it. The zero point is the
// result's padding, so it is filled in at run time, too.
Result<Verdict> lower_dynamic_quantize(Lowering& l, const Node& node) {
  const TensorType& type = l.graph.at(node.output()).type;
  if (!can_be_planar(type)) return declined("only 4-dimensional values have planes");
  if (node.outputs.size() != 3) return declined("scale or zero point is not asked for");
  QL_TRY(auto found, l.planar(node.input(0)));
  PlanarValue x = *found;
  PlanarValue out =
      l.layouts.fresh(DType::u8, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]), type.shape[1]);
  const size_t range_count = static_cast<size_t>(type.shape[0]) * x.planes.size();
  const DynamicScratch d = dynamic_scratch(l, node, range_count, out.planes.size());
  l.layouts.pad_at_run_time(out.planes[0].buffer, {static_cast<uint32_t>(node.outputs[2]), BufferId(d.pads.index)});
  l.define(node.output(), out);
  l.emit([=, &l, name = node.name](Emitter& e) -> Status {
    QL_CHECK_OK(emit_range(l, e, name, x, d));
    emit_scale(e, name, d);
    return emit_dynamic_quantize(l, e, name, x, out, d);
  });
  return Verdict{};
}

namespace {

// What ql.Dequantize and ql.DequantizedMean read and write.
struct Dequantizing {
  PlanarValue x;
  FloatSide dst;
  Tensor scale, zero;
};

// The reason where the node cannot be lowered.
Result<std::variant<Dequantizing, Verdict>> dequantizing(Lowering& l, const Node& node) {
  using Found = std::variant<Dequantizing, Verdict>;
  const TensorType& type = l.graph.at(node.output()).type;
  const Tensor *scale = l.graph.constant(node.input(1)), *zero = l.graph.constant(node.input(2));
  if (!can_be_planar(type)) return Found(declined("only 4-dimensional values have planes"));
  if (!scale || !zero) return Found(declined("scale or zero point is no constant"));
  QL_TRY(auto found, l.planar(node.input(0)));
  if (!found) return Found(declined("the input has no planes"));
  Dequantizing d{*found, {}, *scale, *zero};
  if (l.graph.is_output(node.output()) && l.graph.at(node.output()).uses.empty()) {
    d.dst.dense = l.define_dense(node.output());
  } else {
    d.dst.planar =
        l.layouts.fresh(DType::f32, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]), type.shape[1]);
    l.define(node.output(), *d.dst.planar);
  }
  return Found(std::move(d));
}

template <class Step>
std::unique_ptr<Step> make_step(const Dequantizing& d, const std::vector<Run>& runs, size_t scale, size_t zero,
                                const Addresses& a, const Layouts& layouts) {
  auto s = std::make_unique<Step>();
  s->src = layouts.geometry(d.x.layout);
  s->src_planes = a.planes(d.x);
  s->dst = float_rows(d.dst, d.x, a, layouts);
  s->dst_pads.assign(d.x.planes.size() * 4, 0);
  if (d.dst.planar) {
    s->dst_planes = {layouts.geometry(d.dst.planar->layout), a.planes(*d.dst.planar), a.pads(*d.dst.planar)};
    for (size_t p = 0; p < d.x.planes.size(); ++p)
      for (size_t lane = 0; lane < 4; ++lane)
        if (int32_t c = d.x.planes[p].channels[lane]; c >= 0)
          s->dst_pads[4 * p + lane] = s->dst_planes.pads[static_cast<size_t>(c)];
  }
  s->groups = groups_of(runs, a);
  s->scale = scale;
  s->zero = zero;
  return s;
}

// `pixels`: how many a result is the mean of. `spec_of(pixels of a row, gap behind its results)`: the kernel's, but for
// the channels.
template <class Step, class SpecOf>
Result<Verdict> lower_dequantizing(Lowering& l, const Node& node, int64_t pixels, const SpecOf& spec_of) {
  QL_TRY(auto found, dequantizing(l, node));
  if (Verdict* why = std::get_if<Verdict>(&found)) return *why;
  run::StepInfo info = make_info(node);
  info.bytes_written = l.graph.at(node.output()).type.count() * 4;
  info.note = "int8 leaves for fp32";
  l.emit([=, &l, d = std::get<Dequantizing>(std::move(found))](Emitter& e) -> Status {
    auto spec = spec_of(e.geometry(d.x).w, d.dst.planar ? e.geometry(*d.dst.planar).gap : 0);
    QL_TRY(auto runs, kernel_runs(e, d.x, spec));
    std::vector<float> factors = by_lane<float>(d.scale, d.x);
    for (float& f : factors) f = mean_factor(f, pixels);
    std::vector<int32_t> zeros = by_lane<int32_t>(d.zero, d.x);
    for (int32_t& z : zeros) z *= static_cast<int32_t>(pixels);
    const size_t scale = e.constant(factors), zero = e.constant(zeros);
    run::StepInfo step = info;
    spec.channels = channel_bits(d.x.planes[0]);
    step.kernel = describe(spec);
    step.bytes_read = e.pixel_bytes(d.x);
    e.step(std::move(step), touched(d.dst, d.x),
           [=, &l](const Addresses& a) { return make_step<Step>(d, runs, scale, zero, a, l.layouts); });
    return {};
  });
  return Verdict{};
}

}  // namespace

Result<Verdict> lower_dequantize(Lowering& l, const Node& node) {
  return lower_dequantizing<run::DequantizeStep>(l, node, 1, [isa = l.isa](int w, int gap) {
    return DequantizeSpec{isa, {w, gap}, -1};
  });
}

Result<Verdict> lower_dequantized_mean(Lowering& l, const Node& node) {
  const int64_t pixels = l.shape(node.input(0))[2] * l.shape(node.input(0))[3];
  return lower_dequantizing<run::DequantizedMeanStep>(l, node, pixels, [isa = l.isa](int w, int gap) {
    return DequantizedMeanSpec{isa, w, gap, -1};
  });
}

}  // namespace quadlane::compile
