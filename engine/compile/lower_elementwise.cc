// Elementwise operators on planes, u8 and f32, with one operand or two, and plane copies.
#include <algorithm>

#include "engine/compile/elementwise.h"
#include "engine/run/elementwise_step.h"

namespace quadlane::compile {
namespace {

// How an operand repeats to the result's shape [N,C,H,W]: each of N, C and H x W is there or 1.
struct Broadcast {
  bool one_image = false, one_channel = false, one_pixel = false;
  bool none() const { return !one_image && !one_channel && !one_pixel; }
};
std::optional<Broadcast> broadcast_of(const Shape& from, const Shape& to) {
  if (from.size() != 4) return std::nullopt;
  const bool pixel = from[2] == 1 && from[3] == 1;
  if ((from[0] != to[0] && from[0] != 1) || (from[1] != to[1] && from[1] != 1)) return std::nullopt;
  if (!pixel && (from[2] != to[2] || from[3] != to[3])) return std::nullopt;
  return Broadcast{from[0] != to[0], from[1] != to[1], pixel && to[2] * to[3] != 1};
}

bool wants_planes(const Lowering& l, ValueId v, int depth) {
  constexpr const char* kPlanar[] = {"ql.Conv",     "ql.ConvTranspose", "ql.Quantize",       "MaxPool",
                                     "AveragePool", "Resize",           "GlobalAveragePool", "InstanceNormalization"};
  constexpr const char* kThrough[] = {"Concat", "Add", "Sub", "Mul", "Div", "Relu", "Clip", "BatchNormalization",
                                      "Pad"};
  const auto& uses = l.graph.at(v).uses;
  return std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
    const Node& node = l.graph.at(use.node);
    auto is = [&](const char* op) { return node.op == op; };
    if (std::any_of(std::begin(kPlanar), std::end(kPlanar), is)) return true;
    return depth > 0 && node.outputs.size() == 1 && std::any_of(std::begin(kThrough), std::end(kThrough), is) &&
           wants_planes(l, node.output(), depth - 1);
  });
}

// The planes of `value` for the channels of `like`, plane by plane; f32 only.
std::optional<PlanarValue> by_channel(const PlanarValue& value, bool one_channel, const PlanarValue& like) {
  PlanarValue result{value.dtype, value.layout, {}};
  for (const PlaneRef& plane : like.planes) {
    auto found = std::find_if(value.planes.begin(), value.planes.end(), [&](const PlaneRef& p) {
      return p.channels[0] == (one_channel ? 0 : plane.channels[0]);
    });
    if (found == value.planes.end()) return std::nullopt;
    result.planes.push_back(*found);
  }
  return result;
}

void define_with_activation(Lowering& l, const Node& node, Elementwise what, const PlanarValue& a,
                            std::optional<SecondOperand> b, const PlanarValue& out) {
  run::StepInfo info = make_info(node);
  info.note = what.note;
  ValueId result = node.output();
  if (is_f32(what.op) && what.act == Activation::none)
    if (auto next = following_activation(l, result)) {
      what.act = next->act;
      what.scalars = next->scalars;
      result = next->output;
      info.note = cat("with ", to_string(next->act));
    }
  l.define(result, out);
  l.emit(emit_elementwise(l, info, std::move(what), /*flat=*/true, a, std::move(b), out));
}

// Two operands of pixels.
Result<Verdict> lower_binary(Lowering& l, const Node& node, bool integer) {
  const TensorType& type = l.graph.at(node.output()).type;
  std::optional<ElementwiseOp> op = binary_f32(node.op);
  if (node.inputs.size() != 2 || (!integer && !op))
    return declined(cat(node.inputs.size(), " operands, or parameters that are not constants"));
  std::optional<Broadcast> how[2];
  for (size_t i = 0; i < 2; ++i)
    if (!(how[i] = broadcast_of(l.shape(node.input(i)), type.shape)))
      return declined(cat("broadcasts ", to_string(l.shape(node.input(i))), " to ", to_string(type.shape)));
  // The first operand of the kernel has all pixels; better also all channels.
  auto leads = [&](size_t i) { return !how[i]->one_pixel && !how[i]->one_image; };
  size_t first = leads(0) && (!how[0]->one_channel || !leads(1)) ? 0 : 1;
  if (!leads(first) || (integer && first != 0))
    return declined(cat("broadcasts ", to_string(l.shape(node.input(0))), " with ", to_string(l.shape(node.input(1)))));
  QL_TRY(auto a, l.planar(node.input(first)));
  QL_TRY(auto b, l.planar(node.input(1 - first)));
  if (!a || !b || a->dtype != type.dtype || b->dtype != type.dtype) return declined("an operand has no planes");
  const Broadcast &ha = *how[first], &hb = *how[1 - first];
  if (integer) {
    if (hb.one_channel || hb.one_image) return declined("broadcasts bytes over channels or images");
    QL_TRY(b, planes_like(l, node.input(1 - first), *a));
  }
  PlanarValue out =
      l.layouts.fresh_like(ha.one_channel ? *b : *a, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]));
  l.layouts.same_pitch(out.layout, a->layout);
  if (!ha.one_channel && !ha.one_image) l.layouts.same_geometry(out.layout, a->layout);
  if (!hb.one_pixel)
    hb.one_image ? l.layouts.same_pitch(a->layout, b->layout) : l.layouts.same_geometry(a->layout, b->layout);
  Elementwise what;
  std::optional<PlanarValue> second = *b, lead = *a;
  if (integer) {
    what = binary_u8(node);
  } else {
    what.op = *op;
    what.reversed = first == 1;
    lead = by_channel(*a, ha.one_channel, out);
    second = by_channel(*b, hb.one_channel, out);
    if (!lead || !second) return declined("an operand lacks a channel");
  }
  what.second = hb.one_pixel ? Second::pixel : Second::planes;
  define_with_activation(l, node, what, *lead, SecondOperand{*second, hb.one_pixel, hb.one_image}, out);
  return Verdict{};
}

}  // namespace

