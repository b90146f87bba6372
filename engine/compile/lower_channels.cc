// Operators along the channels of planes: Softmax, LogSoftmax, LRN, reductions, LpNormalization, ArgMax. A reduction
// that drops the axis is one that keeps it and is unpacked: nothing reads three dimensions as planes.
#include <algorithm>

#include "engine/compile/elementwise.h"
#include "engine/run/channels_step.h"
#include "jit/kernels/channels.h"
#include "jit/kernels/response.h"

namespace quadlane::compile {
namespace {

int64_t positive(int64_t axis) { return axis < 0 ? axis + 4 : axis; }

// The planes in the order of their channels; f32.
PlanarValue in_order(PlanarValue value) {
  std::sort(value.planes.begin(), value.planes.end(),
            [](const PlaneRef& a, const PlaneRef& b) { return a.channels[0] < b.channels[0]; });
  return value;
}

bool channels_ascend(const PlanarValue& value) {
  int32_t last = -1;
  for (const PlaneRef& p : value.planes)
    for (int lane = 0; lane < value.lanes(); ++lane) {
      const int32_t c = p.channels[static_cast<size_t>(lane)];
      if (c < 0) continue;
      if (c < last) return false;
      last = c;
    }
  return true;
}

template <class Spec>
void emit_channels(Lowering& l, run::StepInfo info, Spec spec, PlanarValue x, PlanarValue out, float factor) {
  l.layouts.same_pitch(x.layout, out.layout);
  l.emit([=, &l](Emitter& e) -> Status {
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    std::vector<int32_t> channels;
    for (const PlaneRef& p : x.planes)
      channels.insert(channels.end(), p.channels.begin(), p.channels.begin() + x.lanes());
    const size_t lanes = e.lanes(e.geometry(out)), channels_at = e.constant(channels);
    run::StepInfo step = info;
    step.kernel = describe(spec);
    step.bytes_read = e.pixel_bytes(x);
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), buffers_of({&x, &out}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::ChannelsStep>();
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->kernel = a.kernel(kernel);
      s->lanes = lanes;
      s->channels = channels_at;
      s->factor = factor;
      return s;
    });
    return {};
  });
}

// One plane from all.
PlanarValue reduced(Lowering& l, const Node& node, ChannelsOp op, const PlanarValue& x, float factor) {
  PlanarValue out = l.layouts.fresh(DType::f32, l.layouts.add_like(x.layout), 1);
  emit_channels(l, make_info(node), ChannelsSpec{l.isa, op, x.dtype == DType::f32}, x, out, factor);
  return out;
}

struct Reduction {
  ChannelsOp op;
  bool mean = false;
};
std::optional<Reduction> reduction_of(const std::string& op) {
  if (op == "ReduceSum") return Reduction{ChannelsOp::sum};
  if (op == "ReduceMean") return Reduction{ChannelsOp::sum, true};
  if (op == "ReduceMax") return Reduction{ChannelsOp::max};
  if (op == "ReduceMin") return Reduction{ChannelsOp::min};
  if (op == "ReduceL1") return Reduction{ChannelsOp::sum_abs};
  if (op == "ReduceL2") return Reduction{ChannelsOp::norm};
  if (op == "ReduceSumSquare") return Reduction{ChannelsOp::sum_squares};
  return std::nullopt;
}

const PlanarValue* f32_planes(Lowering& l, const Node& node) {
  const PlanarValue* x = l.find_planar(node.input(0));
  return x && x->dtype == DType::f32 ? x : nullptr;
}

}  // namespace

Result<Verdict> lower_channel_softmax(Lowering& l, const Node& node) {
  const PlanarValue* found = f32_planes(l, node);
  if (!found) return declined("the input has no f32 planes");
  if (positive(node.attrs.int_or("axis", -1)) != 1) return declined("another axis than the channels");
  const PlanarValue x = *found;
  PlanarValue out = l.layouts.fresh_like(x, l.layouts.add_like(x.layout));
  l.define(node.output(), out);
  const ChannelsOp op = node.op == "Softmax" ? ChannelsOp::softmax : ChannelsOp::log_softmax;
  emit_channels(l, make_info(node), ChannelsSpec{l.isa, op}, x, out, 1);
  return Verdict{};
}

Result<Verdict> lower_channel_reduce(Lowering& l, const Node& node) {
  const PlanarValue* found = f32_planes(l, node);
  if (!found) return declined("the input has no f32 planes");
  const Tensor* axes = l.graph.constant(node.input(1));
  if (!axes || axes->count() != 1 || positive(element_as_int(axes->view(), 0)) != 1)
    return declined("other axes than the channels");
  const PlanarValue x = *found;
  const Reduction r = *reduction_of(node.op);
  const float factor = r.mean ? 1.0f / static_cast<float>(l.shape(node.input(0))[1]) : 1.0f;
  PlanarValue out = reduced(l, node, r.op, x, factor);
  if (node.attrs.int_or("keepdims", 1))
    l.define(node.output(), out);
  else
    l.emit(emit_unpack(l, node.name, out, l.define_dense(node.output())));
  return Verdict{};
}

