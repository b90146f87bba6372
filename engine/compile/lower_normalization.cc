// Normalizations of f32 planes by their own statistics, with the activation behind them; the maximum of a map.
#include <algorithm>

#include "engine/compile/elementwise.h"
#include "engine/run/normalize_step.h"
#include "jit/kernels/plane_sums.h"

namespace quadlane::compile {
namespace {

struct Normalization {
  int64_t groups = 1;
  double epsilon = 0;
  bool epsilon_outside = false;
  std::vector<float> scale, bias;  // for each channel
};

std::vector<float> floats(const Tensor& t) { return {t.as<float>(), t.as<float>() + t.count()}; }

std::optional<Normalization> normalization_of(Lowering& l, const Node& node) {
  const Shape& shape = l.shape(node.output());
  Normalization n;
  if (node.op == "MeanVarianceNormalization") {
    std::vector<int64_t> axes = node.attrs.ints_or("axes", {0, 2, 3});
    for (int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
    std::sort(axes.begin(), axes.end());
    const std::vector<int64_t> instance = {2, 3}, batch = {0, 2, 3}, layer = {1, 2, 3};
    if (axes != layer && axes != instance && !(axes == batch && shape[0] == 1)) return std::nullopt;
    n.groups = axes == layer ? 1 : shape[1];
    n.epsilon = 1e-9;
    n.epsilon_outside = true;
    n.scale.assign(static_cast<size_t>(shape[1]), 1.0f);
    n.bias.assign(static_cast<size_t>(shape[1]), 0.0f);
    return n;
  }
  const Tensor *scale = l.graph.constant(node.input(1)), *bias = l.graph.constant(node.input(2));
  if (!scale || !bias || scale->count() != shape[1] || bias->count() != shape[1]) return std::nullopt;
  n.groups = node.op == "GroupNormalization" ? node.attrs.int_or("num_groups", 1) : shape[1];
  n.epsilon = node.attrs.float_or("epsilon", 1e-5f);
  n.scale = floats(*scale);
  n.bias = floats(*bias);
  return n;
}

void emit_normalization(Lowering& l, run::StepInfo info, Normalization n, Activation act, ElementwiseScalars scalars,
                        PlanarValue x, PlanarValue out) {
  l.emit([=, &l](Emitter& e) -> Status {
    const Geometry &src = e.geometry(x), &dst = e.geometry(out);
    const PlaneSumsSpec sum{l.isa, PlaneSum::sum, src.w}, squares{l.isa, PlaneSum::squares, src.w};
    const ElementwiseSpec apply{l.isa, ElementwiseOp::affine_f32, act, {}};
    QL_TRY(KernelId sum_kernel, e.kernel(describe(sum), [&] { return generate(sum); }));
    QL_TRY(KernelId squares_kernel, e.kernel(describe(squares), [&] { return generate(squares); }));
    QL_TRY(KernelId apply_kernel, e.kernel(describe(apply), [&] { return generate(apply); }));
    std::vector<AffineChannel> affine;
    for (const PlaneRef& p : x.planes) {
      const size_t c = static_cast<size_t>(p.channels[0]);
      affine.push_back({n.scale[c], n.bias[c]});
    }
    const size_t lanes = e.lanes(dst);
    run::StepInfo step = info;
    step.kernel = cat(describe(sum), ", ", describe(apply));
    step.bytes_read = 3 * e.pixel_bytes(x);
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), buffers_of({&x, &out}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::NormalizeStep>();
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->group_planes = static_cast<int64_t>(x.planes.size()) / n.groups;
      s->affine = affine;
      s->epsilon = n.epsilon;
      s->epsilon_outside = n.epsilon_outside;
      s->sum = a.kernel(sum_kernel), s->squares = a.kernel(squares_kernel), s->apply = a.kernel(apply_kernel);
      s->sum_lanes = vector_lanes(l.isa);
      s->lanes = lanes;
      s->scalars = scalars;
      return s;
    });
    return {};
  });
}

}  // namespace

Result<Verdict> lower_normalization(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found || found->dtype != DType::f32) return declined("the input has no f32 planes");
  std::optional<Normalization> n = normalization_of(l, node);
  if (!n) return declined("axes that are no groups of planes, or parameters that are not constants");
  PlanarValue x = *found;
  std::sort(x.planes.begin(), x.planes.end(),
            [](const PlaneRef& a, const PlaneRef& b) { return a.channels[0] < b.channels[0]; });
  if (static_cast<int64_t>(x.planes.size()) != l.shape(node.output())[1]) return declined("channels without planes");
  PlanarValue out = l.layouts.fresh_like(x, l.layouts.add_like(x.layout));
  l.layouts.same_geometry(x.layout, out.layout);
  run::StepInfo info = make_info(node);
  auto next = following_activation(l, node.output());
  if (next) info.note = cat("with ", to_string(next->act));
  l.define(next ? next->output : node.output(), out);
  emit_normalization(l, std::move(info), *std::move(n), next ? next->act : Activation::none,
                     next ? next->scalars : ElementwiseScalars{}, x, out);
  return Verdict{};
}

Result<Verdict> lower_global_max(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found || found->dtype != DType::f32) return declined("the input has no f32 planes");
  const PlanarValue x = *found, out = l.layouts.fresh_like(x, l.layouts.add(l.shape(node.output())[0], 1, 1));
  l.define(node.output(), out);
  run::StepInfo info = make_info(node);
  l.emit([=, &l](Emitter& e) -> Status {
    const PlaneSumsSpec spec{l.isa, PlaneSum::maximum, e.geometry(x).w};
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    run::StepInfo step = info;
    step.kernel = describe(spec);
    step.bytes_read = e.pixel_bytes(x);
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), buffers_of({&x, &out}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::GlobalMaxStep>();
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->maximum = a.kernel(kernel);
      s->lanes = vector_lanes(l.isa);
      return s;
    });
    return {};
  });
  return Verdict{};
}

}  // namespace quadlane::compile