bool planes_wanted(const Lowering& l, ValueId v) { return wants_planes(l, v, 4); }

Emit emit_elementwise(Lowering& l, run::StepInfo info, Elementwise what, bool flat, PlanarValue a,
                      std::optional<SecondOperand> b, PlanarValue out) {
  return [=, &l](Emitter& e) -> Status {
    const Geometry& g = e.geometry(out);
    ElementwiseSpec spec{l.isa,       what.op,       what.act,  flat ? RowShape{} : RowShape{g.w, g.gap},
                         what.second, what.reversed, what.facts};
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    size_t params = what.params ? e.constant(what.params(a)) : 0, lanes = flat ? e.lanes(g) : 0;
    run::StepInfo step = info;
    step.kernel = describe(spec);
    step.bytes_written = e.pixel_bytes(out);
    step.bytes_read = e.pixel_bytes(a) + (b ? e.pixel_bytes(b->planes) : 0);
    auto touched = b ? buffers_of({&a, &b->planes, &out}) : buffers_of({&a, &out});
    e.step(std::move(step), touched, [=, &l](const Addresses& at) {
      auto s = std::make_unique<run::ElementwiseStep>();
      s->flat = flat;
      s->a = {l.layouts.geometry(a.layout), at.planes(a)};
      if (b) s->b = {l.layouts.geometry(b->planes.layout), at.planes(b->planes), b->one_pixel, b->one_image};
      s->dst = {g, at.planes(out), at.pads(out)};
      s->kernel = at.kernel(kernel);
      s->params = params;
      s->lanes = lanes;
      s->scalars = what.scalars;
      return s;
    });
    return {};
  };
}

PlanarValue private_copy(Lowering& l, const std::string& name, const PlanarValue& x, const std::string& why) {
  const LayoutId layout = l.layouts.add_like(x.layout);
  PlanarValue copy = l.layouts.fresh_like(x, layout);
  run::StepInfo info;
  info.name = name + ".copy";
  info.op = "copy planes";
  info.note = why;
  l.emit(emit_elementwise(l, info, {}, /*flat=*/false, x, std::nullopt, copy));
  return copy;
}

Result<Verdict> lower_elementwise(Lowering& l, const Node& node) {
  if (l.find_planar(node.output())) return Verdict{};  // its operand's producer applied it
  const TensorType& type = l.graph.at(node.output()).type;
  const bool integer = node.op.starts_with("ql.");
  if (!can_be_planar(type) || (type.dtype == DType::u8) != integer)
    return declined("only 4-dimensional u8 and f32 values have planes");
  const bool planes =
      std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return v != kNoValue && l.find_planar(v); });
  if (!integer && !planes && !planes_wanted(l, node.output())) return declined("no operand has planes");
  size_t operand = 0;
  std::optional<Elementwise> what = integer ? unary_u8(l, node) : unary_f32(l, node);
  if (!what && !integer) what = with_constant_f32(l, node, operand);
  if (!what) return lower_binary(l, node, integer);
  QL_TRY(auto a, l.planar(node.input(operand)));
  if (!a || a->dtype != type.dtype) return declined("the operand has no planes");
  if (l.shape(node.input(operand)) != type.shape) return declined("broadcasts its first operand");
  PlanarValue out = l.layouts.fresh_like(*a, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]));
  l.layouts.same_geometry(out.layout, a->layout);
  define_with_activation(l, node, *what, *a, std::nullopt, out);
  return Verdict{};
}

}  // namespace quadlane::compile