// x / norm of its pixel's channels, 0 where that is 0.
Result<Verdict> lower_channel_normalization(Lowering& l, const Node& node) {
  const PlanarValue* found = f32_planes(l, node);
  if (!found) return declined("the input has no f32 planes");
  const int64_t p = node.attrs.int_or("p", 2);
  if (positive(node.attrs.int_or("axis", -1)) != 1 || (p != 1 && p != 2))
    return declined("another axis than the channels, or another norm than 1 and 2");
  const PlanarValue x = *found;
  PlanarValue norm = reduced(l, node, p == 1 ? ChannelsOp::sum_abs : ChannelsOp::norm, x, 1);
  PlanarValue bounded = l.layouts.fresh(DType::f32, norm.layout, 1),
              out = l.layouts.fresh_like(x, l.layouts.add_like(x.layout));
  Elementwise above_zero;
  above_zero.op = ElementwiseOp::unary_f32;
  above_zero.act = Activation::clip;
  above_zero.scalars.v_lo = std::numeric_limits<float>::min();
  above_zero.scalars.v_hi = std::numeric_limits<float>::infinity();
  l.emit(emit_elementwise(l, make_info(node), above_zero, true, norm, std::nullopt, bounded));
  PlanarValue repeated{DType::f32, bounded.layout, std::vector<PlaneRef>(x.planes.size(), bounded.planes[0])};
  Elementwise divide;
  divide.op = ElementwiseOp::div_f32;
  l.layouts.same_geometry(x.layout, out.layout);
  l.layouts.same_geometry(x.layout, bounded.layout);
  l.define(node.output(), out);
  l.emit(emit_elementwise(l, make_info(node), divide, true, x, SecondOperand{repeated}, out));
  return Verdict{};
}

Result<Verdict> lower_response(Lowering& l, const Node& node) {
  const PlanarValue* found = f32_planes(l, node);
  if (!found) return declined("the input has no f32 planes");
  const PlanarValue x = in_order(*found);
  const int64_t channels = l.shape(node.input(0))[1], size = node.attrs.int_or("size", 1), below = (size - 1) / 2;
  ResponseSpec spec{l.isa, static_cast<int>(std::min(below, channels)),
                    static_cast<int>(std::min(size - 1 - below, channels))};
  spec.scale = node.attrs.float_or("alpha", 0.0001f) / static_cast<float>(size);
  spec.beta = node.attrs.float_or("beta", 0.75f);
  spec.bias = node.attrs.float_or("bias", 1);
  PlanarValue out = l.layouts.fresh_like(x, l.layouts.add_like(x.layout));
  l.define(node.output(), out);
  emit_channels(l, make_info(node), spec, x, out, 1);
  return Verdict{};
}

Result<Verdict> lower_channel_argmax(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found) return declined("the input has no planes");
  if (positive(node.attrs.int_or("axis", 0)) != 1) return declined("another axis than the channels");
  const bool f32 = found->dtype == DType::f32;
  const PlanarValue x = f32 ? in_order(*found) : *found;
  if (!channels_ascend(x)) return declined("the channels are not in order");
  if (!f32 && x.planes.size() > kMostIndexPlanes)
    return declined(cat(x.planes.size(), " planes, a kernel numbers ", kMostIndexPlanes));
  PlanarValue at = l.layouts.fresh(DType::f32, l.layouts.add_like(x.layout), 1);  // s32 in the places of f32
  ChannelsSpec spec{l.isa, node.op == "ArgMax" ? ChannelsOp::argmax : ChannelsOp::argmin, f32,
                    node.attrs.int_or("select_last_index", 0) != 0};
  run::StepInfo info = make_info(node);
  emit_channels(l, info, spec, x, at, 1);
  DenseRef out = l.define_dense(node.output());
  l.emit([=, &l](Emitter& e) -> Status {
    run::StepInfo step = info;
    step.op = "unpack indices";
    step.note = "planes become a dense tensor";
    step.bytes_read = e.pixel_bytes(at);
    step.bytes_written = static_cast<int64_t>(out.type.bytes());
    std::vector<BufferId> touched = buffers_of({&at});
    if (out.place == Place::arena) touched.push_back(BufferId(out.index));
    e.step(std::move(step), std::move(touched), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::UnpackIndicesStep>();
      s->src = l.layouts.geometry(at.layout);
      s->src_plane = a.planes(at)[0];
      s->dst = a.dense(out);
      return s;
    });
    return {};
  });
  return Verdict{};
}

}  // namespace quadlane::compile
